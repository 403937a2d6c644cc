"""The model card of a network in the hub's layout: written from results.json, with a picture of generated streets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from icnet import __version__
from icnet.data.images import write_image
from icnet.predict import Predictor
from icnet.streets.scene import draw_street
from icnet.visualize.colors import colorize

_PICTURE = "streets.png"
_SIZE, _SHOWN = (257, 513), 2  # 32k + 1: exact in both geometries


def write_card(
    folder: Path,
    predictor: Predictor,
    judged: Mapping[str, Any] | None,
    trained: Mapping[str, Any] | None,
    licence: str | None,
) -> None:
    """Write README.md and its picture. judged, trained: what results.json says of the network's scores, of its training."""
    classes = predictor.engine.card.classes
    frames = [draw_street(0, index, _SIZE).image for index in range(_SHOWN)]
    shown = [np.hstack([frame, colorize(predictor(frame), classes)]) for frame in frames]
    write_image(folder / _PICTURE, np.vstack(shown))
    data = "" if trained is None and judged is None else f", {(trained or judged or {})['protocol']['data']}"
    text = f"""---
library_name: icnet
pipeline_tag: image-segmentation
tags: [icnet, semantic-segmentation, real-time]
{"" if licence is None else f"license: {licence}" + chr(10)}---

# ICNet{data}, {len(classes)} classes

Real-time semantic segmentation by the image cascade network (Zhao et al., ECCV 2018, arXiv 1704.08545), written by icnet
{__version__}. It tells apart: {", ".join(classes.names)}.

![Generated street scenes, and the classes that the network sees in them]({_PICTURE})

The scenes are generated; no photograph is shown.

```python
from icnet import ICNet
net = ICNet.from_pretrained("OWNER/NAME")  # or this folder; config.json says how frames are normalised
```

    icnet task=predict ckpt=hub:OWNER/NAME source=FRAMES    # both need icnet with its extra "hub"

## Trained on

{_say_training(trained)}

{_say_scores(judged)}
## Licence

{"Not stated by who trained it" if licence is None else licence}. The data that it was trained on have terms of their own.
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def _say_training(trained: Mapping[str, Any] | None) -> str:
    if trained is None:
        return "Not known: no results.json of its training was at hand."
    about = trained["protocol"]
    return (
        f"{about['data']}: {about['train_images']:,} frames, {about['train_samples']:,} samples of at most "
        f"{_by(about['crop_size'])}, seed {about['seed']}, precision {about['precision']}."
    )


def _say_scores(judged: Mapping[str, Any] | None) -> str:
    if judged is None:
        return "## Scores\n\nNobody has judged this network.\n"
    scores, about, timing = judged["metrics"], judged["protocol"], judged["protocol"]["timing"]
    accuracy = _percent(scores["pixel_accuracy"])
    low, high = (_percent(bound) for bound in scores["miou_interval"])
    rows = "\n".join(f"| {name} | {_percent(iou)} |" for name, iou in scores["iou"].items())
    exit = f" Exit: {about['exit']}." if "exit" in about else ""
    size = f" Frames were resized to {_by(about['size'])}." if about.get("size") else ""
    return f"""## Scores

{about["images"]:,} frames of {about["data"]} ({about["split"]}), scored at {_by(about["image_size"])}.{size}
Scales {about["scales"]}, mirrored views: {"averaged" if about["flip"] else "none"}.{exit}

**mIoU {_percent(scores["miou"])} %** (95 %: {low} to {high}, bootstrap over images); pixel accuracy {accuracy} %.
One confusion matrix over all frames; a class is left out of the mean where it is neither labelled nor predicted.

| class | IoU % |
|---|---|
{rows}

## Size and speed

| | |
|---|---|
| parameters | {about["parameters"]:,} |
| MACs, {_by(about["image_size"])} | {about["macs"] / 1e9:.2f} G |
| one frame of {_by(timing["image_size"])} | {scores["image_ms"]:.1f} ms: {timing["what"]} |
| on | {about["device"]}, threads: {about["threads"]}, {timing["precision"]}, torch {about["versions"]["torch"]} |
| SHA-256 of the checkpoint | {about["checkpoint_sha256"]} |
"""


def _percent(ratio: float | None) -> str:
    return "absent" if ratio is None else f"{100 * ratio:.1f}"


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
