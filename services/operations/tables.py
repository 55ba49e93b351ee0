"""The one metadata of this service; the stores of its capabilities define their tables on it."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()
