"""What this service shows of itself to an audit: its trail, and the stages that its pages count."""

from __future__ import annotations

from collections.abc import Callable

from services.operations.pipeline.views import PipelineViews
from services.operations.trail.views import TrailViews
from shared.inspection import MESSAGING_KINDS, PAGE, check_kind

ReadMessaging = Callable[[str, str, int], list[dict[str, object]]]


class OperationsInspection:
    """See `shared.inspection.Inspection`; the kinds are `trail` (every event in order, chained), `stages` (where each
    work is), `stage_counts` (the kept counters of works in each stage), `outbox` and `counters`.
    """

    def __init__(
        self,
        trail: TrailViews,
        pipeline: PipelineViews,
        messaging: ReadMessaging,
        status: Callable[[], dict[str, object]],
    ) -> None:
        self.trail = trail
        self.pipeline = pipeline
        self.messaging = messaging
        self.figures = status

    def facts(self, kind: str, *, after: str = "", limit: int = PAGE) -> list[dict[str, object]]:
        own = {"trail": self.trail.page, "stages": self.pipeline.page, "stage_counts": self.pipeline.page_of_counts}
        check_kind(kind, (*own, *MESSAGING_KINDS))
        if kind in own:
            return own[kind](after=after, limit=limit)
        return self.messaging(kind, after, limit)

    def status(self) -> dict[str, object]:
        """Return how outbox, progress and dead letters stand."""
        return self.figures()
