"""Examples, confusion matrix and checkpoint as W&B's own types."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icnet.data.labels import IGNORE, ClassTable
from icnet.tracking.tracker import RunResult
from icnet.training.checkpoint import link_whole
from icnet.visualize.rows import Row
from icnet.visualize.scores import share_of_labels

if TYPE_CHECKING:
    from wandb import Artifact, Image


def to_images(rows: Sequence[Row], classes: ClassTable) -> list[Image]:
    """W&B images whose masks can be switched on and off, with class names."""
    import wandb

    names = {**dict(enumerate(classes.names)), IGNORE: "ignored"}
    return [
        wandb.Image(
            row.image,
            caption=row.name,
            file_type="jpg",
            masks={
                "label": {"mask_data": row.label, "class_labels": names},
                "prediction": {"mask_data": row.prediction, "class_labels": names},
            },
        )
        for row in rows
    ]


def to_chart(result: RunResult) -> Any:
    """W&B's own chart of a confusion matrix, of shares; its table has the counts, too."""
    import wandb

    assert result.matrix is not None
    names = result.class_names
    shares = share_of_labels(result.matrix.astype(float))
    rows = [
        [actual, predicted, None if share != share else round(share, 3), int(count)]
        for actual, counts, line in zip(names, result.matrix, shares, strict=True)
        for predicted, count, share in zip(names, counts.tolist(), line.tolist(), strict=True)
    ]
    table = wandb.Table(columns=["Actual", "Predicted", "per cent of actual", "pixels"], data=rows)
    return wandb.plot_table(
        "wandb/confusion_matrix/v1",
        table,
        {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "per cent of actual"},
        {"title": "Where the pixels of each class went, %"},
    )


def to_artifact(result: RunResult, run_id: str, folder: Path) -> Artifact:
    """The best checkpoint. Who trains longer may replace it before it is uploaded, so it gets a second name in `folder`."""
    import wandb

    digest = result.protocol["checkpoint_sha256"]
    kept = folder / f"best-{digest[:12]}.ckpt"
    link_whole(result.checkpoint, kept)
    artifact = wandb.Artifact(f"checkpoint-{run_id}", "model", metadata=result.best | {"sha256": digest})
    artifact.add_file(str(kept), name="best.ckpt", policy="immutable", skip_cache=True)
    return artifact


@contextmanager
def files_wait_in(folder: Path) -> Iterator[None]:
    """Where W&B copies what it is to upload: an offline run would otherwise need the home directory of this machine."""
    given = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = given or str(folder)
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
        if given is not None:
            os.environ["WANDB_DATA_DIR"] = given
