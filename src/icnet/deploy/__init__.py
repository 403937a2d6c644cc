"""From a trained network to one that runs elsewhere: exported files, and measurements of size and speed."""

import icnet.engines.telemetry  # noqa: F401
