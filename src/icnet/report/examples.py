"""Pictures of single frames: image, label, prediction and error, each with a legend of what is to be seen in it."""

from __future__ import annotations

import base64
from pathlib import Path

from icnet.errors import DataError
from icnet.report.markup import EMPTY, Html, is_number, join, paragraph, percent, prose, swatch, tag, text
from icnet.report.run import Run
from icnet.visualize.examples import Example, read_examples

_KINDS = {"image": "Image", "label": "Label", "prediction": "Prediction", "error": "Error"}
_GROUPS = {
    "worst": ("The worst", "Those of the lowest mIoU, the worst first: where to look for what goes wrong."),
    "typical": ("Typical ones", "Those around the median mIoU: what to expect."),
}


def examples(run: Run) -> Html:
    """All groups; nothing where the run left no pictures."""
    found = read_examples(run.folder)
    groups = join(_group(name, group, run) for name, group in found.items() if group)
    if not groups:
        return EMPTY
    words = (
        "What the camera saw, what people drew, what the network says, and where the two differ (red). Striped pixels carry "
        "no label and count nowhere. The mIoU of one image is the mean over the classes in it, so that a small object "
        "that is missed weighs as much as the road. Larger versions are in the folder figures."
    )
    return Html(paragraph(words) + groups)


def _group(name: str, group: list[Example], run: Run) -> Html:
    title, words = _GROUPS.get(name, (name, ""))
    head = tag("h3", text(f"{title} ({len(group)})")) + paragraph(words, class_="quiet")
    return Html(head + join(_example(place, example, run) for place, example in enumerate(group, start=1)))


def _example(place: int, example: Example, run: Run) -> Html:
    words = tag("strong", text(f"{place}. {example.name}")) + tag("span", prose(_say(example)))
    pictures = join(_picture(example, kind, title) for kind, title in _KINDS.items())
    head = tag("h4", words)
    return tag("article", head + tag("div", pictures, class_="four") + _legend(example, run), class_="example")


def _say(example: Example) -> str:
    said = f"mIoU {percent(example.miou)} %; " if is_number(example.miou) else ""
    said += f"{percent(example.wrong)} % of the pixels wrong"
    if example.mistake is None:
        return said
    true, taken, share = example.mistake
    return f"{said}, above all {true} taken for {taken} ({percent(share)} %)"


def _picture(example: Example, kind: str, title: str) -> Html:
    path = example.pictures[kind]
    alt = {
        "image": f"Image {example.name}",
        "label": f"Labels of {example.name} in the colours below",
        "prediction": f"Prediction for {example.name} in the colours below",
        "error": f"Wrong pixels of {example.name}: {percent(example.wrong)} %",
    }
    image = f'<img src="{_embed(path)}" alt="{text(alt[kind])}" decoding="async">'
    return tag("figure", image + tag("figcaption", title))


def _legend(example: Example, run: Run) -> Html:
    items = [tag("li", swatch(run.colors.get(name)) + text(name)) for name in example.seen]
    if example.ignored:
        items.append(tag("li", tag("i", "", class_="swatch striped") + "no label"))
    items.append(tag("li", tag("i", "", class_="swatch wrong") + "wrong"))
    return tag("ul", join(items), class_="legend")


def _embed(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): run the task again") from error
    return f"data:image/webp;base64,{base64.b64encode(data).decode('ascii')}"
