"""The plan of a replay: from the data alone, by fixed rules, with the late counts that the data itself gives."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from services.replay.oulad import BadDataset, read_dataset
from services.replay.plan import Plan, content_of, first_monday, make_plan, size_of
from services.submission.catalogue.domain import next_midnight, noon_of
from services.submission.deadlines.domain import CutOff, rule
from shared.contracts import AssignmentKind, Band, LatePolicy
from tests.support.oulad import FIRST_VERSIONS, VERSIONS, live_days, real_dataset, small_dataset, works_and_late

PRESENTATIONS = {"2013J": (28_601, 4_720), "2013B": (16_197, 2_938), "2014B": (20_335, 3_605)}


@pytest.mark.parametrize("presentation", PRESENTATIONS)
def test_the_plan_has_the_late_works_of_the_data(presentation: str) -> None:
    folder = real_dataset()
    plan = make_plan(read_dataset(folder, presentation))
    works, late = works_and_late(folder, presentation)
    assert (works, late) == PRESENTATIONS[presentation]
    bands = _bands(plan)
    assert (sum(bands.values()), bands[Band.LATE]) == (works, late)


def test_on_the_day_of_the_cut_off_half_come_before_noon_and_half_in_grace() -> None:
    folder = real_dataset()
    on_the_day = sum(due == day for due, day in live_days(folder, "2013J"))
    grace = _bands(make_plan(read_dataset(folder, "2013J")))[Band.GRACE]
    assert grace == pytest.approx(on_the_day / 2, rel=0.05)


def test_trouble_is_added_by_fixed_rule(tmp_path: Path) -> None:
    plan = make_plan(read_dataset(small_dataset(tmp_path / "data"), "2013J"))
    versions = Counter(each.number for slot in plan.slots for each in slot.handings_in)
    assert (plan.works, plan.handings_in) == (FIRST_VERSIONS, VERSIONS)
    assert {number: times for number, times in versions.items() if times > 1} == {50: 3, 100: 3, 60: 2, 120: 2}
    collected = [(slot.moment, each) for slot in plan.slots for each in slot.collectings]
    for moment, collecting in collected:
        (second,) = [
            slot.moment
            for slot in plan.slots
            for each in slot.handings_in
            if (each.assignment_id, each.personal_id) == (collecting.assignment_id, collecting.personal_id)
            and each.version == 2
        ]
        assert moment < second
    assert len(collected) == 2


def test_a_work_that_was_collected_early_has_its_last_version_taken_on_the_day_after_it_came(tmp_path: Path) -> None:
    plan = make_plan(read_dataset(small_dataset(tmp_path / "data"), "2013J"))
    handed_in = [(slot.moment, each) for slot in plan.slots for each in slot.handings_in]
    chosen = [(slot.moment, each) for slot in plan.slots for each in slot.choosings]
    collected = {each for slot in plan.slots for each in slot.collectings}
    assert {choosing.collecting for _, choosing in chosen} == collected
    for moment, choosing in chosen:
        whose = (choosing.collecting.assignment_id, choosing.collecting.personal_id)
        of_work = [(when, each.version) for when, each in handed_in if (each.assignment_id, each.personal_id) == whose]
        last, version = max(of_work)
        assert (choosing.version, moment.date().toordinal() - last.date().toordinal()) == (version, 1)


def test_a_student_whose_group_is_not_known_gets_one_three_days_after_the_first_work(tmp_path: Path) -> None:
    plan = make_plan(read_dataset(small_dataset(tmp_path / "data"), "2013J"))
    known = {s for m in plan.university.modules for p in m.presentations for g in p.groups for s in g.students}
    enrolled = {s for m in plan.university.modules for p in m.presentations for s in p.enrolled}
    (late,) = enrolled - known
    first = min(slot.moment for slot in plan.slots if any(each.personal_id == late for each in slot.handings_in))
    told = [slot.moment for slot in plan.slots if slot.groups is not None]
    assert [moment.date().toordinal() - first.date().toordinal() for moment in told] == [3, 4]


def test_the_same_data_give_the_same_plan_and_a_sample_is_part_of_it(tmp_path: Path) -> None:
    dataset = read_dataset(small_dataset(tmp_path / "data"), "2013J")
    assert make_plan(dataset) == make_plan(dataset)
    whole = {(each.assignment_id, each.personal_id) for slot in make_plan(dataset).slots for each in slot.handings_in}
    sample = make_plan(dataset, limit=20)
    assert sample.works == 20
    assert {(each.assignment_id, each.personal_id) for slot in sample.slots for each in slot.handings_in} < whole


def test_files_differ_and_have_the_size_that_was_drawn(tmp_path: Path) -> None:
    plan = make_plan(read_dataset(small_dataset(tmp_path / "data"), "2013J"))
    each = [handing_in for slot in plan.slots for handing_in in slot.handings_in]
    sizes = sorted(map(size_of, each))
    assert len({content_of(handing_in, 1000) for handing_in in each}) == len(each)
    assert {len(content_of(handing_in, 1000)) for handing_in in each} == {1000}
    assert 40_000 < sizes[len(sizes) // 2] < 90_000


def test_day_0_is_the_first_monday_of_the_month() -> None:
    assert first_monday("2013J") == date(2013, 10, 7)
    assert first_monday("2014B") == date(2014, 2, 3)


def test_a_folder_without_the_data_and_an_unknown_presentation_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="cannot be read"):
        read_dataset(tmp_path, "2013J")
    with pytest.raises(BadDataset, match="known are 2013B, 2013J"):
        read_dataset(small_dataset(tmp_path / "data"), "2099J")
    (tmp_path / "data" / "studentAssessment.csv").write_text("something,else\n1,2\n", encoding="ascii")
    with pytest.raises(BadDataset, match="as it was published"):
        read_dataset(tmp_path / "data", "2013J")


def _bands(plan: Plan) -> Counter[Band]:
    """The bands of the plan's first versions, by the university's rule."""
    cut_offs = {
        f"{module.code}-{presentation.code}-{entry.number}": CutOff(
            cut_off_at=noon_of(entry.cut_off),
            grace_ends_at=next_midnight(noon_of(entry.cut_off)),
            late_policy=LatePolicy.ACCEPT_LATE,
            kind=AssignmentKind.TMA,
            revision=1,
        )
        for module in plan.university.modules
        for presentation in module.presentations
        for entry in presentation.assignments
    }
    return Counter(
        rule(slot.moment, cut_offs[each.assignment_id])
        for slot in plan.slots
        for each in slot.handings_in
        if each.version == 1
    )
