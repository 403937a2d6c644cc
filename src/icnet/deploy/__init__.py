"""From a trained network to one that runs elsewhere: exported files, and measurements of size and speed."""

import icnet.engines  # noqa: F401  before OpenVINO and nncf: their telemetry is off then
