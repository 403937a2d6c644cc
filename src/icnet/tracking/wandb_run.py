"""logger=wandb: the run in Weights & Biases, which is never more important than the run itself."""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from icnet.data.images import Pixels
from icnet.data.labels import IGNORE, ClassTable
from icnet.errors import first_line
from icnet.tracking.dashboard import STEP, build_confusion_chart
from icnet.tracking.tracker import RunResult
from icnet.tracking.wandb_file import recover_logged
from icnet.training.metrics_file import read_rows
from icnet.visualize.rows import Row

log = logging.getLogger(__name__)

CONNECT_S = 20  # then a run that cannot reach W&B goes offline


class WandbTracker(WandbLogger):
    """Lightning's logger for W&B, offline by itself. Its first failure is a warning and ends the tracking alone.

    folder: of the run. W&B's files and the id of the run lie in folder/wandb: a resumed run goes on in the same W&B run.
    config: the resolved configuration.
    project, name, entity, group: as W&B calls them; entity null is the user's own.
    artifact: whether the best checkpoint goes to W&B.
    upload_s: how long the end of the run waits for uploads.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        project: str,
        name: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        artifact: bool = True,
        upload_s: float = 600.0,
    ) -> None:
        super().__init__(
            save_dir=folder,
            version=run_id(folder),
            project=project,
            name=name,
            entity=entity,
            group=group,
            config=dict(config),
            reinit="create_new",
            settings={
                "console": "off",  # the progress bar would fill it; run.log has what was said
                "init_timeout": CONNECT_S,
                "finish_timeout": upload_s,
                "finish_timeout_raises": True,
                # private: x_transaction_log_flush_interval (wandb 0.31.0)
                "x_transaction_log_flush_interval": 1.0,  # seconds: what a kill takes from an offline run
            },
        )
        self._folder, self._artifact = folder, artifact
        self._run: Any = None
        self._works = True  # until W&B fails or its run ends
        self._logged: Mapping[int, set[str]] = {}  # names by step, by earlier processes of an offline run

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run, begun on first use, which Lightning makes early; None where there is none any more."""
        if self._works and self._run is None:
            with self._surviving("the start"):
                self._begin()
        return self._run if self._works else None

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """step: as Lightning counts, which is one less than the steps that are done."""
        with self._surviving("logging"):
            self._log(metrics, 0 if step is None else step + 1)

    def go_on(self, step: int) -> None:
        """Log what a killed process could not hand over any more, from metrics.csv; what W&B has stays as it is."""
        with self._surviving("going on"):
            for done, row in read_rows(self._folder / "metrics.csv").items():
                if done <= step:
                    self._log(row, done)

    def log_rows(self, rows: Sequence[Row], classes: ClassTable, step: int) -> None:
        """Images whose masks can be switched on and off, with class names."""
        names = {**dict(enumerate(classes.names)), IGNORE: "ignored"}

        def mask(label_map: Pixels) -> dict[str, Any]:
            return {"mask_data": label_map, "class_labels": names}

        with self._surviving("showing examples"):
            self.log_image(
                "val/examples",
                [row.image for row in rows],
                step - 1,
                caption=[row.name for row in rows],
                file_type=["jpg"] * len(rows),
                masks=[{"label": mask(row.label), "prediction": mask(row.prediction)} for row in rows],
            )

    def log_result(self, result: RunResult, step: int) -> None:
        if run := self.experiment:
            with self._surviving("logging the result"):
                run.summary.update(result.best | {"protocol": result.protocol})
                if result.matrix is not None:
                    run.log({"confusion": build_confusion_chart(result.matrix, result.class_names)}, step)
                if self._artifact:
                    run.log_artifact(build_artifact(result, run.id), aliases=["best"])
        self.close(0)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Lightning's last word on every call of fit or validate; only a failure ends the run here."""
        if status == "failed":
            self.close(1)

    def close(self, exit_code: int) -> None:
        """End the W&B run, and say how to upload what has not been."""
        run, self._run = self._run, None
        atexit.unregister(self.close)
        if run is None:
            return
        with self._surviving("uploading"):
            run.finish(exit_code)
        if not run.disabled and (run.offline or not self._works):
            option = "" if run.offline else "--include-online "
            log.info("W&B: upload with: wandb sync %s%s", option, shlex.quote(str(self._folder / "wandb")))
        if not self._works:
            end_service()
        self._works = False

    def _begin(self) -> None:
        """Online where there is a key and W&B answers, else offline."""
        import wandb

        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # its statistics of itself, without a network
        # Where it copies what it is to upload: an offline run would otherwise need the home directory of this machine.
        os.environ.setdefault("WANDB_DATA_DIR", str(self._folder / "wandb"))
        wandb.setup(wandb.Settings(silent=True))  # it asks nothing then; what is worth saying is said here
        logged = recover_logged(self._folder / "wandb")
        try:
            run = super().experiment
        except wandb_errors() as error:
            end_service()  # it would not let go of the id
            wandb.setup(wandb.Settings(silent=True, mode="offline"))
            run = super().experiment
            level = logging.INFO if isinstance(error, wandb.errors.UsageError) else logging.WARNING  # INFO: no key
            log.log(level, "W&B: the run is kept offline (%s)", first_line(error))
        self._run = run
        atexit.register(self.close, 1)  # for what ends the run between Lightning's calls
        run.define_metric("val/miou", step_metric=STEP, summary="max,last")
        if run.offline:
            self._logged = logged
        elif not run.disabled:
            log.info("W&B: %s", run.url)

    def _log(self, values: Mapping[str, Any], step: int) -> None:
        """Each value once: online W&B itself drops steps that it has, offline nobody would."""
        run = self.experiment
        new = {name: value for name, value in values.items() if name not in self._logged.get(step, ())}
        if run and new:
            run.log({**new, STEP: step}, step)

    @contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        """W&B's first failure in the block is a warning, and the last that is heard of it."""
        try:
            yield
        except wandb_errors() as error:
            if self._works:
                text = "W&B: %s failed (%s). Training goes on without; metrics.csv has all values"
                log.warning(text, what, first_line(error))
            self._works = False


@rank_zero_only
def run_id(folder: Path) -> str:
    """The id of the W&B run in this folder, made up the first time."""
    path = folder / "wandb" / "run_id"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_hex(6), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def build_artifact(result: RunResult, run_id: str) -> Any:
    """The best checkpoint, copied at once: who trains longer may replace it before it is uploaded."""
    import wandb

    metadata = result.best | {"sha256": result.protocol["checkpoint_sha256"]}
    artifact = wandb.Artifact(f"checkpoint-{run_id}", "model", metadata=metadata)
    artifact.add_file(str(result.checkpoint), name="best.ckpt", skip_cache=True)
    return artifact


def end_service() -> None:
    """End W&B's process. Where that has died, W&B would show a traceback when this one ends."""
    import wandb

    with suppress(SystemExit, *wandb_errors()):
        wandb.teardown(1)


def wandb_errors() -> tuple[type[Exception], ...]:
    """What W&B raises: its own errors, which have no common base, those of its process and of wrong values.

    An AttributeError would be lost otherwise: Lightning asks with hasattr whether there is an experiment.
    """
    own = [kind for kind in Exception.__subclasses__() if kind.__module__.startswith("wandb.")]
    return (*own, OSError, RuntimeError, AttributeError, TypeError, ValueError)
