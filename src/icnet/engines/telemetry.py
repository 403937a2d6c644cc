"""What keeps the telemetry of other packages off; imported before any of them."""

import os
import sys

# On import OpenVINO, nncf and ONNX Runtime write into the home folder and send what they were used for, unless told not to
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
