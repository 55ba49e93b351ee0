"""What the answers and silences of an S3 server mean in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from xml.etree.ElementTree import ParseError

from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from shared.errors import EtmaError, StorageFull, Unavailable
from shared.storage.port import ObjectMissing

_MISSING = frozenset({"NoSuchKey", "NoSuchVersion"})
_NO_ROOM = frozenset({"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"})
_REFUSED = {*range(400, 500), HTTPStatus.NOT_IMPLEMENTED}


class Refusal(Unavailable):
    """The server is there and says no, for want of a right or of something that it cannot do; a person must look."""

    code = "store_refused"


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn what comes from the SDK, the connection and unreadable answers into our failures."""
    try:
        yield
    except S3Error as error:
        raise _meaning(error) from error
    except (HTTPError, OSError) as error:
        raise Unavailable(f"The object store cannot be reached ({type(error).__name__}).") from error
    except (MinioException, ParseError, ValueError) as error:
        raise Unavailable(f"The object store gave an answer that is not S3 ({type(error).__name__}).") from error


def _meaning(error: S3Error) -> EtmaError:
    if error.code in _MISSING or _is_no_version_id(error):
        return ObjectMissing(f"The object store answered {error.code}.")
    if error.code in _NO_ROOM:
        return StorageFull()
    failure = Refusal if error.response.status in _REFUSED else Unavailable
    return failure(f"The object store answered {error.code}.")


def _is_no_version_id(error: S3Error) -> bool:
    """Each server has a form of its ids, and says so of a version that does not have it."""
    return error.code == "InvalidArgument" and "version id" in (error.message or "").lower()
