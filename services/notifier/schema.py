"""All tables of this service, complete once this module is imported."""

from __future__ import annotations

from services.notifier.deliveries import store as delivery_store
from services.notifier.directory import store as directory_store
from services.notifier.obligations import store as obligation_store
from services.notifier.preferences import store as preference_store
from services.notifier.tables import metadata

__all__ = ["delivery_store", "directory_store", "metadata", "obligation_store", "preference_store"]
