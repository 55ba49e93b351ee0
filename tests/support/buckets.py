"""Buckets for tests: with a name of their own, and gone afterwards with all that is in them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from minio import Minio
from minio.deleteobjects import DeleteObject
from urllib3 import PoolManager

from shared.storage.s3.address import S3Address
from shared.storage.s3.requests import SignedRequests


@contextmanager
def own_bucket(server: str, options: str = "worm=off") -> Iterator[str]:
    """The URL of a bucket that is not there yet, on the server of this URL."""
    url = f"{server}/etma-test-{secrets.token_hex(6)}?tls=0&{options}"
    try:
        yield url
    finally:
        remove_bucket(url)


def sdk_of(url: str) -> Minio:
    """The SDK, to look and act behind the adapter's back."""
    address = S3Address.from_url(url)
    return Minio(address.host, address.access_key, address.secret_key, secure=address.tls, region=address.region)


def remove_bucket(url: str) -> None:
    """Remove the bucket, also what is locked in it, as only an administrator may."""
    address, sdk = S3Address.from_url(url), sdk_of(url)
    bucket = address.bucket
    if not sdk.bucket_exists(bucket):
        return
    pages = list(SignedRequests(address, PoolManager())._pages({"versions": ""}))
    found = [
        DeleteObject(each.findtext("{*}Key") or "", each.findtext("{*}VersionId"))
        for page in pages
        for kind in ("Version", "DeleteMarker")
        for each in page.iterfind(f"{{*}}{kind}")
    ]
    failures = list(sdk.remove_objects(bucket, found, bypass_governance_mode=True))
    assert not failures, failures
    sdk.remove_bucket(bucket)
