"""What lies beside an exported file on the device: proof that it gives there what it gave here, and how to run it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from icnet.engines.exported import ExportedEngine, resize_frames
from icnet.engines.facts import Facts
from icnet.files import writing
from icnet.report.values import percent, say_bounds

_VERIFY = Path(__file__).with_name("verify.py")
_INSTALL = {
    "onnx": "numpy onnxruntime", "openvino": "numpy openvino", "torch": "numpy torch", "web": "numpy onnxruntime"
}  # fmt: skip
_OPEN = """    python -m http.server   # or any other: then open http://localhost:8000, or ?picture=FILE of this folder
"""


def write_kit(folder: Path, engine: ExportedEngine, facts: Facts, frames: Sequence[Tensor]) -> None:
    """Write model.json, golden.npz, verify.py and README.md into `folder`.

    frames: (H, W, 3) uint8, of any sizes; the kit has them at the size of the file, or of the first.
    """
    size = engine.card.size or (frames[0].shape[0], frames[0].shape[1])
    shown = torch.cat([resize_frames(frame[None], size) for frame in frames])
    maps = torch.cat([engine.label_maps(frame[None]) for frame in shown])
    with writing(folder / "golden.npz") as part, part.open("wb") as file:
        np.savez_compressed(file, frames=shown.numpy(), label_maps=maps.numpy())
    (folder / "model.json").write_text(facts.to_text() + "\n", encoding="utf-8")
    shutil.copyfile(_VERIFY, folder / "verify.py")
    (folder / "README.md").write_text(_write_readme(engine.path.name, facts), encoding="utf-8")


def _write_readme(file: str, facts: Facts) -> str:
    size = (
        f"any size of at least {facts.smallest}x{facts.smallest}" if facts.size is None else "{}x{}".format(*facts.size)
    )
    names = ", ".join(facts.classes["names"])
    return f"""# {file}

ICNet ({facts.exit}, {facts.precision}), exported by icnet {facts.icnet} from `{facts.checkpoint["file"]}`.
Reads `frames`, uint8 RGB (N, H, W, 3), {size}; gives {_say_output(facts)}.
Classes: {names}; palette and more in `model.json`.

    pip install {_INSTALL[facts.format]}
    python verify.py        # runs the frames of golden.npz: agreement and milliseconds here
{_OPEN if facts.format == "web" else ""}
{_say_depth(facts.normalisation)}{_say_certificate(facts.certificate)}{_say_floats(facts.quantised)}
"""


def _say_output(facts: Facts) -> str:
    if facts.output == "logits":
        return "`scores`, float32 (N, classes, H, W), whose largest is the class"
    return "`label_map`, uint8 (N, H, W), the number of the class of each pixel"


def _say_depth(normalisation: Mapping[str, Any]) -> str:
    depth = normalisation.get("bit_depth")
    if depth is None:
        return ""
    return f"It learnt from 16-bit images that use {depth} bits: a frame is `(image >> {depth - 8}).clip(0, 255)`.\n"


def _say_certificate(certificate: Mapping[str, Any] | str) -> str:
    if isinstance(certificate, str):
        return f"This file is {certificate}: nobody compared it with its checkpoint."
    scores, protocol = certificate["metrics"], certificate["protocol"]
    return (
        f"On {protocol['images']} frames of {protocol['data']} ({protocol['split']}): mIoU {100 * scores['miou']:.2f}, its "
        f"checkpoint {100 * scores['checkpoint_miou']:.2f};\ndrop {percent(scores['drop'], 2)} points (95 %: "
        f"{say_bounds(scores['drop_interval'], 2)}), the same class at {100 * scores['agreement']:.3f} % of the pixels. "
        f"One frame took {scores['median_ms']:.3g} ms there (threads: {protocol['threads']})."
    )


def _say_floats(quantised: Mapping[str, Any] | None) -> str:
    if quantised is None:
        return ""
    layers = ", ".join(quantised["float_layers"]) or "none"
    return f"\nQuantised with {quantised['calibration']} training frames; layers that stayed in float: {layers}."
