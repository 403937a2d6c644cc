"""The shapes of the cars of a street scene, seen from the side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from icnet.streets.camera import Floats


class CarShape(NamedTuple):
    """Outlines from the side, counter-clockwise from the front bumper: metres to the front and up."""

    body: Floats
    cabin: Floats
    half: float  # half the width
    roof: float  # how wide the roof is, as a share of the width at the windows' foot
    wheel: float  # radius
    axles: tuple[float, float]


SHAPES = (
    CarShape(  # saloon
        body=np.array([[2.2, 0.28], [2.22, 0.62], [2.05, 0.8], [0.95, 0.95], [-1.7, 0.98], [-2.2, 0.9], [-2.2, 0.32]]),
        cabin=np.array([[0.95, 0.94], [0.2, 1.42], [-0.95, 1.44], [-1.7, 0.97]]),
        half=0.9,
        roof=0.78,
        wheel=0.34,
        axles=(1.35, -1.35),
    ),
    CarShape(  # hatchback
        body=np.array(
            [[1.9, 0.28], [1.95, 0.65], [1.75, 0.86], [0.9, 1.0], [-1.75, 1.05], [-1.85, 0.7], [-1.82, 0.32]]
        ),
        cabin=np.array([[0.95, 0.99], [0.25, 1.52], [-1.25, 1.54], [-1.75, 1.04]]),
        half=0.87,
        roof=0.8,
        wheel=0.33,
        axles=(1.18, -1.18),
    ),
    CarShape(  # off-roader
        body=np.array(
            [[2.2, 0.4], [2.25, 0.85], [2.05, 1.05], [0.95, 1.15], [-2.1, 1.18], [-2.2, 0.85], [-2.15, 0.42]]
        ),
        cabin=np.array([[1.0, 1.14], [0.4, 1.76], [-1.75, 1.78], [-2.1, 1.17]]),
        half=0.97,
        roof=0.85,
        wheel=0.4,
        axles=(1.35, -1.35),
    ),
    CarShape(  # van
        body=np.array([[2.4, 0.35], [2.42, 0.9], [2.2, 1.1], [1.75, 1.2], [-2.35, 1.22], [-2.4, 0.9], [-2.38, 0.38]]),
        cabin=np.array([[1.8, 1.19], [1.15, 2.05], [-2.25, 2.1], [-2.36, 1.2]]),
        half=1.0,
        roof=0.92,
        wheel=0.36,
        axles=(1.5, -1.45),
    ),
)
