"""For data=auto: which choice of the group `data` reads a folder, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from icnet.config import read_choice
from icnet.data.formats.drawn import DrawnLayout
from icnet.data.formats.unzip import unpack
from icnet.data.layouts import Layout
from icnet.errors import DataError
from icnet.tasks.prepare.propose import config_folders, given_settings, read_table
from icnet.tasks.setup.build import build

AUTO = "auto"
_LAST = "masks"  # fits much that another choice says more of
_OPEN = "none"  # the class table of those whose classes are not published


class Fit(NamedTuple):
    """A choice that reads a folder. classes: the name of its table."""

    name: str
    layout: Layout
    classes: str


def recognise(cfg: DictConfig) -> Iterator[str]:
    """Unpack data.root where it is an archive, and let `cfg.data` read what lies there; says what that is, and why."""
    root = Path(cfg.data.root)
    if root.suffix.lower() == ".zip" and root.is_file():
        cfg.data.root = str(unpack(root))
        yield f"{root} is unpacked in {cfg.data.root}"
    if cfg.data.name == AUTO:
        fit = find(Path(cfg.data.root))
        _apply(cfg, fit)
        yield f"{cfg.data.root} was taken for data={fit.name}: it has {' and '.join(fit.layout.signs)}"


def find(root: Path) -> Fit:
    """The choice that reads `root`, or a folder one or two levels below it; DataError where there is none, or several."""
    if not root.is_dir():
        raise DataError(f"there is no folder {root}: set data.root to the folder or the zip of your data")
    for place in (root, *_below(root)):
        fits = [fit for fit in _candidates(place) if not fit.layout.lacks()]
        fits = [fit for fit in fits if fit.name != _LAST] or fits
        alike = [fit for fit in fits if fit.classes == _OPEN]
        fits = [fit for fit in fits if fit in alike or all(fit.layout != other.layout for other in alike)]
        if len(fits) > 1:
            what = " or ".join(f"data={fit.name} (it has {' and '.join(fit.layout.signs)})" for fit in fits)
            raise DataError(f"{place} may be {what}: choose one")
        if fits:
            return fits[0]
    lacks = "; ".join(f"for data={fit.name} it lacks {fit.layout.lacks()[0]}" for fit in _candidates(root))
    zips = "; it holds archives: give one as data.root" if any(root.glob("*.zip")) else ""
    raise DataError(f"{root} holds nothing that is read{zips}: {lacks}")


def describe(layout: Layout) -> dict[str, Any]:
    """The node of the configuration that builds it; with the values of a tool's labels, so that they stay what they are."""
    kind: Any = type(layout)
    usual = kind(layout.root)
    names = [field.name for field in fields(kind)]
    told = {name: getattr(layout, name) for name in names if getattr(layout, name) != getattr(usual, name)}
    if isinstance(layout, DrawnLayout):
        told["labels"] = dict(layout.values)
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", "_partial_": True, **told}


def _candidates(place: Path) -> Iterator[Fit]:
    """All choices that have a layout, but for those of one data set: generated, or with a root of their own."""
    for folder in config_folders():
        for path in sorted((folder / "data").glob("*.yaml")):
            choice = read_choice(folder, f"data/{path.stem}")
            layout = choice.get("layout", {})
            if layout.get("_target_", "???") != "???" and "prepare" not in choice and "${" in choice["root"]:
                node = OmegaConf.create({**layout, "_partial_": True})
                yield Fit(path.stem, build(node)(place), choice["defaults"].get("classes", _OPEN))


def _apply(cfg: DictConfig, fit: Fit) -> None:
    """Settings of the command line stay."""
    given = given_settings()
    choice = next(
        read_choice(f, f"data/{fit.name}") for f in config_folders() if (f / f"data/{fit.name}.yaml").is_file()
    )
    for key, value in choice.items():
        if (
            key in cfg.data
            and key not in ("root", "layout", "packed")
            and not any(g.startswith(f"data.{key}") for g in given)
        ):
            cfg.data[key] = value
    cfg.data.root = str(fit.layout.root)
    cfg.data.layout = describe(fit.layout)
    if fit.classes != _OPEN and not any(g.startswith("data/classes=") for g in given):
        table = next(t for f in config_folders() if (t := read_table(f / f"data/classes/{fit.classes}.yaml")))
        cfg.data.classes = {"_target_": "icnet.data.labels.ClassTable", **table.to_dict()}


def _below(root: Path) -> Iterator[Path]:
    below = sorted(path for path in root.iterdir() if path.is_dir())
    yield from below
    yield from (path for folder in below for path in sorted(folder.iterdir()) if path.is_dir())
