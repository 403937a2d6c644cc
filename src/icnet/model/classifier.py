"""The trunk as an image classifier: what is pre-trained on ImageNet before the cascade is."""

from __future__ import annotations

from torch import Tensor, nn

from icnet.model.layers import init_weights
from icnet.model.trunk import TrunkSpec


class BackboneClassifier(nn.Module):
    """A trunk and a linear layer: (N, 3, H, W) normalised images -> (N, num_classes) logits.

    Its `backbone` has the same weights as the trunk of an ICNet, without dilation.
    """

    def __init__(self, spec: TrunkSpec, num_classes: int) -> None:
        super().__init__()
        self.backbone = spec.build(dilated=False)
        self.fc = nn.Linear(spec.out_channels[1], num_classes)
        init_weights(self)
        self.backbone.init_weights()

    def forward(self, images: Tensor) -> Tensor:
        features = self.backbone.tail(self.backbone.head(images))
        return self.fc(features.mean(dim=(2, 3)))
