"""Sets training frames aside, where there is no validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from icnet.data.layouts import Sample
from icnet.errors import DataError


def split_off(samples: Sequence[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """(the rest, the given share), drawn with a fixed seed so that every run has the same validation frames."""
    count = round(share * len(samples))
    if not 0 < count < len(samples):
        raise DataError(
            f"data.val_fraction={share} of {len(samples)} images leaves training or validation empty: choose another share"
        )
    chosen = set(np.random.default_rng(0).permutation(len(samples))[:count].tolist())
    rest = [s for i, s in enumerate(samples) if i not in chosen]
    return rest, [s for i, s in enumerate(samples) if i in chosen]
