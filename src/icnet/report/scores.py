"""The numbers of a report: the opening sentences, the cards, and the scores that have neither."""

from __future__ import annotations

from collections.abc import Iterator

from icnet.report.markup import (
    EMPTY,
    Html,
    duration,
    is_interval,
    is_number,
    join,
    paragraph,
    percent,
    say_bounds,
    tag,
    text,
)
from icnet.report.run import Run

_UNITS = ("_ms", "_s", "fps")
_ON_CARDS = ("miou", "pixel_accuracy", "image_ms")
_MEANINGS = {
    "mean_accuracy": ("Mean accuracy", "share of the pixels of a class that are found, averaged over the classes"),
    "frequency_weighted_iou": ("Frequency-weighted IoU", "mean IoU in which a class counts by its number of pixels"),
    "category_miou": ("Category mIoU", "mean IoU of the groups of classes: confusions within a group are no fault"),
    "iiou": ("iIoU", "IoU in which each object weighs the same, however large it is; classes with objects only"),
    "category_iiou": ("Category iIoU", "the same for the groups of classes"),
    "boundary.iou": ("Boundary IoU", "IoU of the pixels close to outlines (within 2 % of the image's diagonal)"),
    "boundary.f_score": (
        "Boundary F-score",
        "how much of the outlines is met, and not made up, with a tolerance of 0.75 % of the image's diagonal",
    ),
}


def opening(run: Run) -> Html:
    """The result in plain words, and what its measure means."""
    words = " ".join([*_result(run), *_course(run)])
    miou = (
        "Mean IoU (intersection over union): for each class, the pixels that are both labelled and predicted as it, "
        "divided by those that are either; averaged over the classes. 100 % is perfect."
    )
    meaning = paragraph(miou, class_="meaning") if is_number(run.metrics.get("miou")) else ""
    return join([paragraph(words, class_="opening") if words else EMPTY, meaning])


def cards(run: Run) -> Html:
    """The headline numbers; one that is not known has no card."""
    drawn = list(_cards(run))
    return tag("dl", join(drawn), class_="cards") if drawn else EMPTY


def card(name: str, value: str, unit: str, note: str) -> Html:
    """One headline number, for the list `cards`."""
    number = text(value) + (tag("small", text(unit)) if unit else "")
    below = tag("dd", text(note), class_="note") if note else ""
    return tag("div", tag("dt", text(name)) + tag("dd", number, class_="number") + below)


def further_scores(run: Run) -> Html:
    """The scores that have no card, with what they mean."""
    inner = {f"boundary.{key}": value for key, value in run.nested("boundary").items()}
    rest = {k: v for k, v in {**run.metrics, **inner}.items() if k not in _ON_CARDS and is_number(v)}
    rows = join(_score_row(key, value) for key, value in rest.items())
    return tag("table", tag("tbody", rows), class_="facts scores") if rows else EMPTY


def _result(run: Run) -> Iterator[str]:
    miou, bounds = run.metrics.get("miou"), run.metrics.get("miou_interval")
    if not is_number(miou):
        return
    what = "The label maps reach" if run.protocol.get("predictions") else "This network reaches"
    within = f" (95 % interval: {say_bounds(bounds)} %)" if is_interval(bounds) else ""
    yield f"{what} a mean IoU of {percent(miou)} %{within}{_where(run)}."
    known = {name: iou for name, iou in run.iou.items() if is_number(iou)}
    if len(known) > 1:
        best, worst = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
        yield f"It is best at {best} ({percent(known[best])} %) and worst at {worst} ({percent(known[worst])} %)."


def _where(run: Run) -> str:
    images, data, split = (run.protocol.get(key) for key in ("images", "data", "split"))
    if not is_number(images):
        return ""
    return f" on {images:,} image{'s' if images != 1 else ''}" + (f" of {data} ({split})" if data and split else "")


def _course(run: Run) -> Iterator[str]:
    took = run.results.get("seconds")
    spent = f" in {duration(took)}" if is_number(took) else ""
    steps, values = run.history.series("val/miou") if run.history else ([], [])
    logged, _ = run.history.series("train/loss") if run.history else ([], [])
    if logged:
        yield f"Trained up to step {logged[-1]:,}{spent}."
    elif spent and not is_number(run.metrics.get("miou")):
        yield f"Done{spent}."
    if values:
        best = max(range(len(values)), key=lambda i: values[i] if is_number(values[i]) else -1.0)
        yield f"The best validation ({percent(values[best])} %) was at step {steps[best]:,}."


def _cards(run: Run) -> Iterator[Html]:
    metrics, protocol = run.metrics, run.protocol
    if is_number(metrics.get("miou")):
        counted = sum(is_number(value) for value in run.iou.values())
        bounds = metrics.get("miou_interval")
        notes = [f"95 % interval {say_bounds(bounds)}"] if is_interval(bounds) else []
        notes += [f"mean over {counted} classes"] if counted else []
        yield card("mIoU", percent(metrics["miou"]), "%", "; ".join(notes))
    if is_number(metrics.get("pixel_accuracy")):
        yield card("Pixel accuracy", percent(metrics["pixel_accuracy"]), "%", "of the labelled pixels are right")
    if is_number(metrics.get("image_ms")):
        yield card(
            "Time per image", f"{metrics['image_ms']:.3g}", "ms", _say_rate(metrics["image_ms"], protocol.get("device"))
        )
    if is_number(protocol.get("images")):
        split = protocol.get("split")
        note = f"split {split}" if isinstance(split, str) else ""
        yield card("Images judged", f"{protocol['images']:,}", "", note)


def _say_rate(image_ms: float, device: object) -> str:
    rate = 1000 / image_ms if image_ms > 0 else 0.0
    shown = f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
    return f"{shown} forward passes a second in fp32" + (f", {device}" if device else "")


def _score_row(key: str, value: float) -> Html:
    name, meaning = _MEANINGS.get(key, (key, ""))
    is_ratio = not key.endswith(_UNITS) and 0 <= value <= 1
    shown = f"{percent(value)} %" if is_ratio else f"{value:,g}"
    return tag(
        "tr", tag("th", text(name), scope="row") + tag("td", text(shown)) + tag("td", text(meaning), class_="quiet")
    )
