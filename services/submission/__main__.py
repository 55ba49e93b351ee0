"""One role of this service as a process: `python -m services.submission --help`."""

from services.submission import service
from shared.roles import Blueprint, main

main(
    Blueprint(
        name=service.NAME,
        history=service.HISTORY,
        templates=service.TEMPLATES,
        compose=lambda platform: service.Submission(platform).service,
    )
)
