"""sweep.html: the jobs of a sweep on one page that needs no network, with links to their reports."""

from __future__ import annotations

from pathlib import Path

from icnet.report.pictures import read_plot
from icnet.report.render import render, write_html
from icnet.sweep.compare import ONE_SEED, Difference, compare_settings, has_one_seed, say_difference
from icnet.sweep.curve import fit_curves, say_gain
from icnet.sweep.ledger import Ledger
from icnet.sweep.plot import draw_sweep
from icnet.sweep.summary import (
    choices_of,
    group_seeds,
    image_ms,
    percent,
    rank,
    say_counts,
    say_seeds,
    say_settings,
    settings_of,
    swept_keys,
)
from icnet.sweep.table import show_state


def write_page(ledger: Ledger) -> Path:
    """Write figures/sweep.png and sweep.html in the folder of the sweep."""
    jobs = list(ledger.jobs.values())
    plot = ledger.folder / "figures" / "sweep.png"
    draw_sweep(jobs, plot)
    keys, groups, ranked = swept_keys(jobs), group_seeds(jobs), rank(jobs)
    seeds = {say_settings(group.settings, ", "): say_seeds(group) for group in groups}
    if has_one_seed(groups):
        groups, seeds = [], {"differences": ONE_SEED}
    page = render(
        "sweep.html",
        name="/".join(ledger.folder.resolve().parts[-2:]),
        counts=say_counts(jobs),
        plot=read_plot(plot),
        jobs=ranked,
        best=next((job for job in ranked if job.miou is not None), None),
        keys=keys,
        groups=groups,
        seeds=seeds,
        pairs={_name_pair(found): say_difference(found) for found in compare_settings(jobs)},
        curves={say_settings(curve.settings, ", "): say_gain(curve) for curve in fit_curves(jobs)},
        common={key: value for job in jobs[:1] for key, value in settings_of(job).items() if key not in keys},
        choices_of=choices_of,
        image_ms=image_ms,
        join=lambda settings: say_settings(settings, ", "),
        percent=percent,
        say_seeds=say_seeds,
        show_state=show_state,
    )
    return write_html(ledger.folder / "sweep.html", page)


def _name_pair(found: Difference) -> str:
    return f"{say_settings(found.a, ', ')} against {say_settings(found.b, ', ')}"
