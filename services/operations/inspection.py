"""What this service shows of itself to an audit: its trail, and the stages that its pages count."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.operations.pipeline.views import PipelineViews
from services.operations.trail.views import TrailViews

ReadMessaging = Callable[[str, str, int], list[dict[str, object]]]


class OperationsInspection:
    """The streams `trail`, `stages` and `stage_counts`, and what every service shows of its messaging."""

    kinds: Mapping[str, str]

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
        self.kinds = {
            "trail": "every event in order, chained",
            "stages": "where each work is",
            "stage_counts": "the kept counters of works in each stage",
            "outbox": "facts that this service published",
            "counters": "how many facts it said of each key",
        }

    def facts(self, kind: str, *, after: str = "", limit: int = 1000) -> list[dict[str, object]]:
        """Return rows behind position `after`, in order; [] at the end."""
        own = {"trail": self.trail.page, "stages": self.pipeline.page, "stage_counts": self.pipeline.page_of_counts}
        if kind in own:
            return own[kind](after=after, limit=limit)
        return self.messaging(kind, after, limit)

    def status(self) -> dict[str, object]:
        """Return how outbox, progress and dead letters stand."""
        return self.figures()
