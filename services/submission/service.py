"""Puts the submission service together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from services.submission.catalogue.handlers import CatalogueImport
from services.submission.catalogue.store import CatalogueStore
from services.submission.catalogue.views import CatalogueViews
from services.submission.corrections.handlers import Corrections
from services.submission.corrections.store import CorrectionStore
from services.submission.deadlines.views import Deadlines
from services.submission.inspection import SubmissionInspection
from services.submission.negotiation import api as requests_api
from services.submission.negotiation import pages as requests_pages
from services.submission.negotiation.domain import Rules
from services.submission.negotiation.handlers import Requests
from services.submission.negotiation.views import RequestViews
from services.submission.people.handlers import Names
from services.submission.personal import SubmissionKeeps
from services.submission.receipts import api as receipts_api
from services.submission.receipts import pages as receipts_pages
from services.submission.receipts.handlers import KeyRing, Verification
from services.submission.receipts.store import ReceiptKeyStore
from services.submission.resumable import api as resumable_api
from services.submission.resumable import pages as resumable_pages
from services.submission.resumable.checking import Checking, CheckingLoop
from services.submission.resumable.clearing import Clearing
from services.submission.resumable.handlers import Uploads
from services.submission.resumable.leases import Leases
from services.submission.resumable.store import UploadStore
from services.submission.scanning.handlers import ScanDesk, Scanning, ScanningLoop
from services.submission.scanning.store import ScanStore
from services.submission.scanning.views import ScanViews
from services.submission.submissions import api, pages
from services.submission.submissions.domain import Quota
from services.submission.submissions.handlers import HandIn, RulingHandlers, Showing
from services.submission.submissions.store import SubmissionStore
from services.submission.submissions.views import SubmissionViews
from services.submission.upload.handlers import OrphanSweep, Retaining
from services.submission.upload.store import OrphanStore, Place
from shared.clock import SystemClock
from shared.contracts import MARKING, PERSON
from shared.housekeeping import Chore
from shared.messaging.consumer import merged
from shared.migrations.history import History
from shared.persons import PersonKeeper
from shared.rates import Rates
from shared.service import Service
from shared.storage.port import Retention
from shared.timers import Timers
from shared.wiring import Platform

NAME = "submission"
HISTORY = History(Path(__file__).parent / "migrations" / "versions")
SWEEP_SECONDS = 3600.0
"""How often broken uploads are cleared away, and how long one must have stood still to be broken."""

ORPHANS_SECONDS = 24 * 3600.0
"""How often all objects are walked for orphans."""

EXPIRE_SECONDS = 60.0
"""How often uploads that nobody goes on with are ended, and the bytes of ended ones deleted."""

RETAIN_SECONDS = 10.0
"""How often the objects of new versions are locked against deletion, where the store can do that."""

ADOPT_SECONDS = 3600.0
"""How often it is looked whether every version is, or was, to be scanned."""

TEMPLATES = tuple(Path(__file__).parent / each / "templates" for each in ("submissions", "receipts", "negotiation"))


class Submission:
    """The service, with its use cases for the command line."""

    def __init__(self, platform: Platform) -> None:
        self.database = platform.database(NAME, HISTORY)
        self.catalogue = CatalogueViews()
        self.views = SubmissionViews()
        self.deadlines = Deadlines(RequestViews().protected)
        store = SubmissionStore()
        scan_views = ScanViews()
        self.scans = ScanStore()
        self.scanning = self._scanning(platform, scan_views)
        self.scan_desk = ScanDesk(self.database, self.scans, scan_views)
        keys = ReceiptKeyStore()
        self.key_ring = KeyRing(platform.receipt_keys, keys, self.database)
        self.key_ring.open()
        self.verification = Verification(self.database, keys, self.views)
        self.hand_in = HandIn(
            database=self.database,
            objects=platform.objects,
            catalogue=self.catalogue,
            deadlines=self.deadlines,
            store=store,
            signer=self.key_ring,
            issuer=platform.settings.address,
            quota=Quota(
                versions=platform.settings.quota_versions,
                size_bytes=platform.settings.quota_bytes,
                uploads=platform.settings.quota_uploads,
            ),
            also=[self.scans.expect] if self.scanning else (),
        )
        self.upload_store = UploadStore()
        checking = Checking(
            leases=Leases(self.database, self.upload_store),
            hand_in=self.hand_in,
            staging=platform.staging,
            timers=Timers(),
        )
        self.uploads = Uploads(checking)
        self.clearing = Clearing(checking)
        checking_loop = CheckingLoop(checking)
        rescan = timedelta(days=platform.settings.rescan_days)
        scanning_loops = [ScanningLoop(self.scanning, rescan=rescan)] if self.scanning else []
        self.orphans = OrphanSweep(
            objects=platform.objects,
            known=self._known_objects,
            database=self.database,
            store=OrphanStore(),
            clock=SystemClock(),
        )
        corrections = Corrections(
            CorrectionStore(), self.catalogue, self.deadlines, self.key_ring, issuer=platform.settings.address
        )
        settings = platform.settings
        self.requests = Requests(
            database=self.database,
            catalogue=self.catalogue,
            deadlines=self.deadlines,
            rules=Rules(
                most_days=settings.more_time_days,
                tutor_days=settings.tutor_answer_days,
                student_days=settings.student_answer_days,
                until_grace=settings.more_time_asked_until == "grace",
            ),
        )
        self.catalogue_store = CatalogueStore(self.requests.expect_regrouping)
        self.catalogue_import = CatalogueImport(self.catalogue_store)
        student_pages = pages.StudentPages(
            hand_in=self.hand_in,
            catalogue=self.catalogue,
            views=self.views,
            uploaded=self.uploads,
            checks=scan_views.states_of,
            database=self.database,
            pages=platform.pages,
        )
        keeps = SubmissionKeeps(
            self.database, objects=platform.objects, staging=platform.staging, kept=platform.settings.kept
        )
        keeper = PersonKeeper(self.database, keeps)
        showing = Showing(self.database, self.catalogue, self.views)
        self.service = Service(
            name=NAME,
            database=self.database,
            handlers=merged(keeper.table(), Names().table(), RulingHandlers(store).table()),
            topics=[PERSON, MARKING],
            persons=keeper,
            timer_handlers={
                **self.uploads.timer_handlers(),
                **corrections.table(),
                **self.requests.timer_handlers(),
            },
            routers=[
                api.routes(self.hand_in, showing, self.verification),
                receipts_api.routes(self.verification),
                pages.routes(student_pages),
                receipts_pages.routes(self.verification, platform.pages),
                resumable_api.tus_routes(self.uploads),
                resumable_api.routes(self.uploads),
                resumable_pages.routes(self.uploads, student_pages),
                requests_api.routes(self.requests),
                requests_pages.routes(requests_pages.RequestPages(self.requests, platform.pages)),
            ],
            follow_up=[checking_loop],
            scanning=scanning_loops,
            in_flight=lambda: checking_loop.is_busy() or any(loop.is_busy() for loop in scanning_loops),
            inspection=SubmissionInspection(
                self.database,
                platform.log_ends(self.database),
                self.scan_desk.figures if self.scanning else dict,
            ),
            recover=[
                lambda: platform.objects.sweep(older_than_seconds=0),
                lambda: platform.staging.sweep(older_than_seconds=0),
                self.clearing.free_all,
                *([self.scanning.free_all] if self.scanning else []),
            ],
            chores=[
                *self._retaining(platform.objects.retention, store),
                Chore(
                    name="submission.broken_uploads",
                    every_seconds=SWEEP_SECONDS,
                    run=lambda: platform.objects.sweep(older_than_seconds=SWEEP_SECONDS),
                ),
                *self._clearing(),
                *self._adopting(),
                Rates(self.database, SystemClock()).pruning(),
                Chore(name="submission.orphans", every_seconds=ORPHANS_SECONDS, run=self.orphans.sweep),
            ],
            problems=self._problems,
        )

    def _clearing(self) -> list[Chore]:
        return [
            Chore(name="submission.expired_uploads", every_seconds=EXPIRE_SECONDS, run=self.clearing.expire),
            Chore(name="submission.discarded_uploads", every_seconds=EXPIRE_SECONDS, run=self.clearing.discard),
            Chore(name="submission.ended_uploads", every_seconds=SWEEP_SECONDS, run=self.clearing.forget),
            Chore(name="submission.staging", every_seconds=SWEEP_SECONDS, run=self.clearing.sweep),
        ]

    def _scanning(self, platform: Platform, views: ScanViews) -> Scanning | None:
        if platform.scanner is None:
            return None
        return Scanning(
            database=self.database, objects=platform.objects, scanner=platform.scanner, store=self.scans, views=views
        )

    def _adopting(self) -> list[Chore]:
        if self.scanning is None:
            return []
        return [Chore(name="submission.unscanned", every_seconds=ADOPT_SECONDS, run=self.scanning.adopt)]

    def _problems(self) -> Mapping[str, str]:
        return {**self.orphans.problems(), **self.key_ring.problems()}

    def _retaining(self, retention: Retention | None, receipts: SubmissionStore) -> list[Chore]:
        if retention is None:
            return []
        retaining = Retaining(retention=retention, receipts=receipts, database=self.database, clock=SystemClock())
        return [Chore(name="submission.retention", every_seconds=RETAIN_SECONDS, run=retaining.step)]

    def _known_objects(self, object_keys: Sequence[str]) -> set[Place]:
        with self.database.reading() as connection:
            of_versions = self.views.known_objects(connection, object_keys)
            return of_versions | self.upload_store.known_objects(object_keys, connection)
