"""The audit from outside: reads every service, every object and the clients' receipts, and concludes."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.operations.reconciliation import domain, streams
from services.operations.reconciliation.domain import (
    ChainLink,
    Claim,
    Code,
    Delivery,
    Fact,
    Report,
    Settling,
    Version,
    Violation,
)
from services.operations.reconciliation.journal import receipts_under
from shared.errors import EtmaError, Unavailable
from shared.inspection import Inspection
from shared.storage.port import ORPHANS_KEPT, ObjectMissing, ObjectStore

Verify = Callable[[str], Mapping[str, Any]]
"""Checks a receipt's signature and returns its claims; raises `EtmaError` or `ValueError` for a bad one."""

ReadMail = Callable[[], Iterable[str]]
"""The Message-ID of every message that the mail channel holds, as often as it holds it."""

SETTLE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an audit shall look at.

    `now` is the services' clock, `machine_now` the machine's, by which the object store dates; they differ in a replay.
    """

    now: datetime
    machine_now: datetime
    receipts: Path | None = None
    settled: bool = False
    settle_seconds: float = SETTLE_SECONDS

    @property
    def settling(self) -> Settling:
        """How the facts' ages are judged."""
        return Settling(cut=self.now - timedelta(seconds=self.settle_seconds), settled=self.settled)


@dataclass
class _Evidence:
    """What is kept in memory while the streams go by; everything else is looked at once."""

    claims: dict[bytes, Claim] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)


class Audit:
    """Hold everything against everything. Reads only.

    Causes are read before their effects, so that an audit of a running system does not see an effect missing that
    came while it was reading.
    """

    def __init__(
        self,
        inspections: Mapping[str, Inspection],
        objects: ObjectStore,
        verify: Verify,
        read_mail: ReadMail | None = None,
    ) -> None:
        self.inspections = inspections
        self.objects = objects
        self.verify = verify
        self.read_mail = read_mail

    def run(self, question: Question) -> Report:
        """Return what was found; raises `Unavailable` when a stream or the object store cannot be read."""
        report, evidence = Report(), _Evidence()
        self._read_journal(question, evidence, report)
        self._check_versions(evidence, report)
        self._check_objects(question, evidence, report)
        self._check_facts(question.settling, evidence, report)
        self._check_marking(question.settling, evidence, report)
        self._check_telling(question.settling, evidence, report)
        self._check_messaging(question.settling, report)
        return report

    def _read_journal(self, question: Question, evidence: _Evidence, report: Report) -> None:
        if question.receipts is None:
            return
        if not question.receipts.is_dir():
            message = f"{question.receipts} is not a folder of receipts"
            raise Unavailable(message)
        for place, receipt in receipts_under(question.receipts):
            report.counts["receipts"] += 1
            claim = self._claim(receipt)
            if claim is None:
                forged = Violation(code=Code.RECEIPT_FORGED, ids={"receipt": place}, detail="not signed by us")
                report.violations.append(forged)
            else:
                evidence.claims[claim.digest] = claim

    def _claim(self, receipt: str) -> Claim | None:
        try:
            return streams.claim_of(receipt, self.verify(receipt))
        except Unavailable:
            raise
        except (EtmaError, ValueError):
            return None

    def _check_versions(self, evidence: _Evidence, report: Report) -> None:
        for version in streams.read(self.inspections["submission"], "versions", streams.VERSION):
            evidence.versions[version.submission_id] = version
            report.violations.extend(self._check_stored_receipt(version, evidence.claims))
        for claim in evidence.claims.values():
            report.violations.extend(domain.check_receipt(claim, evidence.versions.get(claim.submission_id)))
        report.violations.extend(domain.check_numbers(evidence.versions.values()))
        report.counts["versions"] = len(evidence.versions)
        report.counts["works"] = len({version.work_id for version in evidence.versions.values()})

    def _check_stored_receipt(self, version: Version, claims: Mapping[bytes, Claim]) -> Iterator[Violation]:
        if domain.digest_of(version.receipt) in claims:
            return
        claim = self._claim(version.receipt)
        if claim is None:
            ids = {"submission_id": version.submission_id, "receipt_id": version.receipt_id}
            yield Violation(code=Code.RECEIPT_FORGED, ids=ids, detail="the stored receipt is not signed by us")
        else:
            yield from domain.check_claim(claim, version)

    def _check_objects(self, question: Question, evidence: _Evidence, report: Report) -> None:
        wanted = {(version.object_key, version.object_version): version for version in evidence.versions.values()}
        for stored in self.objects.walk():
            report.counts["objects"] += 1
            version = wanted.pop((stored.key, stored.version), None)
            if version is not None:
                report.violations.extend(self._check_content(version, report))
                continue
            report.counts["objects_unclaimed"] += 1
            age = question.machine_now - stored.modified_at
            ids = {"object_key": stored.key, "object_version": stored.version}
            report.violations.extend(domain.check_orphan(ids, age=age, kept=ORPHANS_KEPT))
        report.violations.extend(map(domain.object_missing, wanted.values()))

    def _check_content(self, version: Version, report: Report) -> Iterator[Violation]:
        digest, size_bytes = sha256(), 0
        try:
            for chunk in self.objects.read(version.object_key, version.object_version):
                digest.update(chunk)
                size_bytes += len(chunk)
        except ObjectMissing:
            yield domain.object_missing(version)
            return
        report.counts["bytes"] += size_bytes
        yield from domain.check_content(version, digest=digest.hexdigest(), size_bytes=size_bytes)

    def _check_facts(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        for service in ("submission", "marking"):
            for fact in streams.published(self.inspections[service]):
                evidence.facts[fact.ce_id] = fact
        announced = list(evidence.facts.values())
        report.violations.extend(domain.check_chain(self._trail(evidence, report)))
        report.violations.extend(domain.check_trail(announced, evidence.written, settling))
        arrivals = [fact for fact in evidence.facts.values() if fact.name == "SubmissionReceived"]
        known = self._known(evidence)
        report.violations.extend(domain.check_arrivals(evidence.versions, arrivals, known, settling))
        report.counts["facts"] = len(evidence.facts)
        report.counts["in_flight"] += sum(settling.in_flight(fact.recorded_at) for fact in evidence.facts.values())

    def _trail(self, evidence: _Evidence, report: Report) -> Iterator[ChainLink]:
        """Return the chain, and keep on the way what it knows of the facts."""
        for row in streams.rows(self.inspections["operations"], "trail"):
            report.counts["trail"] += 1
            fact = streams.watched(row, row["occurred_at"], row["payload"])
            if fact is not None:
                evidence.facts.setdefault(fact.ce_id, fact)
            if streams.name_of(str(row["type"])) in streams.WATCHED:
                evidence.written.add(str(row["ce_id"]))
            yield streams.LINK.validate_python(row)

    def _known(self, evidence: _Evidence) -> Mapping[str, Version]:
        """Return the versions with those that came in since they were read."""
        last = next(reversed(evidence.versions.values()), None)
        after = last.position if last else ""
        since = streams.read(self.inspections["submission"], "versions", streams.VERSION, after=after)
        return ChainMap({version.submission_id: version for version in since}, evidence.versions)

    def _check_marking(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        marking = self.inspections["marking"]
        rulings = list(streams.read(marking, "rulings", streams.RULING))
        scripts = list(streams.read(marking, "scripts", streams.SCRIPT))
        known = self._known(evidence)
        report.violations.extend(domain.check_rulings(evidence.versions, rulings, known, settling))
        report.violations.extend(domain.check_scripts(evidence.versions, scripts, known, settling))
        report.counts["rulings"] = len(rulings)
        report.counts["scripts"] = len(scripts)
        report.counts.update(Counter(f"scripts_{script.state}" for script in scripts))

    def _check_telling(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        notifier = self.inspections["notifier"]
        obligations = list(streams.read(notifier, "obligations", streams.OBLIGATION))
        report.violations.extend(domain.check_obligations(evidence.facts.values(), obligations, settling))
        deliveries = {}
        for delivery in streams.read(notifier, "deliveries", streams.DELIVERY):
            deliveries[delivery.delivery_id] = delivery
            report.counts["deliveries"] += 1
            report.counts[f"deliveries_{delivery.state}"] += 1
            report.violations.extend(domain.check_delivery_state(delivery, settling))
        report.violations.extend(domain.check_deliveries(obligations, deliveries, settling))
        report.counts["obligations"] = len(obligations)
        self._check_mail(deliveries.values(), settling, report)

    def _check_mail(self, deliveries: Collection[Delivery], settling: Settling, report: Report) -> None:
        if self.read_mail:
            messages = Counter(self.read_mail())
            report.counts["messages"] = messages.total()
            report.violations.extend(domain.check_mail(deliveries, messages, settling))

    def _check_messaging(self, settling: Settling, report: Report) -> None:
        for service, inspection in self.inspections.items():
            status = inspection.status()
            report.violations.extend(domain.check_status(service, status, settling))
