"""What an exported file says of itself: one JSON text in its metadata, and the same in model.json beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from icnet.errors import WeightsError

KEY = "icnet"  # under which every format keeps the text
VERSION = 1
NOT_CERTIFIED = "not certified"


@dataclass(frozen=True)
class Facts:
    """All that reads the file needs to know.

    format: onnx, openvino, torch or web (an ONNX file with a page). precision: fp32, fp16 or int8. output: labels or logits.
    size: [height, width] of the only frames that it takes; None: any of at least `smallest` rows and columns.
    classes: as `ClassTable.to_dict`, with the ignored id. normalisation: mean and std that are inside, on the scale 0..1;
    bit_depth where frames are the highest 8 of so many bits of 16-bit images.
    architecture: of the whole network, as a checkpoint has it. exit: where it ends. parameters: trained, up to it.
    checkpoint: file name and sha256. least_agreement: share of pixels at which every machine must give the same.
    quantised: of int8, on how many frames it calibrated and searched, and the layers that stayed in float.
    certificate: what was judged and how, or `NOT_CERTIFIED`.
    """

    icnet: str
    format: str
    precision: str
    exit: str
    output: str
    size: list[int] | None
    smallest: int
    classes: Mapping[str, Any]
    normalisation: Mapping[str, Any]
    architecture: Mapping[str, Any]
    parameters: int
    checkpoint: Mapping[str, str]
    least_agreement: float
    quantised: Mapping[str, Any] | None = None
    certificate: Mapping[str, Any] | str = NOT_CERTIFIED
    version: int = VERSION

    def to_text(self) -> str:
        return json.dumps(asdict(self), indent=2)


def read_facts(text: str | None, path: Path) -> Facts:
    """The inverse of `to_text`; WeightsError where a file has none, or those of another icnet."""
    if not text:
        raise WeightsError(f"{path} was not exported by icnet, which would say what it reads: use task=export")
    plain = json.loads(text)
    if plain.get("version") != VERSION:
        raise WeightsError(
            f"{path} was exported by icnet {plain.get('icnet')} with facts of version {plain.get('version')}; this icnet "
            f"reads version {VERSION}: export the checkpoint again"
        )
    try:
        return Facts(**plain)
    except TypeError as error:
        raise WeightsError(f"{path} says too little of itself ({error}): export the checkpoint again") from error
