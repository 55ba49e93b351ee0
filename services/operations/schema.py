"""All tables of this service, complete once this module is imported."""

from __future__ import annotations

from services.operations.audits import store as audit_store
from services.operations.pipeline import store as pipeline_store
from services.operations.tables import metadata
from services.operations.trail import store as trail_store

__all__ = ["audit_store", "metadata", "pipeline_store", "trail_store"]
