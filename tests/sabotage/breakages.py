"""One-line breakages of what protects the work. Each must turn its named test red; a new protection brings its line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """Replace `old`, which stands exactly once in `file`, by `new`; then `test` (a pytest id) must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


_MESSAGING = "tests/unit/test_messaging.py::"
_LINE = "tests/integration/test_line.py::"
_ENROLMENTS = "tests/integration/test_enrolments.py::"
_PARTS = "tests/faults/test_power_parts.py::"
_MIGRATIONS = "tests/unit/test_migrations.py::"
_ORPHANS = "tests/integration/test_orphans.py::"
_SENDER = "tests/integration/test_notifier_sender.py::"
_READY = "tests/integration/test_readiness.py::"
_DEADLINES = "tests/unit/test_submission_deadlines.py"
_CONSUMER = "shared/messaging/consumer.py"

BREAKAGES: tuple[Breakage, ...] = (
    Breakage(
        name="mark before the bus acknowledges",
        file="shared/messaging/relay.py",
        old='        kill_point("relay.read")\n',
        new="        self._mark([row.position for row in rows])\n",
        test=_MESSAGING + "test_a_relay_marks_only_what_the_bus_took",
    ),
    Breakage(
        name="never mark as published",
        file="shared/messaging/relay.py",
        old="        self._mark([row.position for row in rows])\n",
        new="",
        test=_LINE + "test_work_goes_from_the_student_to_the_tutor_and_everybody_is_told",
    ),
    Breakage(
        name="no inbox",
        file=_CONSUMER,
        old="            if message.id not in seen:\n",
        new="            if message:\n",
        test=_MESSAGING + "test_a_message_that_comes_twice_at_two_offsets_has_one_effect",
    ),
    Breakage(
        name="no inbox within a batch",
        file=_CONSUMER,
        old="                new.setdefault(message.id, message)\n",
        new="                new[message.id + str(len(new))] = message\n",
        test=_MESSAGING + "test_a_message_that_comes_twice_in_one_batch_has_one_effect",
    ),
    Breakage(
        name="progress not checked",
        file=_CONSUMER,
        old="            if record.offset != wanted:\n",
        new="            if record.offset < wanted:\n",
        test=_MESSAGING + "test_a_hole_in_the_offsets_stops_the_consumer",
    ),
    Breakage(
        name="topic id not checked",
        file=_CONSUMER,
        old="        if place is not None and place.topic_id != topic_id:\n",
        new="        if place is not None and not topic_id:\n",
        test=_MESSAGING + "test_a_topic_made_anew_stops_the_consumer",
    ),
    Breakage(
        name="nothing parked behind a dead letter",
        file=_CONSUMER,
        old="        waiting = [record for record in records if (record.topic, record.key) in blocked]\n",
        new="        waiting = [record for record in records if (record.key, record.topic) in blocked]\n",
        test=_MESSAGING + "test_later_facts_of_a_buried_key_wait_behind_it_and_replay_in_order",
    ),
    Breakage(
        name="no limit on dead letters",
        file=_CONSUMER,
        old="        if self._failures_in_a_row >= self.limit:\n",
        new="        if self._failures_in_a_row >= 10 * self.limit:\n",
        test=_MESSAGING + "test_when_everything_fails_the_consumer_stops_instead_of_burying_it_all",
    ),
    Breakage(
        name="a bug is buried at once",
        file=_CONSUMER,
        old="ATTEMPTS_BEFORE_BURIAL = 3\n",
        new="ATTEMPTS_BEFORE_BURIAL = 1\n",
        test=_MESSAGING + "test_a_bug_is_tried_a_few_times_before_it_is_buried",
    ),
    Breakage(
        name="a replayed letter forgets what waits behind it",
        file="shared/messaging/dead_letters.py",
        old="                letter = self._promote(tx, letter)\n",
        new="                letter = None\n",
        test=_MESSAGING + "test_later_facts_of_a_buried_key_wait_behind_it_and_replay_in_order",
    ),
    Breakage(
        name="a discarded letter leaves the others parked for ever",
        file="shared/messaging/dead_letters.py",
        old="            self._promote(tx, letter)\n",
        new="",
        test=_MESSAGING + "test_discarding_brings_the_next_parked_one_forward",
    ),
    Breakage(
        name="commit in spite of an exception",
        file="shared/database.py",
        old="            yield tx\n",
        new="            try:\n                yield tx\n            except BaseException:\n"
        "                begun.commit()\n                raise\n",
        test=_MESSAGING + "test_nothing_is_published_of_a_transaction_that_rolled_back",
    ),
    Breakage(
        name="a fired timer stays",
        file="shared/timers.py",
        old="        tx.connection.execute(sa.delete(timer).where(timer.c.kind == kind, timer.c.key.in_(keys)))\n",
        new="        assert keys\n",
        test=_MESSAGING + "test_a_timer_fires_once_with_its_effect",
    ),
    Breakage(
        name="at the cut-off is late",
        file="services/submission/deadlines/domain.py",
        old="arrived_at <= cut_off.cut_off_at",
        new="arrived_at < cut_off.cut_off_at",
        test=_DEADLINES,
    ),
    Breakage(
        name="midnight is still grace",
        file="services/submission/deadlines/domain.py",
        old="    if arrived_at < cut_off.grace_ends_at:\n",
        new="    if arrived_at <= cut_off.grace_ends_at:\n",
        test=_DEADLINES,
    ),
    Breakage(
        name="another student's receipt is shown",
        file="services/submission/submissions/views.py",
        old="            version_table.c.submission_id == submission_id,\n            sa.or_(",
        new="            version_table.c.submission_id == submission_id,\n            sa.true() | sa.or_(",
        test=_LINE + "test_what_is_not_yours_is_denied",
    ),
    Breakage(
        name="another tutor's script is shown",
        file="services/marking/scripts/views.py",
        old="script_table.c.work_id == work_id, script_table.c.tutor_ref == tutor_ref",
        new="script_table.c.work_id == work_id",
        test=_LINE + "test_what_is_not_yours_is_denied",
    ),
    Breakage(
        name="any role passes",
        file="shared/web/sessions.py",
        old="        if principal.role not in roles:\n",
        new="        if not principal.role:\n",
        test=_LINE + "test_what_is_not_yours_is_denied",
    ),
    Breakage(
        name="not enrolled does not matter",
        file="services/submission/submissions/handlers.py",
        old="        if assignment is None or not known:\n",
        new="        if assignment is None:\n",
        test=_LINE + "test_a_student_of_another_module_is_not_let_in",
    ),
    Breakage(
        name="a retry makes a second version",
        file="services/submission/submissions/handlers.py",
        old="            if known is not None:\n                return known\n",
        new="",
        test=_LINE + "test_a_retry_with_the_same_key_gets_the_same_receipt",
    ),
    Breakage(
        name="a collected script is replaced",
        file="services/marking/allocation/domain.py",
        old="    if script.state is ScriptState.COLLECTED or received.version <= script.taken_version:\n",
        new="    if received.version <= script.taken_version:\n",
        test=_LINE + "test_a_later_version_replaces_the_first_until_the_tutor_collects",
    ),
    Breakage(
        name="a hold is not released",
        file="services/marking/allocation/handlers.py",
        old="        self.scripts.save_all(_changed(scripts, decisions), tx)\n",
        new="",
        test=_LINE + "test_work_of_a_student_without_a_group_waits_and_goes_on_when_the_group_is_known",
    ),
    Breakage(
        name="a refusal is not recorded",
        file="services/submission/submissions/handlers.py",
        old="            self._record_refusal(attempt, assignment, refused)\n",
        new="",
        test=_LINE + "test_what_cannot_be_handed_in_is_refused_recorded_and_told",
    ),
    Breakage(
        name="a dry run of enrolments writes",
        file="services/enrolment_intake.py",
        old="placements: Sequence[Placement]) -> Step:\n        if self.dry_run:\n",
        new="placements: Sequence[Placement]) -> Step:\n        if not self.step:\n",
        test=_ENROLMENTS + "test_a_dry_run_counts_what_the_run_then_does",
    ),
    Breakage(
        name="mistakes in a file of enrolments do not stop it",
        file="services/enrolment_intake.py",
        old="        mistakes.stop_if_any()\n",
        new="",
        test=_ENROLMENTS + "test_a_cause_that_many_lines_share_is_told_once_with_their_number",
    ),
    Breakage(
        name="a student who moves stays in the old group",
        file="services/submission/catalogue/enrolments.py",
        old="                    if group_id != each.group_id:\n",
        new="                    if not group_id:\n",
        test=_ENROLMENTS + "test_a_student_who_moves_is_announced_as_gone_and_then_as_a_member",
    ),
    Breakage(
        name="groups changed by another import are not read anew",
        file="services/submission/catalogue/enrolments.py",
        old="        kept = self._books if revision == self._revision else {}\n",
        new="        kept = self._books\n",
        test=_ENROLMENTS + "test_what_another_import_changes_between_two_steps_is_kept",
    ),
    Breakage(
        name="a withdrawn student's enrolment stays active",
        file="services/submission/catalogue/enrolments.py",
        old='        "status": placement.status,\n',
        new='        "status": "active",\n',
        test=_ENROLMENTS + "test_a_withdrawn_students_work_stays_with_the_tutor_and_no_more_is_taken",
    ),
    Breakage(
        name="an object's bytes are not synced",
        file="shared/storage/file_store.py",
        old="            sync_file(self._file)\n",
        new="",
        test=_PARTS + "test_an_object_that_was_finished_is_there_and_none_is_torn",
    ),
    Breakage(
        name="an object's name is not synced",
        file="shared/storage/file_store.py",
        old="            sync_folder(self._final.parent)\n",
        new="",
        test=_PARTS + "test_an_object_that_was_finished_is_there_and_none_is_torn",
    ),
    Breakage(
        name="the folders of objects are not synced",
        file="shared/storage/file_store.py",
        old="            sync_folder(self.data)\n",
        new="",
        test=_PARTS + "test_an_object_that_was_finished_is_there_and_none_is_torn",
    ),
    Breakage(
        name="a deletion of an object is not synced",
        file="shared/storage/file_store.py",
        old="            sync_folder(path.parent)\n",
        new="",
        test=_PARTS + "test_an_object_that_was_deleted_does_not_come_back",
    ),
    Breakage(
        name="a commit is not synced",
        file="shared/database.py",
        old='"synchronous=FULL"',
        new='"synchronous=NORMAL"',
        test=_PARTS + "test_a_commit_is_never_taken_back",
    ),
    Breakage(
        name="a mail's bytes are not synced",
        file="services/notifier/channels/file_channel.py",
        old="        sync_file(draft)\n",
        new="",
        test=_PARTS + "test_a_mail_that_was_accepted_is_there_and_none_is_torn",
    ),
    Breakage(
        name="a mail's name is not synced",
        file="services/notifier/channels/file_channel.py",
        old="            list(self._writers.map(sync_folder, folders))\n",
        new="",
        test=_PARTS + "test_a_mail_that_was_accepted_is_there_and_none_is_torn",
    ),
    Breakage(
        name="a client's journal is not synced",
        file="services/replay/journal.py",
        old="        sync_file(self._lines)\n",
        new="        self._lines.flush()\n",
        test=_PARTS + "test_a_receipt_that_the_client_holds_stays_in_its_journal",
    ),
    Breakage(
        name="a key's bytes are not synced",
        file="shared/disk.py",
        old="        file.write(content)\n        sync_file(file)\n",
        new="        file.write(content)\n",
        test=_PARTS + "test_a_key_that_was_used_is_the_same_afterwards",
    ),
    Breakage(
        name="a key's name is not synced",
        file="shared/disk.py",
        old="    draft.replace(path)\n    sync_folder(path.parent)\n",
        new="    draft.replace(path)\n",
        test=_PARTS + "test_a_key_that_was_used_is_the_same_afterwards",
    ),
    Breakage(
        name="a folder's name is not synced",
        file="shared/disk.py",
        old="        path.mkdir(exist_ok=True)\n        sync_folder(path.parent)\n",
        new="        path.mkdir(exist_ok=True)\n",
        test=_PARTS + "test_a_folder_made_durably_is_there_with_its_parents",
    ),
    Breakage(
        name="the order of a replay is not synced",
        file="services/replay/commands.py",
        old='    put_durably(path, wanted.encode("ascii"))\n',
        new='    path.write_text(wanted, encoding="ascii")\n',
        test="tests/faults/test_power_cuts.py::test_a_power_cut_at_every_durable_step_takes_no_receipt_back",
    ),
    Breakage(
        name="migrations: a column is missing",
        file="services/submission/migrations/versions/0001_catalogue_and_versions.py",
        old='        sa.Column("collected_at", UtcDateTime),\n',
        new="",
        test=_MIGRATIONS + "test_a_migrated_database_has_the_tables_of_the_code",
    ),
    Breakage(
        name="migrations: a check is missing",
        file="services/marking/migrations/versions/0001_scripts_and_tutors.py",
        old="""sa.CheckConstraint("state IN ('held','allocated','collected')"), """,
        new="",
        test=_MIGRATIONS + "test_a_migrated_database_has_the_tables_of_the_code",
    ),
    Breakage(
        name="migrations: numbers may be given twice",
        file="services/marking/migrations/versions/0001_scripts_and_tutors.py",
        old="        sqlite_autoincrement=True,\n",
        new="",
        test=_MIGRATIONS + "test_a_migrated_database_has_the_tables_of_the_code",
    ),
    Breakage(
        name="migrations: an index is partial on SQLite only",
        file="shared/messaging/migrations/messaging/0001_messaging.py",
        old='        postgresql_where=sa.text("published_at IS NULL"),\n',
        new="",
        test=_MIGRATIONS + "test_a_history_makes_the_same_indexes_on_postgresql",
    ),
    Breakage(
        name="migrations: each step is committed",
        file="shared/migrations/alembic_steps.py",
        old='    kill_point("migrations.applied")\n',
        new='    _step["ctx"].connection.exec_driver_sql("COMMIT")\n    kill_point("migrations.applied")\n',
        test=_MIGRATIONS + "test_killed_in_the_middle_leaves_the_old_state_and_the_next_start_goes_on",
    ),
    Breakage(
        name="migrations: a newer database is used",
        file="shared/migrations/history.py",
        old="        if at is not None and at not in known:\n",
        new="        if at in known and at not in known:\n",
        test=_MIGRATIONS + "test_a_newer_database_is_refused_and_not_changed",
    ),
    Breakage(
        name="migrations: whatever is there is taken over",
        file="shared/migrations/alembic_steps.py",
        old="    if different:\n",
        new="    if not wanted:\n",
        test=_MIGRATIONS + "test_other_tables_without_a_number_are_refused_and_not_changed",
    ),
    Breakage(
        name="migrations: rebuilding a table is stopped by what refers to it",
        file="shared/database.py",
        old='            _driver(connection).execute("PRAGMA foreign_keys=OFF")',
        new="            pass",
        test=_MIGRATIONS + "test_a_rebuilt_table_keeps_its_rows_and_what_refers_to_them",
    ),
    Breakage(
        name="migrations: references are not checked",
        file="shared/database.py",
        old="                _check_references(connection)\n",
        new="",
        test=_MIGRATIONS + "test_a_revision_that_breaks_references_is_taken_back",
    ),
    Breakage(
        name="migrations: a new file in other hands is given up",
        file="shared/database.py",
        old='        if not error.sqlite_errorname.startswith("SQLITE_BUSY"):\n',
        new="        if error:\n",
        test=_MIGRATIONS + "test_a_new_file_that_another_process_is_setting_up_is_waited_for",
    ),
    Breakage(
        name="migrations: a second process does not wait",
        file="shared/database.py",
        old='"BEGIN" if reading else "BEGIN IMMEDIATE"',
        new='"BEGIN"',
        test=_MIGRATIONS + "test_of_processes_that_start_at_once_one_migrates_and_all_go_on",
    ),
    Breakage(
        name="orphans: a note is as old as the object",
        file="services/submission/upload/handlers.py",
        old="self.store.note(fresh, self.clock.now(), tx)",
        new="self.store.note(fresh, min(entry.modified_at for entry in entries), tx)",
        test=_ORPHANS + "test_an_orphan_of_any_age_stays_for_a_month_after_it_was_noticed"
        "_and_what_a_version_knows_for_ever",
    ),
    Breakage(
        name="orphans: a note stays when a version knows the object again",
        file="services/submission/upload/handlers.py",
        old="                self.store.forget(found_again, tx)\n",
        new="",
        test=_ORPHANS + "test_an_object_that_a_version_knows_again_begins_anew",
    ),
    Breakage(
        name="orphans: versions are not asked again before deleting",
        file="services/submission/upload/handlers.py",
        old="for key, version in places if key not in known]",
        new="for key, version in places if key]",
        test=_ORPHANS + "test_what_a_version_knows_again_after_the_walk_is_not_deleted",
    ),
    Breakage(
        name="orphans: however many there are, they are deleted",
        file="services/submission/upload/handlers.py",
        old="            return 0\n",
        new="",
        test=_ORPHANS + "test_without_any_version_nothing_is_ever_deleted",
    ),
    Breakage(
        name="orphans: nobody is told of too many",
        file="services/submission/service.py",
        old="            problems=self.orphans.problems,\n",
        new="",
        test=_ORPHANS + "test_a_start_with_a_lost_database_takes_no_old_bytes_away_and_is_not_ready",
    ),
    Breakage(
        name="bus: a log made anew is not noticed at the start",
        file=_CONSUMER,
        old="        if place.topic_id != found.topic_id:\n",
        new="        if not place.topic_id:\n",
        test=_MESSAGING + "test_a_bus_made_anew_stops_the_consumer_before_its_log_has_outgrown_the_old_one",
    ),
    Breakage(
        name="bus: a log that ends too early is not noticed",
        file=_CONSUMER,
        old="        if place.next_offset > found.end_offset:\n",
        new="        if place.next_offset < 0:\n",
        test=_MESSAGING + "test_a_log_that_ends_before_what_was_read_stops_the_consumer",
    ),
    Breakage(
        name="bus: facts thrown away unread are passed over",
        file=_CONSUMER,
        old='            self._stop(f"{name}: goes on at',
        new='            str(f"{name}: goes on at',
        test=_MESSAGING + "test_a_log_that_lost_what_was_not_read_yet_stops_the_consumer",
    ),
    Breakage(
        name="sender: one bad row stops all mail",
        file="services/notifier/deliveries/handlers.py",
        old="            return [_Hopeless(delivery=claimed[0], told=(), flaw=Flaw.UNREADABLE)]\n",
        new="            raise\n",
        test=_SENDER + "test_a_delivery_that_can_never_go_out_fails_with_a_reason_and_the_others_go_on",
    ),
    Breakage(
        name="sender: what it could not mark stays with it for ever",
        file="services/notifier/deliveries/store.py",
        old="        left = (deliveries.c.owner == owner) | (",
        new="        left = (deliveries.c.owner != owner) & (",
        test=_SENDER + "test_what_a_sender_could_not_mark_goes_again_at_its_next_step",
    ),
    Breakage(
        name="sender: each look for work reads all deliveries",
        file="services/notifier/deliveries/store.py",
        old=".where(_as_in_the_index, which)",
        new=".where(which)",
        test=_SENDER + "test_looking_for_work_reads_an_index_of_what_is_unfinished",
    ),
    Breakage(
        name="timers: one that fails stops the others",
        file="shared/timers.py",
        old="            for key in found:\n                self._fire_alone(key)\n",
        new="            raise\n",
        test=_MESSAGING + "test_a_timer_that_fails_holds_up_no_other_is_visible_and_is_tried_again_until_it_works",
    ),
    Breakage(
        name="timers: one that fails is not counted",
        file="shared/timers.py",
        old="            tx.connection.execute(put_off)\n",
        new="            str(put_off)\n",
        test=_MESSAGING + "test_a_timer_that_fails_holds_up_no_other_is_visible_and_is_tried_again_until_it_works",
    ),
    Breakage(
        name="ready: a loop that waits is not told",
        file="shared/service.py",
        old="            self.waiting[loop.name] = error.code\n",
        new="",
        test="tests/unit/test_loops.py::test_a_loop_that_waits_for_its_infrastructure_is_told_until_it_moves_again",
    ),
    Breakage(
        name="ready: everybody reads the words of an exception",
        file="shared/service.py",
        old='f"{public_name(error)}, reference {reference}"',
        new='f"{error!r}, reference {reference}"',
        test="tests/unit/test_loops.py::test_a_loop_that_gave_up_is_told_by_class_and_reference"
        "_and_the_log_has_the_words",
    ),
    Breakage(
        name="ready: nobody asks for room",
        file="services/embedded.py",
        old="        self.platform.objects.ready()\n",
        new="",
        test=_READY + "test_a_full_disk_is_not_ready",
    ),
    Breakage(
        name="ready: nobody asks for timers",
        file="services/embedded.py",
        old="            **{loop.name: loop.problems for loop in timers},\n",
        new="",
        test=_READY + "test_timers_that_cannot_be_fired_are_not_ready",
    ),
    Breakage(
        name="ready: a consumer that never began has no lag",
        file=_CONSUMER,
        old="                    self._advance(tx, each.topic, each.number, each.first_offset, each.topic_id)\n",
        new="                    str(tx)\n",
        test=_READY + "test_a_consumer_that_stopped_before_its_first_fact_lags_by_all_that_it_did_not_read",
    ),
    Breakage(
        name="told: nobody says whose script it was that is held",
        file="services/marking/allocation/domain.py",
        old="            from_tutor_ref=before.tutor_ref,\n        )\n    if before.tutor_ref is None:\n",
        new="        )\n    if before.tutor_ref is None:\n",
        test=_LINE + "test_a_script_that_leaves_its_tutor_for_nobody_is_told_to_the_tutor",
    ),
)
