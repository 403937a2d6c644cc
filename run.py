"""The door of a checkout: `python run.py`; an installed icnet has the command `icnet`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from icnet.__main__ import main

if __name__ == "__main__":
    main()
