"""What task=prepare writes beside or from the originals: CamVid converted, label maps from polygons, lists, packs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from omegaconf import DictConfig

from icnet.data.camvid import convert, is_original
from icnet.data.check.place import holds
from icnet.data.cityscapes import find_undrawn, write_label
from icnet.data.labels import ClassTable
from icnet.data.layouts import Layout, Sample
from icnet.data.pack.write import pack
from icnet.errors import DataError
from icnet.files import writing
from icnet.tasks.prepare_table import show_progress


def convert_camvid(cfg: DictConfig) -> Iterator[str]:
    """For task.convert=DIR: write the originals in data.root to DIR, which data.root then stands for."""
    if cfg.task.convert is None:
        return
    root, target = Path(cfg.data.root), Path(cfg.task.convert)
    if not is_original(root):
        raise DataError(
            f"{root} holds no originals of CamVid: task.convert expects its folder 701_StillsRaw_full there"
        )
    with show_progress("Converting") as progress:
        done = convert(root, target, half=cfg.task.half, progress=progress)
    cfg.data.root = str(target)
    frames = ", ".join(f"{count} {split}" for split, count in done.frames.items())
    unknown = f"; {done.unknown:,} pixels of no known colour became void" if done.unknown else ""
    yield f"Converted {frames} frames to {target}{unknown}"


def draw_labels(wanted: bool, layout: Layout, splits: Sequence[str]) -> Iterator[str]:
    """For task.labels=true: draw the missing label maps beside their polygons; otherwise say that it could be done."""
    undrawn = [pair for split in splits if holds(layout, [split]) for pair in find_undrawn(layout.survey(split))]
    if not undrawn:
        return
    if not wanted:
        yield f"{len(undrawn):,} of the missing labels can be drawn from polygons: add task.labels=true"
        return
    with show_progress("Drawing") as progress, ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(lambda pair: write_label(*pair), undrawn), 1):
            progress(done, len(undrawn))
    yield f"Drew {len(undrawn):,} label maps beside their polygons"


def write_lists(root: Path, train: Sequence[Sample], val: Sequence[Sample]) -> None:
    """Write root/train.list and root/val.list in PaddlePaddle's form: IMAGE<TAB>LABEL, relative to root."""
    for name, samples in (("train", train), ("val", val)):
        lines = (f"{_relative(sample.image, root)}\t{_relative(sample.label, root)}\n" for sample in samples)
        content, path = "".join(lines), root / f"{name}.list"
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") != content:
            raise DataError(f"{path} is there and names other frames: move it away, then write the lists again")
        with writing(path) as part:
            part.write_text(content, encoding="utf-8")


def write_packs(
    layout: Layout, splits: Sequence[str], classes: ClassTable, folder: Path, compress: bool
) -> Iterator[str]:
    """Pack each split into folder/SPLIT."""
    for split in splits:
        with show_progress(f"Packing {split}") as progress:
            done = pack(
                layout.samples(split),
                classes,
                folder / split,
                compress=compress,
                workers=os.cpu_count() or 1,
                progress=progress,
            )
        size, source = done.bytes / 2**20, done.source_bytes / 2**20
        what = f"wrote {done.written:,}" if done.written else "it was complete"
        yield f"Packed {done.frames:,} frames in {folder / split}: {size:,.0f} MiB from {source:,.0f} MiB of files, {what}"


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path.absolute())
