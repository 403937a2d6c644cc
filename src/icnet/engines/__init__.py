"""uint8 frames in, label maps or scores out: the only place that asks what kind a network is."""

import sys

# OpenVINO and nncf report each import of theirs and write into the home folder, unless this package is not there
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
