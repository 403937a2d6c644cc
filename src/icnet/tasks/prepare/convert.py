"""What task=prepare writes beside or from the originals: CamVid converted, label maps from polygons, lists, packs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

from icnet.data.camvid import convert, is_original
from icnet.data.check.place import holds
from icnet.data.cityscapes import find_undrawn, write_label
from icnet.data.labels import ClassTable
from icnet.data.pack.write import pack
from icnet.data.pipeline import count_cores, overlap
from icnet.data.samples import Layout, Sample
from icnet.errors import DataError
from icnet.files import writing
from icnet.tasks.prepare.table import show_progress

_LABEL_IDS = "_labelIds.png"


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
    with show_progress("Drawing") as progress:
        for done, _ in enumerate(overlap(lambda pair: write_label(*pair), undrawn, count_cores()), 1):
            progress(done, len(undrawn))
    yield f"Drew {len(undrawn):,} label maps beside their polygons"


def write_lists(root: Path, train: Sequence[Sample], val: Sequence[Sample]) -> Iterator[str]:
    """Write root/train.list and root/val.list as PaddlePaddle's ICNet reads them: `IMAGE LABEL`, relative to root.

    Of Cityscapes they name the train ids, which its reader takes for classes, where those are drawn.
    """
    parts = {"train": train, "val": val}
    files = {
        root / f"{name}.list": list_lines(root, [Sample(image, _train_ids_of(label)) for image, label in samples])
        for name, samples in parts.items()
    }
    for path, content in files.items():
        if path.exists() and path.read_text(encoding="utf-8", errors="surrogateescape") != content:
            raise DataError(f"{path} is there and holds other lines: move it away, then write the lists again")
    for path, content in files.items():
        with writing(path) as part:
            part.write_text(content, encoding="utf-8", errors="surrogateescape")
    if any(_LABEL_IDS in content for content in files.values()):
        yield (
            "The lists name label ids; other readers of such lists want train ids: csCreateTrainIdLabelImgs of Cityscapes' "
            "own scripts draws them, and lists written after that name them"
        )


def list_lines(root: Path, samples: Sequence[Sample]) -> str:
    """A space between the two paths, which are relative to root; a tab where any of them has spaces itself."""
    rows = [[_relative(path, root) for path in sample] for sample in samples]
    between = "\t" if any(" " in path for row in rows for path in row) else " "
    return "".join(f"{between.join(row)}\n" for row in rows)


def _train_ids_of(label: Path) -> Path:
    train_ids = label.with_name(label.name.replace(_LABEL_IDS, "_labelTrainIds.png"))
    return train_ids if train_ids.is_file() else label


def write_packs(
    layout: Layout, splits: Sequence[str], classes: ClassTable, folder: Path, bit_depth: int, compress: bool
) -> Iterator[str]:
    """Pack each split into folder/SPLIT."""
    for split in splits:
        with show_progress(f"Packing {split}") as progress:
            done = pack(
                layout.samples(split),
                classes,
                folder / split,
                compress=compress,
                bit_depth=bit_depth,
                workers=count_cores(),
                progress=progress,
            )
        size, source = done.bytes / 2**20, done.source_bytes / 2**20
        what = f"wrote {done.written:,}" if done.written else "it was complete"
        yield f"Packed {done.frames:,} frames in {folder / split}: {size:,.0f} MiB from {source:,.0f} MiB of files, {what}"


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path.absolute())
