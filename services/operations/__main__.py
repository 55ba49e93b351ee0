"""One role of this service as a process: `python -m services.operations --help`."""

from services.operations import service
from shared.roles import Blueprint, main

main(
    Blueprint(
        name=service.NAME,
        history=service.HISTORY,
        templates=service.TEMPLATES,
        compose=service.compose_alone,
    )
)
