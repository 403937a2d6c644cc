"""uint8 frames in, label maps or scores out: the only place that asks what kind a network is."""

import icnet.engines.telemetry  # noqa: F401
