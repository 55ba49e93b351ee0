"""Puts the marking service together."""

from __future__ import annotations

from pathlib import Path

from services.marking.allocation.handlers import Allocation
from services.marking.allocation.store import ScriptStore
from services.marking.inspection import MarkingInspection
from services.marking.later_versions import api as later_versions_api
from services.marking.later_versions import pages as later_versions_pages
from services.marking.later_versions.handlers import Answering, Asking
from services.marking.later_versions.store import QuestionStore
from services.marking.later_versions.views import QuestionViews
from services.marking.malware.handlers import Findings
from services.marking.personal import MarkingKeeps
from services.marking.scripts import api, pages
from services.marking.scripts.domain import Turnaround
from services.marking.scripts.handlers import Collecting
from services.marking.scripts.views import ScriptViews
from services.marking.tutors.handlers import Directory
from services.marking.tutors.store import TutorStore
from shared.contracts import CATALOGUE, PERSON, SUBMISSION
from shared.migrations.history import History
from shared.persons import PersonKeeper
from shared.service import Service
from shared.wiring import Platform

NAME = "marking"
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
TEMPLATES = (
    Path(__file__).parent / "scripts" / "templates",
    Path(__file__).parent / "later_versions" / "templates",
)


def compose(platform: Platform) -> Service:
    """The service with the platform's adapters."""
    database = platform.database(NAME, HISTORY)
    only_clean = platform.settings.collects_only_clean
    turnaround = Turnaround(platform.settings.turnaround_days)
    tutors, scripts = TutorStore(), ScriptStore()
    views = ScriptViews(only_clean=only_clean, turnaround=turnaround)
    questions, question_views = QuestionStore(), QuestionViews()
    collecting = Collecting(
        database=database, objects=platform.objects, store=scripts, views=views, only_clean=only_clean
    )
    answering = Answering(database=database, questions=questions, scripts=scripts)
    keeper = PersonKeeper(database, MarkingKeeps(kept=platform.settings.kept))
    return Service(
        name=NAME,
        database=database,
        persons=keeper,
        handlers={
            **keeper.table(),
            **Directory().table(),
            **Allocation(scripts, tutors, Asking(questions)).table(),
            **Findings(scripts, questions).table(),
        },
        topics=[PERSON, CATALOGUE, SUBMISSION],
        routers=[
            api.routes(collecting, views, database, platform.objects),
            pages.routes(collecting, views, question_views, database, platform.objects, platform.pages),
            later_versions_api.routes(answering, question_views, database),
            later_versions_pages.routes(answering, question_views, database, platform.pages),
        ],
        inspection=MarkingInspection(database, platform.log_ends(database)),
    )
