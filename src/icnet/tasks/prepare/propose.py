"""The configuration of a data set of one's own: proposed by task=prepare, written on request, chosen as data=NAME."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from icnet.config import read_choice
from icnet.data.check.propose import choose_crop, classes_yaml, data_yaml
from icnet.data.check.summary import Summary
from icnet.data.check.values import Form, meanings
from icnet.data.labels import ClassTable
from icnet.errors import ConfigError, ICNetError
from icnet.files import make_folder, writing
from icnet.model.preprocess import WHOLE_DEPTH

_PACKAGE = Path(__file__).parents[2]
_NAME = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_KEPT = (
    "batch_size",
    "sampler",
    "train_split",
    "val_split",
    "val_fraction",
    "group",
    "holdout",
)  # settings of the data that a proposal takes over
_APART = (
    "_target_",
    "name",
    "root",
    "layout",
    "classes",
    "values",
    "seed",
    "split",
    "packed",
)  # written otherwise, or not kept
_ANY_NAME = "mine"
_MOST = 0.8  # of the classes of a table must occur for it to be named as the one that fits


def check_name(name: str) -> None:
    """Refuse a name for a data set that cannot be, or that is there already."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"task.save_as is {name!r}: give a name of letters, digits, - and _ that starts with a letter"
        )
    places = [folder / "data" / part / f"{name}.yaml" for folder in config_folders() for part in ("", "classes")]
    if there := [place for place in [*places, *_files_of(name)] if place.exists()]:
        raise ConfigError(f"task.save_as={name}: {there[0]} is there already; choose another name, or remove that file")


def propose_files(cfg: DictConfig, summary: Summary) -> dict[Path, str]:
    """The two files that make data=NAME train on these data, and what is in them; none where no classes are known."""
    sizes = Counter(summary.facts.frames.values())
    if summary.classes is None or not sizes:
        return {}
    name = cfg.task.save_as or _ANY_NAME
    plain = cast("dict[str, Any]", OmegaConf.to_container(cfg.data, resolve=True))
    settings: dict[str, Any] = {"root": os.path.abspath(plain["root"]), "crop_size": choose_crop(sizes)}
    settings |= {key: plain[key] for key in _KEPT}
    if plain["val_fraction"] is None:  # which groups that were found would cut otherwise
        settings["group"] = summary.facts.group
    if summary.facts.bit_depth != WHOLE_DEPTH:
        settings["bit_depth"] = summary.facts.bit_depth
    if cfg.task.apply is not None:
        settings |= _other_settings(plain)
    if any(setting.startswith("data.crop_size=") for setting in given_settings()):
        settings["crop_size"] = plain["crop_size"]
    if plain["packed"] != f"{plain['root']}/packed":
        settings["packed"] = plain["packed"] and os.path.abspath(plain["packed"])
    pairs = sum(split.pairs for split in summary.facts.splits if split.name in summary.train)
    settings["batch_size"] = min(plain["batch_size"], max(1, pairs - round((plain["val_fraction"] or 0) * pairs)))
    layout = {key: value for key, value in plain["layout"].items() if key != "_partial_"}
    data, table = _files_of(name)
    return {
        data: data_yaml(name, layout, settings, choice_of("recipe@_global_") or "own"),
        table: classes_yaml(summary.classes, name),
    }


def _other_settings(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What data with mended labels keep: the settings that are not those of every data set."""
    base = read_choice(config_folders()[0], "data/base")
    return {key: plain[key] for key in base if key in plain and key not in _APART and plain[key] != base[key]}


def write_files(files: Mapping[Path, str]) -> None:
    """Write each whole or not at all."""
    for path, content in files.items():
        make_folder(path.parent)
        with writing(path) as part:
            part.write_text(content, encoding="utf-8")


def training_command(*settings: str) -> str:
    """The command line that trains with these settings; it names the folder of own configurations where there is one."""
    door = ["python", "run.py"] if Path(sys.argv[0]).name == "run.py" else ["icnet"]
    main, own = config_folders()[0], _own_folder()
    return shlex.join([*door, *(["--config-dir", str(own)] if own != main and own.is_dir() else []), *settings])


def given_settings() -> list[str]:
    """What the command line says about anything but this task and the place of the data."""
    given: list[str] = list(HydraConfig.get().overrides.task)
    return [setting for setting in given if not setting.startswith(("task=", "task.", "data.root="))]


def choice_of(group: str) -> str | None:
    """What was chosen in a group of the configuration, such as `data`."""
    choice: str | None = HydraConfig.get().runtime.choices.get(group)
    return choice


def fitting_tables(values: Mapping[Form, Mapping[int, int]]) -> Iterator[str]:
    """The known class tables that give every value of some label files a meaning, and of which most classes occur.

    Those of two classes are left out where labels hold ids: every mask fits them.
    """
    for folder in config_folders():
        for path in sorted((folder / "data" / "classes").glob("*.yaml")):
            table = read_table(path)
            if table is None:
                continue
            known = {form: meanings(table, form) for form in values}
            used = {known[form].get(value, -1) for form, counts in values.items() for value in counts}
            telling = len(table) > 2 or Form.COLOURS in values
            if telling and -1 not in used and len(used & set(range(len(table)))) >= _MOST * len(table):
                yield path.stem


def read_table(path: Path) -> ClassTable | None:
    """A class table of the configuration, with those it is based on; None where it is none.

    Read without OmegaConf, which takes long for the long ones.
    """
    node = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    if not isinstance(node, dict):
        return None
    for name in node.pop("defaults", []):
        places = [folder / "data" / "classes" / f"{name}.yaml" for folder in config_folders()]
        if (place := next((p for p in places if p.is_file()), None)) is not None:
            node = yaml.load(place.read_bytes(), Loader=yaml.CSafeLoader) | node
    node.pop("_target_", None)
    try:
        return ClassTable(**node)
    except (TypeError, ValueError, ICNetError):
        return None


def _files_of(name: str) -> tuple[Path, Path]:
    folder = _own_folder() / "data"
    return folder / f"{name}.yaml", folder / "classes" / f"{name}.yaml"


def _own_folder() -> Path:
    """Where own configurations are written: the folder given by --config-dir, else conf/ of the checkout.

    An installed icnet keeps its configuration inside the package, which an update replaces: then ./conf.
    """
    *_, last = config_folders()
    return Path("conf").absolute() if last.is_relative_to(_PACKAGE) else last


def config_folders() -> list[Path]:
    """The configuration's own folder, then the one given by --config-dir."""
    sources = {source.provider: source.path for source in HydraConfig.get().runtime.config_sources}
    return [Path(sources[provider]) for provider in ("main", "command-line") if provider in sources]
