"""The audit from outside: reads every service, every object and the clients' receipts, and concludes."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from services.operations.reconciliation import streams
from services.operations.reconciliation.domain import (
    announced,
    arrivals,
    asked,
    corrected,
    marked,
    scanned,
    states,
    told,
)
from services.operations.reconciliation.domain.model import (
    ChainLink,
    Claim,
    Code,
    Correction,
    Delivery,
    Refusal,
    Report,
    Ruling,
    Scan,
    Script,
    Settling,
    Version,
    VersionQuestion,
    Violation,
    digest_of,
)
from services.operations.reconciliation.journal import receipts_under
from services.operations.reconciliation.ledger import Ledger
from shared.errors import EtmaError, Unavailable
from shared.inspection import Inspection
from shared.messaging.tables import ARCHIVED
from shared.storage.port import ORPHANS_KEPT, ObjectMissing, StoredEntry

Verify = Callable[[str], Mapping[str, Any]]
"""Checks a receipt's signature and returns its claims; raises `EtmaError` or `ValueError` for a bad one."""

ReadMail = Callable[[], Iterable[str] | None]
"""The Message-ID of every message that the mail channel holds, as often as it holds it."""


class Objects(Protocol):
    """What is read of an object store (`shared.storage.port.ObjectStore`)."""

    def walk(self) -> Iterator[StoredEntry]: ...

    def read(self, key: str, version: str) -> Iterator[bytes]: ...


SETTLE_SECONDS = 60.0
DIGEST_WINDOW_SECONDS = 900.0

LONGEST_DAY = timedelta(hours=25)
"""From one daily digest to the next, in the night in which an hour comes twice."""

OUTAGE = timedelta(hours=1)
"""How much older than the settling time a message under way may be: as long as nobody minds that mail does not go."""

KEPT = {
    "identity": ("persons",),
    "submission": ("assignments", "enrolments", "tutors", "groups"),
    "marking": ("assignments", "groups", "persons"),
    "notifier": ("assignments", "persons"),
}
"""The things of which services keep the state that was said last."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an audit shall look at.

    `now` is the services' clock, `machine_now` the machine's, by which the object store dates; they differ in a replay.
    `digest_window_seconds` is how long the notifier gathers news for a tutor's mail.
    """

    now: datetime
    machine_now: datetime
    receipts: Path | None = None
    settled: bool = False
    settle_seconds: float = SETTLE_SECONDS
    digest_window_seconds: float = DIGEST_WINDOW_SECONDS

    @property
    def settling(self) -> Settling:
        """How the facts' ages are judged."""
        cut = self.now - timedelta(seconds=self.settle_seconds)
        return Settling(
            cut=cut,
            sent_by=cut - OUTAGE,
            gathered_by=cut - timedelta(seconds=self.digest_window_seconds),
            next_day_by=self.now + LONGEST_DAY,
            archived_since=self.now - ARCHIVED + timedelta(days=1),
            settled=self.settled,
        )


@dataclass
class _Evidence:
    """What is kept in memory while the streams go by; everything else is looked at once."""

    claims: dict[bytes, Claim] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    corrections: dict[str, Correction] = field(default_factory=dict)
    without_object: list[Version] = field(default_factory=list)
    scans: dict[str, Scan] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)


class Audit:
    """Hold everything against everything. Reads only.

    Causes are read before their effects, so that an audit of a running system does not see an effect missing that
    came while it was reading. Without `objects` no file is looked at, without `verify` no receipt; then nothing is said
    of them.
    """

    def __init__(
        self,
        inspections: Mapping[str, Inspection],
        objects: Objects | None,
        verify: Verify | None,
        read_mail: ReadMail | None = None,
    ) -> None:
        self.inspections = inspections
        self.objects = objects
        self.verify = verify
        self.read_mail = read_mail

    def run(self, question: Question) -> Report:
        """Return what was found; raises `Unavailable` when a stream, the store or the receipts cannot be read."""
        report, evidence = Report(), _Evidence()
        self._read_journal(question, evidence, report)
        self._check_versions(evidence, report)
        self._check_objects(question, evidence, report)
        self._check_facts(question.settling, evidence, report)
        self._check_erased(question.settling, evidence, report)
        self._check_marking(question.settling, evidence, report)
        self._check_telling(question.settling, evidence, report)
        self._check_states(question.settling, evidence, report)
        self._check_messaging(question.settling, report)
        return report

    def _read_journal(self, question: Question, evidence: _Evidence, report: Report) -> None:
        if question.receipts is None:
            return
        if self.verify is None:
            message = "without the public keys no receipt can be checked"
            raise Unavailable(message)
        if not question.receipts.is_dir():
            message = f"{question.receipts} is not a folder of receipts"
            raise Unavailable(message)
        for place, receipt in receipts_under(question.receipts):
            report.counts["receipts"] += 1
            claim = self._claim(receipt, self.verify)
            if claim is None:
                forged = Violation(code=Code.RECEIPT_FORGED, ids={"receipt": place}, detail="not signed by us")
                report.violations.append(forged)
            else:
                evidence.claims[claim.digest] = claim
        if not report.counts["receipts"]:
            message = f"there is no receipt in {question.receipts}: one a line, in files *.jsonl, *.jws or *.txt"
            raise Unavailable(message)

    def _claim(self, receipt: str, verify: Verify) -> Claim | None:
        try:
            return streams.claim_of(receipt, verify(receipt))
        except Unavailable:
            raise
        except (EtmaError, ValueError):
            return None

    def _check_versions(self, evidence: _Evidence, report: Report) -> None:
        submission = self.inspections["submission"]
        for version in streams.read(submission, "versions", streams.VERSION):
            evidence.versions[version.submission_id] = version
            report.violations.extend(arrivals.check_work(version))
            report.violations.extend(self._check_stored_receipt(version, evidence.claims))
        for claim in evidence.claims.values():
            report.violations.extend(arrivals.check_receipt(claim, evidence.versions.get(claim.submission_id)))
        report.violations.extend(arrivals.check_numbers(evidence.versions.values()))
        for refusal in streams.read(submission, "refusals", streams.REFUSAL):
            evidence.refusals[refusal.refusal_id] = refusal
        for correction in streams.read(submission, "corrections", streams.CORRECTION):
            evidence.corrections[correction.ruling_id] = correction
        for scan in streams.read(submission, "scans", streams.SCAN):
            evidence.scans[scan.submission_id] = scan
        report.counts.update(Counter(f"scans_{scan.state}" for scan in evidence.scans.values()))
        report.counts["versions"] = len(evidence.versions)
        report.counts["refusals"] = len(evidence.refusals)
        report.counts["works"] = len({version.work_id for version in evidence.versions.values()})

    def _check_stored_receipt(self, version: Version, claims: Mapping[bytes, Claim]) -> Iterator[Violation]:
        if self.verify is None:
            return
        claim = claims.get(digest_of(version.receipt)) or self._claim(version.receipt, self.verify)
        if claim is None:
            ids = {"submission_id": version.submission_id, "receipt_id": version.receipt_id}
            yield Violation(code=Code.RECEIPT_FORGED, ids=ids, detail="the stored receipt is not signed by us")
        else:
            yield from arrivals.check_claim(claim, version)

    def _check_objects(self, question: Question, evidence: _Evidence, report: Report) -> None:
        if self.objects is None:
            return
        wanted = {(version.object_key, version.object_version): version for version in evidence.versions.values()}
        noted = {
            (row["object_key"], row["object_version"]): datetime.fromisoformat(row["first_seen_at"])
            for row in streams.rows(self.inspections["submission"], "orphans")
        }
        for stored in self.objects.walk():
            report.counts["objects"] += 1
            version = wanted.pop((stored.key, stored.version), None)
            if version is not None:
                report.violations.extend(self._check_content(version, self.objects, evidence, report))
                continue
            report.counts["objects_unclaimed"] += 1
            noted_for = question.machine_now - noted.get((stored.key, stored.version), question.machine_now)
            ids = {"object_key": stored.key, "object_version": stored.version}
            report.violations.extend(arrivals.check_orphan(ids, noted_for=noted_for, kept=ORPHANS_KEPT))
        evidence.without_object.extend(wanted.values())

    def _check_content(
        self, version: Version, objects: Objects, evidence: _Evidence, report: Report
    ) -> Iterator[Violation]:
        digest, size_bytes = sha256(), 0
        try:
            for chunk in objects.read(version.object_key, version.object_version):
                digest.update(chunk)
                size_bytes += len(chunk)
        except ObjectMissing:
            evidence.without_object.append(version)
            return
        report.counts["bytes"] += size_bytes
        yield from arrivals.check_content(version, digest=digest.hexdigest(), size_bytes=size_bytes)

    def _check_facts(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        ledger = evidence.ledger
        self._read_outboxes(settling, ledger, report)
        report.violations.extend(announced.check_chain(self._trail(settling, ledger, report)))
        report.violations.extend(ledger.check_unwritten(settling))
        report.violations.extend(announced.check_sequences(ledger.numbers, ledger.counters, settling))
        received, refused = ledger.named({"SubmissionReceived"}), ledger.named({"SubmissionRefused"})
        known = self._known(evidence)
        report.violations.extend(arrivals.check_arrivals(evidence.versions, received, known, settling))
        report.violations.extend(arrivals.check_refusals(evidence.refusals, refused, settling))
        said_anew = ledger.named({"LatenessCorrected"})
        report.violations.extend(corrected.check_corrections(evidence.corrections, said_anew, settling))
        results = scanned.last_results(ledger.named({"SubmissionScanned"}))
        report.violations.extend(scanned.check_scans(evidence.scans, results, known, settling))
        report.counts["facts"] = sum(map(len, ledger.numbers.values()))

    def _check_erased(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        """Files are gone of nobody but who was erased, and each service knows of whom that was said."""
        said = evidence.ledger.erased
        report.violations.extend(arrivals.check_objects_there(evidence.without_object, said))
        for service, inspection in self.inspections.items():
            known = {str(row["person_ref"]) for row in streams.rows(inspection, "erased")}
            report.violations.extend(states.check_erased(service, known, said, settling))
        report.counts["persons_erased"] = len(said)

    def _read_outboxes(self, settling: Settling, ledger: Ledger, report: Report) -> None:
        for service, inspection in self.inspections.items():
            for row in streams.rows(inspection, "counters"):
                ledger.add_counter(service, row)
        for inspection in self.inspections.values():
            for row in streams.rows(inspection, "outbox"):
                report.counts["in_flight"] += settling.in_flight(ledger.add_published(row).recorded_at)

    def _trail(self, settling: Settling, ledger: Ledger, report: Report) -> Iterator[ChainLink]:
        """Return the chain, and hold on the way what it says against the outboxes."""
        for row in streams.rows(self.inspections["operations"], "trail"):
            report.counts["trail"] += 1
            report.violations.extend(ledger.add_written(row, settling))
            yield streams.link_of(row)

    def _known(self, evidence: _Evidence) -> Mapping[str, Version]:
        """Return the versions with those that came in since they were read."""
        last = next(reversed(evidence.versions.values()), None)
        after = last.position if last else ""
        since = streams.read(self.inspections["submission"], "versions", streams.VERSION, after=after)
        return ChainMap({version.submission_id: version for version in since}, evidence.versions)

    def _check_marking(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        marking, ledger = self.inspections["marking"], evidence.ledger
        scripts = list(streams.read(marking, "scripts", streams.SCRIPT))
        rulings = list(streams.read(marking, "rulings", streams.RULING))
        questions = list(streams.read(marking, "questions", streams.QUESTION))
        known = self._known(evidence)
        report.violations.extend(marked.check_rulings(evidence.versions, rulings, known, settling))
        report.violations.extend(marked.check_ruling_facts(rulings, ledger.named(marked.RULINGS), settling))
        report.violations.extend(marked.check_scripts(evidence.versions, scripts, known, settling))
        report.violations.extend(marked.check_taken(scripts, rulings, questions, settling))
        places = marked.last_places(ledger.named(marked.PLACES))
        collected = marked.last_places(ledger.named({marked.COLLECTED}))
        report.violations.extend(marked.check_places(scripts, places, collected, settling))
        self._check_questions(questions, scripts, settling, evidence, report)
        self._check_views(scripts, rulings, settling, evidence, report)
        report.counts["rulings"] = len(rulings)
        report.counts["scripts"] = len(scripts)
        report.counts.update(Counter(f"scripts_{script.state}" for script in scripts))

    def _check_questions(
        self,
        questions: Sequence[VersionQuestion],
        scripts: Iterable[Script],
        settling: Settling,
        evidence: _Evidence,
        report: Report,
    ) -> None:
        ledger = evidence.ledger
        not_taken, answers = ledger.named({"VersionNotTaken"}), ledger.named(asked.ANSWERS.values())
        report.violations.extend(asked.check_questions(questions, not_taken, scripts, settling))
        report.violations.extend(asked.check_answers(questions, answers, settling))
        by_version = {question.submission_id: question for question in questions}
        report.violations.extend(states.check_choices_seen(evidence.versions.values(), by_version, settling))
        report.counts["questions"] = len(questions)
        report.counts.update(Counter(f"questions_{question.state}" for question in questions))

    def _check_views(
        self,
        scripts: Sequence[Script],
        rulings: Iterable[Ruling],
        settling: Settling,
        evidence: _Evidence,
        report: Report,
    ) -> None:
        """Hold what students and operations staff are shown against what marking has."""
        by_version = {ruling.submission_id: ruling for ruling in rulings}
        collected = {fact.submission_id or "": fact for fact in evidence.ledger.named({"ScriptCollected"})}
        views = states.check_student_views(evidence.versions.values(), by_version, collected, settling)
        report.violations.extend(views)
        said_anew = evidence.ledger.named({"LatenessCorrected"})
        report.violations.extend(corrected.check_bands(evidence.versions.values(), by_version, said_anew, settling))
        results = scanned.last_results(evidence.ledger.named({"SubmissionScanned"}))
        report.violations.extend(scanned.check_outcomes_known(rulings, results, settling))
        operations = self.inspections["operations"]
        stages = {staged.work_id: staged for staged in streams.read(operations, "stages", streams.STAGED)}
        kept = {(row["assignment_id"], row["stage"]): row["count"] for row in streams.rows(operations, "stage_counts")}
        counted = states.counted_stages(stages.values(), evidence.ledger.named({"SubmissionRefused"}))
        report.violations.extend(states.check_stages(scripts, stages, settling))
        report.violations.extend(states.check_counters(kept, counted, settling))

    def _check_telling(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        notifier = self.inspections["notifier"]
        persons = {str(row["person_ref"]) for row in streams.rows(notifier, "persons")}
        obligations = list(streams.read(notifier, "obligations", streams.OBLIGATION))
        report.violations.extend(told.check_obligations(evidence.ledger.facts, obligations, settling))
        deliveries = {}
        for delivery in streams.read(notifier, "deliveries", streams.DELIVERY):
            deliveries[delivery.delivery_id] = delivery
            report.counts["deliveries"] += 1
            report.counts[f"deliveries_{delivery.state}"] += 1
            report.violations.extend(told.check_delivery_state(delivery, settling))
        report.violations.extend(told.check_waiting(obligations, deliveries, persons, settling))
        report.violations.extend(told.check_told(obligations, deliveries, evidence.ledger.told, settling))
        report.counts["obligations"] = len(obligations)
        kept = [delivery for delivery in deliveries.values() if delivery.person_ref not in evidence.ledger.erased]
        self._check_mail(kept, settling, report)

    def _check_mail(self, deliveries: Collection[Delivery], settling: Settling, report: Report) -> None:
        kept = self.read_mail() if self.read_mail else None
        if kept is not None:
            messages = Counter(kept)
            report.counts["messages"] = messages.total()
            report.violations.extend(told.check_mail(deliveries, messages, settling))

    def _check_states(self, settling: Settling, evidence: _Evidence, report: Report) -> None:
        for service, kinds in KEPT.items():
            for kind in kinds:
                rows = streams.states(self.inspections[service], kind)
                ids = {"service": service, "kind": kind}
                report.violations.extend(states.check_states(ids, rows, evidence.ledger.standing(kind), settling))

    def _check_messaging(self, settling: Settling, report: Report) -> None:
        for service, inspection in self.inspections.items():
            status = inspection.status()
            report.violations.extend(states.check_status(service, status, settling))
