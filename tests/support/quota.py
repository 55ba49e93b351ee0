"""As much as anybody may hand in where nothing else is set."""

from __future__ import annotations

from typing import Final

from services.submission.submissions.domain import Quota
from shared.settings import load_settings

_SETTINGS = load_settings()
QUOTA: Final = Quota(
    versions=_SETTINGS.quota_versions, size_bytes=_SETTINGS.quota_bytes, uploads=_SETTINGS.quota_uploads
)
