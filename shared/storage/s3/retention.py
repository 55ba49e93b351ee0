"""Locks versions against deletion, and proves that the lock holds before anybody relies on it.

The mode is GOVERNANCE: who has the right to lift a lock, which the credentials of this system should not have and whose
header it never sends, can still erase what the law wants erased. COMPLIANCE would bind them too, whatever was locked
by mistake.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog

from shared.settings import BadSettings
from shared.storage.port import ObjectRetained, Retention
from shared.storage.s3.address import S3Address, Worm
from shared.storage.s3.bucket import Bucket
from shared.storage.s3.failures import Refusal
from shared.storage.s3.names import PROBE, name_of
from shared.storage.s3.requests import SignedRequests

PROBE_LOCKED = timedelta(minutes=1)

log = structlog.get_logger()


class S3Retention:
    """The port's `Retention`."""

    def __init__(self, bucket: Bucket, period: timedelta) -> None:
        self.period = period
        self._bucket = bucket

    def retain(self, key: str, version: str, until: datetime) -> None:
        self._bucket.lock(name_of(key), version, until)


def proven_retention(address: S3Address, bucket: Bucket, requests: SignedRequests) -> Retention | None:
    """The retention, if a locked probe could not be deleted; None when it is not wanted, or not kept and not required.

    Raises `BadSettings` when it is required and not kept.
    """
    if address.worm is Worm.OFF:
        return None
    _clear_probes(bucket, requests)
    flaw = _flaw(bucket, requests)
    if flaw is None:
        return S3Retention(bucket, address.retention)
    if address.worm is Worm.REQUIRED:
        raise BadSettings(f"ETMA_OBJECTS_URL: worm=required, but bucket {address.bucket} does not protect: {flaw}")
    log.warning("objects.not_protected", bucket=address.bucket, reason=flaw)
    return None


def _flaw(bucket: Bucket, requests: SignedRequests) -> str | None:
    """Why a lock does not hold; None when it does.

    A probe is locked from the beginning, because whoever else starts clears away all that are not.
    """
    until = datetime.now(UTC) + PROBE_LOCKED
    locked = {
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-retain-until-date": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }
    try:
        version = requests.put(PROBE, b"", hashlib.sha256(b"").digest(), locked)
        bucket.lock(PROBE, version, until + PROBE_LOCKED)
        bucket.remove(PROBE, version)
    except ObjectRetained:
        return None
    except Refusal as refusal:
        return refusal.detail
    return "A locked version could be deleted."


def _clear_probes(bucket: Bucket, requests: SignedRequests) -> None:
    """Take away what earlier starts left and no lock holds any more."""
    for probe in requests.versions(PROBE):
        with suppress(Refusal, ObjectRetained):
            bucket.remove(probe.name, probe.version)
