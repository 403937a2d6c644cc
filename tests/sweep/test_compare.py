"""Settings over seeds: what the difference is, how sure, and how many seeds it would take."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.sweep.made import ledger_in, made, sweep_config

from icnet.sweep.check import SweepGuard
from icnet.sweep.compare import ONE_SEED, compare_settings, count_needed, say_difference
from icnet.sweep.ledger import Job, Ledger, read_ledger
from icnet.sweep.page import write_page
from icnet.sweep.table import print_sweep


def sweep(**scores: tuple[float | None, ...]) -> list[Job]:
    """Jobs of loss=NAME with seed=0, 1, ...; None: failed."""
    numbers = itertools.count()
    return [
        made(next(numbers), f"loss={name}", f"seed={seed}", miou=miou, state="failed" if miou is None else None)
        for name, values in scores.items()
        for seed, miou in enumerate(values)
    ]


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    """Differences of 1, 2 and 3 points: mean 2, standard error 1 / sqrt(3), and t is 4.303 at 2 degrees of freedom."""
    (found,) = compare_settings(sweep(a=(0.51, 0.62, 0.43), b=(0.50, 0.60, 0.40)))
    assert (found.a, found.b, found.seeds) == ({"loss": "a"}, {"loss": "b"}, ("0", "1", "2"))
    assert found.difference == pytest.approx(0.02)
    assert (found.low, found.high) == (
        pytest.approx(0.02 - 0.024841, abs=1e-6),
        pytest.approx(0.02 + 0.024841, abs=1e-6),
    )
    assert found.seeds_needed == 5  # an effect of 2
    assert say_difference(found) == "2.00 points (-0.48 to 4.48): not distinguishable with 3 seeds; 5 would do"


def test_what_all_seeds_share_cancels() -> None:
    """The seeds differ by 20 points, the settings by 1 with every seed, but for a little."""
    (found,) = compare_settings(sweep(a=(0.411, 0.610, 0.509), b=(0.40, 0.60, 0.50)))
    assert found.distinguishable
    assert say_difference(found) == "1.00 points (0.75 to 1.25): told apart with 3 seeds"


@pytest.mark.parametrize(
    ("effect", "seeds"),
    [(0.3, 90), (0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5), (16.0, 2), (1e9, 2), (0.1, None), (0, None)],
)
def test_the_seeds_needed_are_those_of_published_tables(effect: float, seeds: int | None) -> None:
    """G*Power 3.1: difference between two dependent means, two tails, alpha 0.05, power 0.8."""
    assert count_needed(effect) == seeds


def test_a_difference_that_is_too_small_for_any_number_of_seeds_is_said_to_be() -> None:
    (found,) = compare_settings(sweep(a=(0.50, 0.51, 0.52), b=(0.52, 0.51, 0.4999)))
    assert found.seeds_needed is None
    assert say_difference(found).endswith("not distinguishable with 3 seeds; 100 would not do")


def test_the_same_score_with_every_seed_needs_no_statistics() -> None:
    same, steady = sweep(a=(0.5, 0.6), b=(0.5, 0.6)), sweep(a=(0.52, 0.62), b=(0.5, 0.6))
    assert [say_difference(found) for found in compare_settings(same)] == ["the same score with 2 seeds"]
    assert [say_difference(found) for found in compare_settings(steady)] == [
        "2.00 points (2.00 to 2.00): told apart with 2 seeds"
    ]


def test_only_seeds_that_both_have_are_compared_and_that_is_said() -> None:
    found, lost, none = compare_settings(sweep(a=(0.60, 0.61, 0.62), b=(0.50, None, 0.53), c=(None, 0.40, None)))
    assert (found.seeds, found.missing) == (("0", "2"), ("1",))
    assert say_difference(found) == "9.50 points (3.15 to 15.85): told apart with the 2 seeds that both have"
    assert say_difference(lost) == "21.00 points with seed 1: one seed tells nothing apart"
    assert say_difference(none) == "no seed has a score with both"


def shown(ledger: Ledger) -> str:
    screen = Console(file=io.StringIO(), width=200)
    print_sweep(ledger, screen)
    return screen.file.getvalue()  # type: ignore[attr-defined]


def test_one_seed_of_each_is_said_once(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path, *sweep(a=(0.60,), b=(0.50,), c=(0.40,)))
    assert compare_settings(list(ledger.jobs.values())) == []
    assert shown(ledger).count(ONE_SEED) == write_page(ledger).read_text().count(ONE_SEED) == 1


def test_settings_without_seeds_and_seeds_of_one_setting_are_not_compared(tmp_path: Path) -> None:
    for jobs in (sweep(a=(0.5, 0.6)), [made(0, "loss=a", miou=0.5), made(1, "loss=b", miou=0.6)]):
        assert compare_settings(jobs) == []
        assert ONE_SEED not in shown(ledger_in(tmp_path, *jobs))


def test_table_page_and_ledger_say_what_the_seeds_tell(tmp_path: Path) -> None:
    """The terminal has the best settings against the others, the page and the file every pair."""
    jobs = sweep(a_b=(0.51, 0.62, 0.43), c=(0.50, 0.60, 0.40), d=(0.30, 0.40, 0.20))
    folder = tmp_path / "s" / "d"
    folder.mkdir(parents=True)
    ledger_in(folder, *jobs)
    SweepGuard().on_multirun_end(sweep_config(tmp_path))
    pairs = json.loads((folder / "sweep.json").read_text())["pairs"]
    assert [(pair["a"]["loss"], pair["b"]["loss"], pair["distinguishable"]) for pair in pairs] == [
        ("a_b", "c", False), ("a_b", "d", True), ("c", "d", True),
    ]  # fmt: skip
    said = "2.00 points (-0.48 to 4.48): not distinguishable with 3 seeds; 5 would do"
    assert (pairs[0]["says"], pairs[0]["seeds_needed"]) == (said, 5)
    page = (folder / "sweep.html").read_text()
    assert all(line in page for line in (said, "loss=a_b against loss=c", "loss=c against loss=d"))
    lines = shown(read_ledger(folder)).splitlines()
    assert f"loss=a_b against loss=c: {said}" in lines
    assert not any(line.startswith("loss=c against") for line in lines)
    read_ledger(folder).change(0, state="done")
    assert "pairs" not in json.loads((folder / "sweep.json").read_text())  # what a job changes is concluded anew
