"""python -m icnet.sweep DIR: the table, the plot and the page of a sweep as it stands, also while it runs."""

from __future__ import annotations

import sys
from pathlib import Path

from icnet.errors import ICNetError
from icnet.sweep.ledger import read_ledger
from icnet.sweep.page import write_page
from icnet.sweep.table import print_sweep


def main(arguments: list[str]) -> None:
    """Print the table of the sweep in the given folder and write its page."""
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        raise SystemExit("usage: python -m icnet.sweep DIR, the folder of a sweep")
    ledger = read_ledger(Path(arguments[0]))
    if not ledger.jobs:
        raise SystemExit(f"icnet: {ledger.folder} holds no sweep: expected {ledger.folder}/sweep.json")
    print_sweep(ledger)
    print(write_page(ledger))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ICNetError as error:
        raise SystemExit(f"icnet: {error}") from None
