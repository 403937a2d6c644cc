"""report.html of a checked data set: what must be mended, what it holds, what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from icnet.data.check.facts import SplitFacts
from icnet.data.check.summary import Summary
from icnet.report.pictures import Picture
from icnet.report.render import render, write_html


def write_check(folder: Path, summary: Summary, proposal: Mapping[str, str], pictures: Sequence[Picture] = ()) -> Path:
    """Write folder/report.html.

    proposal: file names and contents of the proposed configuration. pictures: of frames with their labels over them.
    """
    page = render(
        "check.html",
        summary=summary,
        splits=summary.facts.splits,
        notes={kind: texts for kind, texts in summary.found.items() if not kind.grave},
        proposal=proposal,
        pictures=pictures,
        shares=[f"{split.name}, %" for split in summary.facts.splits],
        frames=[f"in frames of {split.name}, %" for split in summary.facts.splits],
        top=max((share for row in summary.class_rows for share in row.shares.values()), default=0.0) or 1.0,
        say_sizes=say_sizes,
        reading=say_reading(summary),
    )
    return write_html(folder / "report.html", page)


def say_reading(summary: Summary) -> str:
    """How closely the files were looked at."""
    if summary.facts.deep:
        return "every image and label was decoded"
    read, pairs = (sum(getattr(split, key) for split in summary.facts.splits) for key in ("labels_read", "pairs"))
    labels = "every label was" if read == pairs else f"{read:,} of {pairs:,} labels were"
    return f"{labels} decoded, and an even choice of the images; task=prepare task.deep=true decodes everything"


def say_sizes(split: SplitFacts) -> str:
    """The commonest sizes."""
    most = split.sizes.most_common(3)
    if len(split.sizes) == 1:
        return f"{most[0][0][0]}x{most[0][0][1]}"
    rest = len(split.sizes) - len(most)
    return ", ".join(f"{h}x{w} ({count})" for (h, w), count in most) + (f" and {rest} more" if rest > 0 else "")
