"""An address of a bucket says everything, and what it cannot say is refused without showing its secret."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.settings import BadSettings
from shared.storage.s3.address import S3Address, Worm
from shared.storage.s3.names import PROBE, READY, key_of, name_of


def test_an_address_says_where_who_and_how_long() -> None:
    url = "s3://etma:s%2Fcret@store.example:9000/works?tls=0&region=eu-west-2&worm=required&retention_days=30"
    assert S3Address.from_url(url) == S3Address(
        host="store.example:9000",
        bucket="works",
        access_key="etma",
        secret_key="s/cret",
        tls=False,
        region="eu-west-2",
        worm=Worm.REQUIRED,
        retention=timedelta(days=30),
    )


def test_a_host_may_be_a_number() -> None:
    assert S3Address.from_url("s3://etma:secret@[::1]:9000/works").host == "[::1]:9000"


def test_what_is_not_said_is_the_safe_choice() -> None:
    address = S3Address.from_url("s3://etma:secret@store.example/works")
    assert (address.host, address.tls, address.worm) == ("store.example", True, Worm.PREFERRED)
    assert address.retention == timedelta(days=365)


@pytest.mark.parametrize(
    "rest",
    [
        "@store.example",
        "@store.example/",
        "@/works",
        "@store.example:port/works",
        "@store.example/works?worm=sometimes",
        "@store.example/works?tls=yes",
        "@store.example/works?retention_days=0",
        "@store.example/works?retention_days=soon",
        "@store.example/works?retention_days=9999999999",
        "@store.example/works?region=",
        "@store.example/works?colour=red",
        "@[store.example/works",
        "/rest-of-secret@store.example/works",
    ],
)
def test_what_is_not_an_address_is_refused_and_not_repeated(rest: str) -> None:
    with pytest.raises(BadSettings, match="ETMA_OBJECTS_URL") as raised:
        S3Address.from_url(f"s3://etma:hush-hush{rest}")
    assert "hush" not in str(raised.value) + repr(raised.value.__cause__)
    assert "rest-of-secret" not in str(raised.value)


def test_an_address_can_be_shown_without_its_secret() -> None:
    assert "hush-hush" not in repr(S3Address.from_url("s3://etma:hush-hush@store.example/works"))


@pytest.mark.parametrize("key", ["a", "a/b", "a.b/c-d_e"])
def test_a_key_is_found_again_in_the_name_of_its_object(key: str) -> None:
    assert key_of(name_of(key)) == key


@pytest.mark.parametrize("name", [PROBE, READY, "notes.txt", "@", "a/b"])
def test_other_names_have_no_key(name: str) -> None:
    assert key_of(name) is None
