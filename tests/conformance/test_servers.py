"""The servers that the cluster's tests are given do what their adapters build on."""

from __future__ import annotations

import io
import json
import smtplib
import urllib.request
from email.message import EmailMessage
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from minio import Minio

from tests.support.servers import address

pytestmark = pytest.mark.cluster


def test_postgresql_lets_a_test_make_a_database_of_its_own() -> None:
    name = f"etma_{uuid4().hex}"
    with psycopg.connect(address("postgresql").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        made = connection.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name]).fetchone()
        connection.execute(f"DROP DATABASE {name}")
    assert made == (1,)


@pytest.mark.parametrize("store", ["s3", "second_s3"])
def test_a_store_keeps_bytes_in_a_bucket_with_lock_and_versions(store: str) -> None:
    url = urlsplit(address(store))
    client = Minio(f"{url.hostname}:{url.port}", url.username, url.password, secure=False, region="us-east-1")
    bucket = uuid4().hex
    client.make_bucket(bucket, object_lock=True)
    versions = {client.put_object(bucket, "essay", io.BytesIO(text), len(text)).version_id for text in (b"1", b"2")}
    answer = client.get_object(bucket, "essay")
    kept = answer.read()
    answer.close()
    for version in versions:
        client.remove_object(bucket, "essay", version)
    client.remove_bucket(bucket)
    assert kept == b"2"
    assert len(versions) == 2


def test_kafka_gives_back_what_it_acknowledged() -> None:
    broker, topic = address("kafka").removeprefix("kafka://"), uuid4().hex
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=True)
    producer.send(topic, key=b"work", value=b"received").get(20)
    consumer = KafkaConsumer(bootstrap_servers=broker, consumer_timeout_ms=20_000, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    record = next(consumer)
    for client in (consumer, producer):
        client.close()
    admin.delete_topics([topic])
    admin.close()
    assert (record.key, record.value, record.offset) == (b"work", b"received", 0)


def test_a_mail_that_was_taken_is_in_the_mailbox() -> None:
    url, subject = urlsplit(address("smtp")), uuid4().hex
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "etma@example.org", "ada@example.org", subject
    mail.set_content("Your work was received.")
    with smtplib.SMTP(str(url.hostname), int(url.port or 0)) as channel:
        channel.send_message(mail)
    search = f"{address('mailbox')}/api/v1/search?query=subject:{subject}"
    with urllib.request.urlopen(search) as answer:  # noqa: S310 - http:// by the mailbox's address
        found = json.load(answer)["messages"]
    assert [message["To"][0]["Address"] for message in found] == ["ada@example.org"]
