"""For data=auto: which choice of the group `data` reads a folder, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from icnet.config import read_choice
from icnet.data.formats.drawn import DrawnLayout
from icnet.data.formats.unzip import ARCHIVES, is_archive, unpack
from icnet.data.labels import ClassTable
from icnet.data.samples import Layout, say_content
from icnet.errors import DataError
from icnet.tasks.prepare.propose import config_folders, given_settings, read_table
from icnet.tasks.setup.build import build

AUTO = "auto"
_LAST = "masks"  # fits much that another choice says more of
_KEPT = ("classes", "root", "layout", "packed")  # of the settings of data=auto
_OPEN = "none"  # the class table of those whose classes are not published


class Choice(NamedTuple):
    """Of the group `data`. settings: its keys; classes: the name of its table."""

    name: str
    settings: Mapping[str, Any]
    classes: str

    def open(self, root: Path) -> Layout:
        """What it makes of a folder."""
        layout: Layout = build(OmegaConf.create({**self.settings["layout"], "_partial_": True}))(root)
        return layout


class Fit(NamedTuple):
    """A choice that reads a folder."""

    choice: Choice
    layout: Layout


def recognise(cfg: DictConfig) -> Iterator[str]:
    """Unpack data.root where it is an archive, and let `cfg.data` read what lies there; says what that is, and why."""
    root = Path(cfg.data.root)
    if is_archive(root):
        cfg.data.root = str(unpack(root))
        yield f"{root} is unpacked in {cfg.data.root}"
    if cfg.data.name == AUTO:
        fit = find(Path(cfg.data.root))
        _apply(cfg, fit)
        yield f"{cfg.data.root} was taken for data={fit.choice.name}: it has {' and '.join(fit.layout.signs)}"


def find(root: Path) -> Fit:
    """The choice that reads `root`, or a folder one or two levels below it; DataError where there is none, or several."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "is not there"
        raise DataError(
            f"{root} {what}: set data.root to the folder of your data, or to an archive ({' '.join(ARCHIVES)})"
        )
    choices = _choices(tuple(config_folders()))
    places = [root, *_below(root)]
    for part in ([c for c in choices if c.name != _LAST], [c for c in choices if c.name == _LAST]):
        for place in places:
            if fits := _fits(part, place):
                return _only(fits, place)
    archive = next((path for path in sorted(root.iterdir()) if is_archive(path)), None)
    remedy = (
        f"data.root={archive} reads that archive"
        if archive
        else (
            "README.md lists what is; where images and label maps lie in folders of other names, data=folder "
            "+data.layout.images=FOLDER +data.layout.labels=FOLDER reads those"
        )
    )
    lacks = "; ".join(f"for data={choice.name} it lacks {choice.open(root).lacks()[0]}" for choice in choices)
    raise DataError(f"{root} ({say_content(root)}) holds nothing that is read: {remedy}; {lacks}")


def name_other(cfg: DictConfig, root: Path) -> str | None:
    """That another choice reads this folder, where one does."""
    try:
        fit = find(root)
    except DataError:
        return None
    if fit.choice.name == cfg.data.name or fit.layout.root != root:
        return None
    return f"{root} is what data={fit.choice.name} reads: it has {' and '.join(fit.layout.signs)}"


def describe(layout: Layout) -> dict[str, Any]:
    """The node of the configuration that builds it; with the values of a tool's labels, so that they stay what they are."""
    kind: Any = type(layout)
    usual = kind(layout.root)
    names = [field.name for field in fields(kind)]
    told = {name: getattr(layout, name) for name in names if getattr(layout, name) != getattr(usual, name)}
    if isinstance(layout, DrawnLayout):
        told["labels"] = dict(layout.values)
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", "_partial_": True, **told}


@cache
def _choices(folders: tuple[Path, ...]) -> list[Choice]:
    """All that have a layout, but for those of one data set: generated, or with a root of their own."""
    found = []
    for folder in folders:
        for path in sorted((folder / "data").glob("*.yaml")):
            settings = read_choice(folder, f"data/{path.stem}")
            layout = settings.get("layout", {})
            if layout.get("_target_", "???") != "???" and "prepare" not in settings and "${" in settings["root"]:
                found.append(Choice(path.stem, settings, settings["defaults"].get("classes", _OPEN)))
    return found


def _fits(choices: Sequence[Choice], place: Path) -> list[Fit]:
    """Of choices that read the same, those whose classes are open come first: a layout alone tells of no classes."""
    fits = [Fit(choice, layout) for choice in choices if not (layout := choice.open(place)).lacks()]
    open_ones = [fit for fit in fits if fit.choice.classes == _OPEN]
    return open_ones + [fit for fit in fits if all(fit.layout != other.layout for other in open_ones)]


def _only(fits: Sequence[Fit], place: Path) -> Fit:
    if len(fits) > 1:
        what = " or ".join(f"data={fit.choice.name} (it has {' and '.join(fit.layout.signs)})" for fit in fits)
        raise DataError(f"{place} may be {what}: choose one")
    return fits[0]


def _apply(cfg: DictConfig, fit: Fit) -> None:
    """Settings of the command line stay."""
    given = given_settings()
    for key, value in fit.choice.settings.items():
        if key in cfg.data and key not in _KEPT and not any(g.startswith(f"data.{key}") for g in given):
            cfg.data[key] = value
    cfg.data.root = str(fit.layout.root)
    cfg.data.layout = describe(fit.layout)
    if fit.choice.classes != _OPEN and not any(g.startswith(("data/classes=", "data.values=")) for g in given):
        places = [folder / f"data/classes/{fit.choice.classes}.yaml" for folder in config_folders()]
        table = next(table for place in places if place.is_file() and (table := read_table(place)))
        cfg.data.classes = {"_target_": f"{ClassTable.__module__}.{ClassTable.__qualname__}", **table.to_dict()}


def _below(root: Path) -> Iterator[Path]:
    below = sorted(path for path in root.iterdir() if path.is_dir())
    yield from below
    yield from (path for folder in below for path in sorted(folder.iterdir()) if path.is_dir())
