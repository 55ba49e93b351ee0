"""One role of this service as a process: `python -m services.notifier --help`."""

from services.notifier import service
from shared.roles import Blueprint, main

main(
    Blueprint(
        name=service.NAME,
        history=service.HISTORY,
        templates=service.TEMPLATES,
        compose=lambda platform: service.Notifier(platform).service,
    )
)
