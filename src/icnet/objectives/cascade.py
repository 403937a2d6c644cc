"""The weighted loss of the three stages (paper, section 3.4), with class weights and online hard example mining."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from icnet.model.icnet import CascadeLogits
from icnet.model.layers import sample_labels, size_of


class CascadeLoss(nn.Module):
    """sub4 x L(sub4) + sub24 x L(sub24) + sub124 x L(sub124), each stage compared at its own resolution.

    sub4, sub24, sub124: weights of the stages. The defaults are the authors' released configuration (0.16, 0.4, 1.0);
        the paper's text and mmsegmentation use 0.4, 0.4, 1.0.
    ignore_index: the label that counts nowhere. Where all pixels are ignored the loss is 0 and its gradient finite.
    class_weights: a factor per class; the mean is divided by the sum of the factors (as in torch's cross_entropy).
    ohem: average over the hard pixels of each stage only.
    align_corners: as of the network, for the place at which labels are sampled.
    """

    def __init__(
        self,
        sub4: float = 0.16,
        sub24: float = 0.4,
        sub124: float = 1.0,
        ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        ohem: OHEM | None = None,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.factors = {"sub4": sub4, "sub24": sub24, "sub124": sub124}
        for name, factor in self.factors.items():
            if not (math.isfinite(factor) and factor >= 0):
                raise ValueError(f"loss.{name} is {factor}: the weight of a stage is a number of at least 0")
        self.ignore_index = ignore_index
        self.ohem = ohem
        self.align_corners = align_corners
        for factor in class_weights or ():
            if not (math.isfinite(factor) and factor >= 0):
                raise ValueError(f"loss.class_weights has {factor}: the weight of a class is a number of at least 0")
        weights = None if class_weights is None else torch.as_tensor(list(class_weights), dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: CascadeLogits, labels: Tensor) -> dict[str, Tensor]:
        """Logits of the stages and labels (N, H, W), any integer type -> {"sub4", "sub24", "sub124", "total"}, scalars."""
        losses = {name: self.stage(stage, labels) for name, stage in logits._asdict().items()}
        losses["total"] = torch.stack([self.factors[name] * loss for name, loss in losses.items()]).sum()
        return losses

    def terms(self, frames: Tensor, outputs: CascadeLogits, labels: Tensor) -> dict[str, Tensor]:
        """As an `Objective`: labels alone decide."""
        terms: dict[str, Tensor] = self(outputs, labels)
        return terms

    def validate(self, outputs: CascadeLogits, labels: Tensor) -> Tensor:
        loss: Tensor = self(outputs, labels)["total"]
        return loss

    def stage(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of one stage (N, C, h, w) against the labels sampled at its pixels."""
        sampled = sample_labels(labels, size_of(logits), self.align_corners).long()
        logits = logits.float()  # under autocast: bf16 has too few digits for a log-sum-exp
        weights: Tensor | None = self.class_weights  # type: ignore[assignment]
        pixels = F.cross_entropy(logits, sampled, weights, ignore_index=self.ignore_index, reduction="none")
        counted = sampled != self.ignore_index
        if self.ohem is not None:
            counted = counted & self.ohem.hard(logits, sampled, counted)
        share = counted.float()
        if weights is not None:
            share = share * weights[sampled.clamp(0, len(weights) - 1)]
        return (pixels * counted).sum() / share.sum().clamp(min=torch.finfo(torch.float32).tiny)


class OHEM:
    """Online hard example mining: the pixels that the network is least sure of (Shrivastava et al., 2016).

    thresh: a pixel is hard when the probability of its own class is below this.
    min_kept: the least share (0..1) of the labelled pixels of a batch that is kept, the hardest ones, however sure.
    """

    def __init__(self, thresh: float = 0.7, min_kept: float = 1 / 16) -> None:
        if not (0 < thresh <= 1 and 0 <= min_kept <= 1):
            raise ValueError(f"OHEM with thresh={thresh}, min_kept={min_kept}: both are shares, in 0..1")
        self.thresh, self.min_kept = thresh, min_kept

    def hard(self, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """Logits (N, C, h, w), labels and valid (N, h, w) -> mask (N, h, w) of the pixels to keep."""
        with torch.no_grad():
            target = labels.where(valid, 0)
            probability = logits.softmax(dim=1).gather(1, target[:, None])[:, 0].where(valid, 2.0)
            kept = int(self.min_kept * int(valid.sum()))
            bound = torch.full((), self.thresh, device=logits.device)
            if kept > 0:
                bound = torch.maximum(bound, probability.flatten().kthvalue(kept).values)
            return valid & (probability <= bound)
