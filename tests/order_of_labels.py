"""python -m tests.order_of_labels KIND [SEED ...]: are labels in the order of task.order worth more than as many at random?

Generated streets of 128x256. A first network learns from 20 labelled frames; of some 200 others 20 are labelled then, at
random, by the order, or by doubt alone, and a network learns anew from all 40. 80 streets that none has seen score it.
KIND is streets: every frame is a street of its own, and the first 20 are drawn from all; or drive: the first 20 are streets
of their own, of the others four streets have 30 frames each, as of a car that waits, and 80 have one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from icnet.cli import run_task
from icnet.data.images import read_image, write_image
from icnet.data.order import order_frames
from icnet.engines.load import load_engine
from icnet.streets.scene import draw_street
from icnet.tasks.predict.order import Looker
from tests.conftest import compose_run

HEIGHT, WIDTH, SHIFTS = 128, 256, (17, 33)
FIRST, MORE = 20, 20
SETTINGS = (
    "data.prepare=null", "data.layout._target_=icnet.data.layouts.ListLayout", "data.crop_size=[96,96]", "data.batch_size=4",
    "data.num_workers=0", "backbone=resnet18", "model.backbone.width=0.25", "model.fusion_channels=32",
    "trainer.max_steps=700", "trainer.val_check_interval=700", "trainer.accelerator=cpu",
)  # fmt: skip
Place = tuple[int, int, int]  # a street, and the first row and column of the frame in it


def main(kind: str, seed: int, folder: Path) -> None:
    """Print the mIoU of the first network and of those that learn from 20 frames more."""
    first, others = choose_pool(kind, seed)
    labelled = write_frames(folder / "pool", first, 77)
    pool = sorted(write_frames(folder / "others", others, 77))
    judged = write_frames(folder / "val", [(900_000 + n, 8, 16) for n in range(80)], 78)

    def train(name: str, chosen: Sequence[Path]) -> Path:
        place = folder / name
        for split, images in (("train", chosen), ("val", judged)):
            write_list(place / f"{split}.list", images)
        run_task(compose_run([*SETTINGS, f"data.root={place}", f"seed={seed}"], place / "run"))
        miou = json.loads((place / "run" / "results.json").read_text())["metrics"]["miou"]
        print(f"{kind}, seed {seed}, {name}: mIoU {100 * miou:.1f}, {len(set(streets_of(chosen)))} streets", flush=True)
        return place / "run" / "checkpoints" / "best.ckpt"

    looker = Looker(load_engine(train("first", labelled)))
    for image in pool:
        looker(read_image(image))
    doubts = np.array([doubt.entropy for doubt in looker.doubts])
    chosen = {
        "random": np.random.default_rng([seed, 0]).permutation(len(pool)),
        "order": [choice.frame for choice in order_frames(doubts, np.stack(looker.features))],
        "doubt alone": np.argsort(-doubts, kind="stable"),
    }
    for name, order in chosen.items():
        train(name, [*labelled, *(pool[place] for place in order[:MORE])])


def choose_pool(kind: str, seed: int) -> tuple[list[Place], list[Place]]:
    """The frames that are labelled at first, and the others."""
    if kind == "streets":
        places = shift(range(200), seed)
        drawn = [places[n] for n in np.random.default_rng(1000 + seed).permutation(200)]
        return drawn[:FIRST], drawn[FIRST:]
    waits = [street for street in range(4) for _ in range(30)]
    return shift(range(200, 200 + FIRST), seed), shift([*waits, *range(100, 180)], seed)


def shift(streets: Sequence[int], seed: int) -> list[Place]:
    """A frame of each street: a part of it, whose place is drawn. Every seed has streets of its own."""
    rng = np.random.default_rng(seed)
    return [(10_000 * seed + street, *map(int, rng.integers(0, SHIFTS))) for street in streets]


def write_frames(folder: Path, places: Sequence[Place], generator: int) -> list[Path]:
    """Images with their label ids beside them; a street is drawn somewhat larger than a frame of it."""
    folder.mkdir(parents=True)
    images = []
    for number, (street, top, left) in enumerate(places):
        drawn = draw_street(generator, street, (HEIGHT + SHIFTS[0] - 1, WIDTH + SHIFTS[1] - 1))
        part = (slice(top, top + HEIGHT), slice(left, left + WIDTH))
        images.append(folder / f"{street:06d}_{number:03d}.png")
        write_image(images[-1], drawn.image[part])
        write_image(label_of(images[-1]), drawn.label_ids[part])
    return images


def label_of(image: Path) -> Path:
    return image.with_name(f"{image.stem}_labelIds.png")


def write_list(path: Path, images: Sequence[Path]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{image}\t{label_of(image)}\n" for image in images))


def streets_of(images: Sequence[Path]) -> list[str]:
    return [image.name.partition("_")[0] for image in images]


if __name__ == "__main__":
    kind, *seeds = sys.argv[1:]
    for seed in map(int, seeds or ("0", "1", "2")):
        with tempfile.TemporaryDirectory() as place:
            main(kind, seed, Path(place))
