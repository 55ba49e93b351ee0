"""What this service shows of itself to an audit: its trail."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.operations.trail.views import TrailViews

ReadMessaging = Callable[[str, str, int], list[dict[str, object]]]


class OperationsInspection:
    """The stream `trail`, and what every service shows of its messaging."""

    kinds: Mapping[str, str]

    def __init__(self, trail: TrailViews, messaging: ReadMessaging, status: Callable[[], dict[str, object]]) -> None:
        self.trail = trail
        self.messaging = messaging
        self.figures = status
        self.kinds = {"trail": "every event in order, chained", "outbox": "facts that this service published"}

    def facts(self, kind: str, *, after: str = "", limit: int = 1000) -> list[dict[str, object]]:
        """Return rows behind position `after`, in order; [] at the end."""
        if kind == "trail":
            return self.trail.page(after=after, limit=limit)
        return self.messaging(kind, after, limit)

    def status(self) -> dict[str, object]:
        """Return how outbox, progress and dead letters stand."""
        return self.figures()
