"""python -m tests.predict_overhead [IMAGES] [SETTING...]: what prediction costs beside the forward passes.

One run: half of the forward passes alone, the prediction of a folder of as many images of 1024x2048 (generated streets,
PNG) with label maps out, the other half alone. The prediction may take 1.25 times the forward passes.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch

from icnet.data.images import read_image
from icnet.data.labels import ClassTable
from icnet.model.icnet import ICNet
from icnet.model.preprocess import Normalize
from icnet.model.trunks.resnet import resnet50
from icnet.streets.write import write_streets
from icnet.tasks.predict.predict import predict
from icnet.tasks.setup.trained import Trained, read_trained
from tests.conftest import compose_run

SIZE = (1024, 2048)
DRAWN = 4  # scenes; the folder repeats them
NAMES = [f"class {number}" for number in range(19)]
CLASSES = ClassTable(NAMES, [(number, number, number) for number in range(19)], list(range(7, 26)))


def main(count: int, settings: list[str]) -> None:
    """Print the ratio; the numbers it is made of stand beside it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        checkpoint = write_checkpoint(folder / "half.ckpt")
        source = write_source(folder, count)
        overrides = ["task=predict", f"ckpt={checkpoint}", f"source={source}", "task.outputs=[labels]", *settings]
        cfg = compose_run(overrides, folder / "run")
        trained = read_trained(cfg)
        image = read_image(next(source.iterdir()))
        time_passes(trained, image, 1)
        before = time_passes(trained, image, count // 2)
        predict(cfg)
        after = time_passes(trained, image, count - count // 2)
        metrics = json.loads((folder / "run" / "results.json").read_text())["metrics"]
    alone = 1e3 * (before + after) / count
    whole = 1e3 * metrics["seconds_per_image"]
    where = f"{trained.predictor.device}, {torch.get_num_threads()} threads"
    print(f"{count} images of {SIZE[0]}x{SIZE[1]}, {trained.predictor.autocast or 'fp32'}, {where}")
    print(f"forward pass alone {alone:.1f} ms, in the run to train ids {metrics['image_ms']:.1f} ms")
    print(f"prediction {whole:.1f} ms an image: {whole / alone:.3f} of the forward passes alone")


def write_checkpoint(path: Path) -> Path:
    """The half-width network with random weights, which is as fast as a trained one."""
    net = ICNet(resnet50(width=0.5), len(CLASSES))
    about = {"architecture": net.architecture, "classes": CLASSES.to_dict(), "preprocessing": Normalize().to_dict()}
    torch.save({"icnet": about, "state_dict": {f"net.{key}": value for key, value in net.state_dict().items()}}, path)
    return path


def write_source(folder: Path, count: int) -> Path:
    """A folder of so many PNGs."""
    drawn = sorted(
        write_streets(folder / "streets", train=DRAWN, val=1, size=SIZE, seed=0).glob("leftImg8bit/train/*/*.png")
    )
    source = folder / "source"
    source.mkdir()
    for number in range(count):
        shutil.copy(drawn[number % DRAWN], source / f"{number:04d}.png")
    return source


@torch.inference_mode()
def time_passes(trained: Trained, image: object, count: int) -> float:
    """Seconds of `count` forward passes of one image, logits out."""
    predictor = trained.predictor
    images = predictor.normalize(torch.as_tensor(image)[None].to(predictor.device))
    begin = time.perf_counter()
    with torch.autocast(images.device.type, predictor.autocast, enabled=predictor.autocast is not None):
        for _ in range(count):
            predictor.net(images)
    if images.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:])
