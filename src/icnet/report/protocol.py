"""What was measured and how: in words, then every value as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from icnet.report.markup import EMPTY, TIMES, Html, is_number, paragraph, table_of
from icnet.report.run import Run


def protocol(run: Run) -> Html:
    """What makes the numbers comparable; the classes have a table of their own."""
    table = table_of({key: value for key, value in run.protocol.items() if key != "classes"})
    words = " ".join(_sentences(run)) if table else ""
    return Html((paragraph(words) if words else "") + table) if table else EMPTY


def _sentences(run: Run) -> Iterator[str]:
    kept = run.protocol
    yield from _frames(kept)
    yield from _network(kept)
    if is_number(run.metrics.get("miou")):
        yield (
            "Pixels are counted over all images together and then divided: no score of the set is a mean over single "
            "images. Pixels without a label count nowhere. A class is left out of a mean only where it is neither labelled "
            "nor predicted."
        )
    if run.metrics.get("miou_interval"):
        yield (
            "The 95 % interval is a bootstrap over images: it tells how far the mIoU would move with other images of the "
            "same kind, not with another training."
        )
    if is_number(run.metrics.get("image_ms")):
        yield f"The time is the median of several forward passes of one image in fp32 on {_machine(kept)}."


def _machine(kept: Mapping[str, Any]) -> str:
    device, threads = kept.get("device", "this machine"), kept.get("threads")
    return f"{device}, {threads} thread{'s' if threads != 1 else ''}" if is_number(threads) else str(device)


def _frames(kept: Mapping[str, Any]) -> Iterator[str]:
    images, size = kept.get("images"), kept.get("image_size")
    if not is_number(images):
        return
    shape = f", {size[0]} {TIMES} {size[1]} pixels (height {TIMES} width)" if size else ""
    whose = " ".join(str(kept[key]) for key in ("data", "split") if kept.get(key))
    named = f" ({whose})" if whose else ""
    yield f"Judged: {images:,} image{'s' if images != 1 else ''}{named}{shape}, at the size of their labels."
    if isinstance(kept.get("predictions"), str):
        yield f"The predictions are label maps read from {kept['predictions']}."


def _network(kept: Mapping[str, Any]) -> Iterator[str]:
    """How frames went through the network."""
    if "scales" not in kept:
        return
    window, size = kept.get("window"), kept.get("size")
    scales, flip = list(kept["scales"]), kept.get("flip")
    reading = f"in windows of {window[0]} {TIMES} {window[1]}" if window else "whole"
    resized = f", resized to {size[0]} {TIMES} {size[1]}" if size else ""
    often = "once" if scales == [1.0] else f"at the scales {', '.join(f'{scale:g}' for scale in scales)}"
    mirrored = " and mirrored, the probabilities averaged" if flip else ("" if len(scales) == 1 else ", averaged")
    yield f"The network read each image {reading}{resized}, {often}{mirrored}."
    if kept.get("exit") not in (None, "sub124"):
        yield f"It stopped at its exit {kept['exit']}."
