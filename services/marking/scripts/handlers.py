"""Collecting: the first download freezes the version."""

from __future__ import annotations

import structlog

from services.marking.allocation.domain import ScriptState, collect
from services.marking.allocation.store import ScriptStore
from services.marking.malware.domain import require_collectable, require_downloadable
from services.marking.scripts.views import Content, ScriptViews
from shared.database import Context, Database
from shared.errors import Conflict, NotFound
from shared.storage.port import ObjectMissing, ObjectStore

log = structlog.get_logger()


class NotCollected(Conflict):
    """The content is asked for before the script was collected."""

    code = "not_collected"


class Collecting:
    """The tutor's use cases on own scripts."""

    def __init__(
        self,
        *,
        database: Database,
        objects: ObjectStore,
        store: ScriptStore,
        views: ScriptViews,
        only_clean: bool,
    ) -> None:
        self.database = database
        self.objects = objects
        self.store = store
        self.views = views
        self.only_clean = only_clean

    def collect(self, work_id: str, tutor_ref: str, *, correlation_id: str = "") -> Content:
        """Freeze the taken version and say so, once; collecting again only answers.

        Raises `NotFound`, what `require_collectable` raises, and `ObjectMissing` when the bytes are not there: then
        nothing is frozen.
        """
        context = Context(actor=f"tutor:{tutor_ref}", correlation_id=correlation_id)
        with self.database.transaction(context) as tx:
            tx.lock(work_id)
            script = self.store.of_works([work_id], tx).get(work_id)
            if script is None or script.tutor_ref != tutor_ref:
                detail = "There is no such script among yours."
                raise NotFound(detail)
            content = self.views.content(tx.connection, work_id, tutor_ref)
            required = require_downloadable if script.state is ScriptState.COLLECTED else require_collectable
            required(content.check, only_clean=self.only_clean)
            self._look_for(content, work_id)
            decision = collect(script, tutor_ref, now=tx.now)
            if decision.facts:
                self.store.save_all([decision.script], tx)
                tx.publish_all(decision.facts)
            return content

    def content(self, work_id: str, tutor_ref: str) -> Content:
        """The frozen version's content; raises `NotFound`, `NotCollected` before collection, and `MalwareFound`."""
        with self.database.reading() as connection:
            if self.views.script(connection, work_id, tutor_ref).state != ScriptState.COLLECTED:
                detail = "Collect the script first; that freezes the version you will mark."
                raise NotCollected(detail)
            content = self.views.content(connection, work_id, tutor_ref)
        require_downloadable(content.check, only_clean=self.only_clean)
        return content

    def _look_for(self, content: Content, work_id: str) -> None:
        if self.objects.stat(content.object_key, content.object_version) is None:
            log.error("script.object_missing", work_id=work_id, object_key=content.object_key)
            raise ObjectMissing(
                "The file of this script cannot be found, and nothing was changed. Please tell operations staff."
            )
