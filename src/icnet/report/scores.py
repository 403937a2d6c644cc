"""The numbers of a report: the opening sentence, the cards, the table of classes."""

from __future__ import annotations

from collections.abc import Iterator

from icnet.report.markup import EMPTY, Html, duration, is_number, join, percent, section, table_of, tag, text
from icnet.report.run import Run

_UNITS = ("_ms", "_s", "fps")
_ON_CARDS = ("miou", "pixel_accuracy", "image_ms")
_NAMES = {
    "frequency_weighted_iou": "frequency-weighted IoU",
    "category_miou": "category mIoU",
    "iiou": "iIoU",
    "category_iiou": "category iIoU",
}
_GREY = (150, 156, 164)


def opening(run: Run) -> Html:
    """What was done, in a sentence or two."""
    words = " ".join(_sentences(run))
    return tag("p", text(words), class_="opening") if words else EMPTY


def cards(run: Run) -> Html:
    """The headline numbers; one that is not known has no card."""
    drawn = list(_cards(run))
    return tag("dl", join(drawn), class_="cards") if drawn else EMPTY


def card(name: str, value: str, unit: str, note: str) -> Html:
    """One headline number, for the list `cards`."""
    number = text(value) + (tag("small", text(unit)) if unit else "")
    below = tag("dd", text(note), class_="note") if note else ""
    return tag("div", tag("dt", text(name)) + tag("dd", number, class_="number") + below)


def classes(run: Run) -> Html:
    """Every class with its colour and its IoU, in the order of the data set."""
    head = "<thead><tr><th>Class</th><th>IoU, %</th><th><span>of the best possible</span></th></tr></thead>"
    rows = join(_class_row(name, iou, run.colors.get(name, _GREY)) for name, iou in run.iou.items())
    return section("Classes", tag("table", head + tag("tbody", rows), class_="classes")) if rows else EMPTY


def further_scores(run: Run) -> Html:
    """The scores that have no card."""
    rest = {_NAMES.get(k, k): _score(k, v) for k, v in run.metrics.items() if k not in _ON_CARDS and is_number(v)}
    return section("Further scores", table_of(rest))


def _sentences(run: Run) -> Iterator[str]:
    took = run.results.get("seconds")
    spent = f" in {duration(took)}" if is_number(took) else ""
    images = run.protocol.get("images")
    steps, values = run.history.series("val/miou") if run.history else ([], [])
    logged, _ = run.history.series("train/loss") if run.history else ([], [])
    if logged:
        yield f"Trained up to step {logged[-1]:,}{spent}."
    elif is_number(images):
        yield f"Measured on {images:,} images{spent}."
    elif spent:
        yield f"Done{spent}."
    if values:
        best = max(range(len(values)), key=lambda i: values[i] if is_number(values[i]) else -1.0)
        yield f"The best validation mIoU along the way was {percent(values[best])} %, at step {steps[best]:,}."


def _cards(run: Run) -> Iterator[Html]:
    metrics, protocol = run.metrics, run.protocol
    if is_number(metrics.get("miou")):
        counted = sum(is_number(value) for value in run.iou.values())
        yield card("mIoU", percent(metrics["miou"]), "%", f"mean over {counted} classes" if counted else "")
    if is_number(metrics.get("pixel_accuracy")):
        yield card("Pixel accuracy", percent(metrics["pixel_accuracy"]), "%", "of the labelled pixels")
    if is_number(metrics.get("image_ms")):
        fps = f"{1000 / metrics['image_ms']:.0f} images a second" if metrics["image_ms"] > 0 else ""
        yield card("Time per image", f"{metrics['image_ms']:.3g}", "ms", fps)
    if is_number(protocol.get("images")):
        split = protocol.get("split")
        yield card(
            "Images validated", f"{protocol['images']:,}", "", f"split {split}" if isinstance(split, str) else ""
        )


def _class_row(name: str, iou: float | None, color: tuple[int, int, int]) -> Html:
    shade = f"rgb({color[0]} {color[1]} {color[2]})"
    swatch = tag("i", "", class_="swatch", style=f"background:{shade}")
    head = tag("th", swatch + text(name), scope="row")
    if not is_number(iou):
        return tag("tr", head + tag("td", "absent") + tag("td", "neither labelled nor predicted"), class_="quiet")
    bar = tag("div", tag("i", "", style=f"width:{percent(iou)}%;background:{shade}"), class_="bar")
    return tag("tr", head + tag("td", text(percent(iou))) + tag("td", bar))


def _score(key: str, value: float) -> str:
    return f"{value:,g}" if key.endswith(_UNITS) or not 0 <= value <= 1 else f"{percent(value)} %"
