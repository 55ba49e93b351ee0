"""One role of this service as a process: `python -m services.identity --help`."""

from services.identity import service
from shared.roles import Blueprint, main

main(
    Blueprint(
        name=service.NAME,
        history=service.HISTORY,
        templates=service.TEMPLATES,
        compose=lambda platform: service.Identity(platform).service,
    )
)
