"""The door: `python run.py`, `icnet` and `python -m icnet` come in here, where signals are heard before all else."""

from __future__ import annotations

import logging
import sys

from icnet.errors import Interrupted
from icnet.processes import is_follower
from icnet.signals import interruptible


def main() -> None:
    """Run the command line. Stopped by a signal: one line and its status, of the first process alone.

    A follower that ended with another status than 0 would be taken for broken, and the first process killed while it
    still saves.
    """
    try:
        with interruptible():
            from icnet.cli import main as run_command  # Hydra takes its time

            run_command()
    except Interrupted as stop:
        if is_follower():
            raise SystemExit(0) from None
        sys.stdout.flush()
        logging.disable()  # what a library logs at the end when its import was cut short
        print(f"icnet: {stop}", file=sys.stderr)
        raise SystemExit(stop.status) from None


if __name__ == "__main__":
    main()
