"""task.folds=K: a sweep whose jobs each judge the frames that they have not trained on; their queues become one."""

from __future__ import annotations

from pathlib import Path

from icnet.report.queue import QUEUE, read_queue, write_queue
from icnet.sweep.ledger import Ledger


def join_queues(ledger: Ledger) -> Path | None:
    """Write the queue over all frames into the folder of the sweep; None where no job has one."""
    folders = [Path(job.folder) for job in ledger.jobs.values()]
    queues = [read_queue(folder) for folder in folders if (folder / QUEUE).is_file()]
    if not queues:
        return None
    regions = sorted((r for queue in queues for r in queue["regions"]), key=lambda region: -region["confidence"])
    first = queues[0]
    joined = {
        "queue": "-".join(queue["queue"] for queue in queues),
        "split": f"{len(queues)} of {len(folders)} folds",
        "frames": sum(queue["frames"] for queue in queues),
        "regions": regions[: first["most"]],
    }
    return write_queue(ledger.folder, first | joined)
