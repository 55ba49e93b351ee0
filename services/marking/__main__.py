"""One role of this service as a process: `python -m services.marking --help`."""

from services.marking import service
from shared.roles import Blueprint, main

main(
    Blueprint(
        name=service.NAME,
        history=service.HISTORY,
        templates=service.TEMPLATES,
        compose=service.compose,
    )
)
