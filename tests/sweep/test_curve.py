"""The learning curve: what twice the frames would bring, and how sure that is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from tests.sweep.made import ledger_in, made, sweep_config

from icnet.sweep import plot
from icnet.sweep.check import SweepGuard
from icnet.sweep.curve import fit_curves, say_gain
from icnet.sweep.ledger import Job

SHARES = (0.125, 0.25, 0.5, 1.0)


def sweep(
    *scores: float,
    shares: tuple[float, ...] = SHARES,
    seeds: int = 1,
    noise: float = 0.0,
    draw: int = 0,
    more: str = "",
) -> list[Job]:
    """A job for each share and seed."""
    rng = np.random.default_rng(draw)
    return [
        made(
            100 * draw + 10 * place + seed,
            *[o for o in (more, f"data.train_share={share:g}", f"seed={seed}") if o],
            miou=score + noise * rng.normal(),
        )
        for place, (share, score) in enumerate(zip(shares, scores, strict=True))
        for seed in range(seeds)
    ]


FEW = sweep(0.40, 0.48, 0.52, shares=(0.25, 0.5, 1.0))


def test_each_doubling_that_brings_half_of_the_one_before_foretells_the_next() -> None:
    (curve,) = fit_curves(sweep(0.40, 0.48, 0.52, 0.54))  # 8, 4, 2 points: 1 more is next
    assert curve.gain == pytest.approx(0.01, abs=1e-4)
    assert curve.at(np.array([0.25, 1.0, 2.0])) == pytest.approx([0.48, 0.54, 0.55], abs=1e-4)
    assert say_gain(curve).startswith("twice the frames would bring about 1.0 points (1.0 to 1.0)")


def test_a_line_goes_on_as_a_line_and_no_faster() -> None:
    (line,) = fit_curves(sweep(0.40, 0.43, 0.46, 0.49))
    assert line.gain == pytest.approx(0.03, abs=1e-3)
    (steep,) = fit_curves(sweep(0.40, 0.41, 0.43, 0.47))
    assert steep.gain < 0.04  # the last doubling: no score supports more


def test_twice_is_twice_the_largest_share() -> None:
    (curve,) = fit_curves(sweep(0.40, 0.48, 0.52, shares=(0.125, 0.25, 0.5), seeds=2, noise=1e-6))
    assert curve.gain == pytest.approx(0.02, abs=1e-3)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Sweeps with half a point of noise between seeds; one more doubling would bring 2 points."""
    truth = [0.56 - 0.02 * sum(1.3**k for k in range(1, n + 1)) for n in (3, 2, 1, 0)]
    curves = [fit_curves(sweep(*truth, seeds=3, noise=0.005, draw=draw))[0] for draw in range(100)]
    held = sum(curve.bounds[0] <= 0.02 <= curve.bounds[1] for curve in curves if curve.bounds)
    assert 88 <= held <= 100
    assert np.median([curve.bounds[1] - curve.bounds[0] for curve in curves if curve.bounds]) < 0.025


def test_three_scores_make_a_curve_without_an_interval_and_two_shares_none() -> None:
    (curve,) = fit_curves(FEW)
    assert curve.bounds is None
    assert curve.band(np.array([1.0])) is None
    assert say_gain(curve) == "twice the frames would bring about 2.0 points; so few scores have no interval"
    assert fit_curves(sweep(0.40, 0.48, shares=(0.5, 1.0), seeds=3)) == []


def test_a_gain_that_may_be_nothing_is_said_to_be() -> None:
    (noisy,) = fit_curves(sweep(0.50, 0.50, 0.50, 0.50, seeds=3, noise=0.01))
    assert say_gain(noisy).endswith("), which may be nothing")
    (flat,) = fit_curves(sweep(0.50, 0.50, 0.50, 0.50))
    assert say_gain(flat) == "twice the frames would bring about 0.0 points (0.0 to 0.0), which may be nothing"


def test_every_other_setting_has_a_curve_of_its_own_and_failed_jobs_are_left_out() -> None:
    jobs = [
        *sweep(0.40, 0.48, 0.52, 0.54, more="loss=a"),
        *sweep(0.30, 0.33, 0.36, 0.39, more="loss=b", draw=1),
        made(999, "loss=c", "data.train_share=1", "seed=0", state="failed"),
    ]
    assert [(curve.settings, round(curve.gain, 3)) for curve in fit_curves(jobs)] == [
        ({"loss": "a"}, 0.01), ({"loss": "b"}, 0.03),
    ]  # fmt: skip


def test_table_page_and_ledger_have_the_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = sweep(0.40, 0.48, 0.52, 0.54, seeds=3, noise=0.004)
    folder = tmp_path / "s" / "d"
    folder.mkdir(parents=True)
    ledger_in(folder, *jobs)
    SweepGuard().on_multirun_end(sweep_config(tmp_path))
    (found,) = json.loads((folder / "sweep.json").read_text())["learning_curves"]
    assert found["low"] < found["gain"] < found["high"]
    assert f"twice the frames would bring about {100 * found['gain']:.1f} points (" in found["says"]
    page = (folder / "sweep.html").read_text()
    assert found["says"] in page
    assert f"12 of 12 done.\nT{found['says'][1:]}." in page  # the first that one reads
    assert found["says"] in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("jobs", "bands"), [(sweep(0.40, 0.48, 0.52, 0.54, seeds=2, noise=0.004), 1), (FEW, 0)])
def test_the_plot_shows_the_curve_up_to_twice_the_frames_and_its_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: list[Job], bands: int
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(plot, "save_figure", lambda figure, path: drawn.append(figure))
    plot.draw_sweep(jobs, tmp_path / "sweep.png")
    (axes,) = drawn[0].axes
    assert max(line.get_xdata().max() for line in axes.lines) == pytest.approx(2)
    assert sum(isinstance(part, PolyCollection) for part in axes.collections) == bands
