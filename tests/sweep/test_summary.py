"""What a sweep shows: table, means over seeds, plot, page."""

from __future__ import annotations

import io
import re
import statistics
from pathlib import Path

import pytest
from rich.console import Console
from tests.sweep.made import GRID, ledger_in, made

from icnet.sweep.__main__ import main as show_sweep
from icnet.sweep.page import write_page
from icnet.sweep.plot import choose_plot, draw_sweep
from icnet.sweep.summary import group_seeds, rank, say_seeds, swept_keys
from icnet.sweep.table import print_sweep


def test_the_best_job_comes_first_and_those_without_a_score_last() -> None:
    jobs = [made(0, "a=1", miou=0.2), made(1, "a=2", state="failed"), made(2, "a=3", miou=0.6), made(3, "a=4")]
    assert [job.number for job in rank(jobs)] == [2, 0, 1, 3]


def test_only_settings_that_differ_are_swept() -> None:
    jobs = [made(n, *overrides, f"sweep.jobs={n}") for n, overrides in enumerate(GRID)]
    assert swept_keys(jobs) == ["loss.sub4", "loss.sub24"]


def test_mean_and_standard_deviation_over_seeds_are_those_of_a_sample() -> None:
    values = (0.50, 0.52, 0.57)
    (group,) = group_seeds([made(n, f"seed={n}", miou=value) for n, value in enumerate(values)])
    assert group.mean == pytest.approx(0.53)
    assert group.std == pytest.approx(statistics.stdev(values))  # sqrt((9 + 1 + 16) / 2) %
    assert group.std == pytest.approx(0.0360555, abs=1e-6)
    assert say_seeds(group) == "53.00 ± 3.61 % over 3 seeds"


def test_seeds_are_averaged_for_each_choice_of_the_other_settings() -> None:
    jobs = [
        made(2 * n + s, f"loss.sub4={a}", f"seed={s}", miou=a + 0.1 * s)
        for n, a in enumerate((0.1, 0.5))
        for s in (0, 1)
    ]
    groups = group_seeds([*jobs, made(9, "loss.sub4=0.1", "seed=7", state="failed")])
    assert [(group.settings, round(group.mean, 3), len(group.scores)) for group in groups] == [
        ({"loss.sub4": "0.5"}, 0.55, 2), ({"loss.sub4": "0.1"}, 0.15, 2),
    ]  # fmt: skip


def test_one_seed_has_no_deviation_and_no_seed_no_mean() -> None:
    (group,) = group_seeds([made(0, "seed=0", miou=0.5), made(1, "seed=1", state="failed")])
    assert say_seeds(group) == "50.00 % over 1 seed"
    assert group_seeds([made(0, "a=0", miou=0.5), made(1, "a=1", miou=0.5)]) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("loss.sub4=0.1",), ("loss.sub4=0.2",)], "lines"),
        ([("loss.sub4=0.1", "seed=0"), ("loss.sub4=0.2", "seed=1")], "lines"),
        ([("loss.sub4=0.1", "loss=cascade"), ("loss.sub4=0.2", "loss=cascade_ohem")], "lines"),
        (GRID, "map"),
        ([(f"loss.sub4={n / 7}", f"loss.sub24={n / 9}") for n in range(9)], "points"),
        ([("seed=0",), ("seed=1",)], "seeds"),
        ([("loss=cascade",), ("loss=cascade_ohem",)], "bars"),
        ([("a=1", "b=1", "c=1"), ("a=2", "b=2", "c=2")], "bars"),
        ([("a=1",)], "bars"),
    ],
)
def test_the_plot_follows_from_what_is_swept(tmp_path: Path, rows: list[tuple[str, ...]], expected: str) -> None:
    jobs = [made(n, *row, miou=0.5 + n / 100) for n, row in enumerate(rows)]
    assert choose_plot(jobs) == expected
    draw_sweep([*jobs[:-1], made(len(jobs) - 1, *rows[-1], state="failed")], tmp_path / "sweep.png")
    draw_sweep(jobs, tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_has_a_row_per_job_with_its_swept_settings_and_the_reasons_below(tmp_path: Path) -> None:
    screen = Console(file=io.StringIO(), width=100)
    jobs = [made(n, *row, miou=0.5 + n / 100, seconds=61) for n, row in enumerate(GRID[:5])]
    print_sweep(ledger_in(tmp_path, *jobs, made(5, *GRID[5], state="failed", error="icnet: [no]")), screen)
    said = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "5 of 6 done, 1 failed" in " ".join(said.split())
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in said.splitlines() if line.startswith("│")]
    assert rows[0] == ["4", "0.4", "0.2", "54.00", "90.00", "12.3", "1 min 1 s", "done"]
    assert rows[-1] == ["5", "0.4", "0.4", "", "", "", "", "failed"]
    assert "job 5: icnet: [no]" in said


def test_a_running_job_shows_how_far_it_has_come(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "metrics.csv").write_text("step,val/miou\n100,0.25\n")
    ledger = ledger_in(tmp_path, made(0, "a=1", state="running", folder=str(tmp_path / "0")))
    screen = Console(file=io.StringIO(), width=100)
    print_sweep(ledger, screen)
    assert "running, mIoU 25.00 % at step 100" in screen.file.getvalue()  # type: ignore[attr-defined]


def test_the_page_stands_alone_and_links_the_reports_of_its_jobs(tmp_path: Path) -> None:
    jobs = [made(n, *row, miou=0.5 + n / 100) for n, row in enumerate(GRID[:5])]
    page = write_page(ledger_in(tmp_path, *jobs, made(5, *GRID[5], state="failed", error="<b>no</b>"))).read_text()
    assert page.count("<img src=") == page.count('<img src="data:image/png') == 1
    assert '<a href="4/report.html">4</a>' in page
    assert 'href="5/report.html"' not in page
    assert "failed: &lt;b&gt;no&lt;/b&gt;" in page
    assert "url(" not in page
    assert (tmp_path / "figures" / "sweep.png").is_file()


def test_a_sweep_shows_itself_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger_in(tmp_path, made(0, "a=1", miou=0.5), made(1, "a=2", state="running"))
    show_sweep([str(tmp_path)])
    assert "1 of 2 done, 1 running" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "sweep.html").is_file()
    with pytest.raises(SystemExit, match="holds no sweep"):
        show_sweep([str(tmp_path / "nowhere")])
