"""Checkpoints of this project: a network, its weights, its classes and its preprocessing, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from icnet.errors import ICNetError, WeightsError
from icnet.model.icnet import STAGES, ICNet, upgrade
from icnet.model.preprocess import WHOLE_DEPTH, Normalize
from icnet.weights.hub import DESCRIPTION, WEIGHTS, fetch_repository
from icnet.weights.read import read_content

if TYPE_CHECKING:
    from icnet.data.labels import ClassTable

_GUIDES = {"sub4": "guide4", "sub24": "guide24"}  # the classifiers that training alone needs
_PARTS = {"architecture": dict, "classes": dict, "preprocessing": dict}


class Source(NamedTuple):
    """What a network is built from.

    architecture: in today's version.
    classes, preprocessing: as stored in a file. loaded: names of the parameters that did not start anew in its training.
    frame_size: [height, width] of the frames of its data; None in older files.
    """

    origin: Path
    architecture: Mapping[str, Any]
    class_table: ClassTable
    normalize: Normalize
    state: Mapping[str, Tensor]
    loaded: Sequence[str] = ()
    frame_size: Sequence[int] | None = None

    @property
    def classes(self) -> dict[str, Any]:
        return self.class_table.to_dict()

    @property
    def preprocessing(self) -> dict[str, Any]:
        return self.normalize.to_dict()

    @property
    def exits(self) -> tuple[str, ...]:
        """The stages at which the network can end; one that was deployed may lack the classifiers of the others."""
        return tuple(stage for stage in STAGES if f"{_GUIDES.get(stage, 'classifier')}.weight" in self.state)

    def build(self) -> ICNet:
        """The network with its weights, in eval mode, on the CPU."""
        net = self.build_bare()
        absent = tuple(f"{guide}." for stage, guide in _GUIDES.items() if stage not in self.exits)
        unused = {name: value for name, value in net.state_dict().items() if absent and name.startswith(absent)}
        try:
            net.load_state_dict({**unused, **self.state})
        except RuntimeError as error:
            raise self._broken(error) from error
        return net.eval()

    def build_bare(self, num_classes: int | None = None) -> ICNet:
        """The network without its weights, on demand for another number of classes."""
        anew = {} if num_classes is None else {"num_classes": num_classes}
        try:
            return ICNet.from_spec({**self.architecture, **anew})
        except (ValueError, KeyError, TypeError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> WeightsError:
        fault = " ".join(str(error).split())
        return WeightsError(f"{self.origin} does not describe its own network ({fault}): copy it again")


def load_checkpoint(path: str | Path) -> ICNet:
    """The network of a checkpoint with its weights, in eval mode, on the CPU."""
    return read_source(path).build()


def load_pretrained(place: str | Path, revision: str | None = None) -> ICNet:
    """The network of a folder in the hub's layout, or of the repository OWNER/NAME; see `load_checkpoint`."""
    path = Path(place) / WEIGHTS if Path(place).is_dir() else fetch_repository(str(place), revision)
    return load_checkpoint(path)


def read_source(path: str | Path) -> Source:
    """Read a checkpoint, by its ending in the hub's format or the authors' file.

    WeightsError where it is missing, broken or of another program.
    """
    path = Path(path)
    content = read_content(path)
    if not is_ours(content):
        beside = f", with its {DESCRIPTION} beside it" if path.name == WEIGHTS else ""
        raise WeightsError(
            f"{path} is no checkpoint of icnet{beside}: give the best.ckpt or last.ckpt of a training run"
        )
    return to_source(path, content)


def is_ours(content: Mapping[str, Any]) -> bool:
    """Whether a file describes a network of this project."""
    about = content.get("icnet")
    is_described = isinstance(about, dict) and all(isinstance(about.get(k), kind) for k, kind in _PARTS.items())
    return is_described and isinstance(content.get("state_dict"), dict)


def to_source(path: Path, content: Mapping[str, Any]) -> Source:
    """What `is_ours` found."""
    from icnet.data.labels import ClassTable  # with OpenCV, which the network alone does not need

    about = content["icnet"]
    try:
        architecture = upgrade(about["architecture"])
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: {error}; use the icnet that wrote it") from error
    try:
        table = ClassTable(**about["classes"])
        frames = about["preprocessing"]
        normalize = Normalize(frames["mean"], frames["std"], bit_depth=frames.get("bit_depth", WHOLE_DEPTH))
        loaded = tuple(about.get("loaded", ()))
    except (ICNetError, ValueError, TypeError, LookupError) as error:
        fault = " ".join(str(error).split()).removeprefix("data.")
        raise WeightsError(
            f"{path} does not describe its classes and preprocessing ({fault}): copy it again"
        ) from error
    state = {k.removeprefix("net."): v for k, v in content["state_dict"].items() if k.startswith("net.")}
    return Source(path, architecture, table, normalize, state, loaded, about.get("frame_size"))
