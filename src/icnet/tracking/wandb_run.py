"""logger=wandb: the run in Weights & Biases, which is never more important than the run itself."""

from __future__ import annotations

import atexit
import logging
import secrets
import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from icnet.data.labels import ClassTable
from icnet.tracking.tracker import RunResult
from icnet.tracking.wandb_data import files_wait_in, to_artifact, to_chart, to_images
from icnet.tracking.wandb_file import read_logged
from icnet.training.metrics_file import read_rows
from icnet.visualize.rows import Row

if TYPE_CHECKING:
    from wandb import Run

log = logging.getLogger(__name__)

Mode = Literal["online", "offline", "disabled"]
STEP = "trainer/global_step"  # Lightning's name for it
CONNECT_S = 20  # then a run that cannot reach W&B goes offline


class WandbTracker(Logger):
    """Lightning's logger for W&B. Its first failure is a warning and ends the tracking, never the training.

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
        super().__init__()
        self._folder, self._config = folder, config
        self._about = {"project": project, "name": name, "entity": entity, "group": group}
        self._artifact, self._upload_s = artifact, upload_s
        self._run: Run | None = None
        self._works: bool | None = None  # None before the first use
        self._logged: Mapping[int, set[str]] = {}  # names by step, by earlier processes of an offline run

    @property
    def name(self) -> str | None:
        return self._about["project"]

    @property
    def version(self) -> str | None:
        return self._run.id if self._run else None

    @property
    @rank_zero_experiment
    def experiment(self) -> Run | None:
        """The W&B run, begun on first use, which Lightning makes early; None where W&B failed."""
        if self._works is None:
            self._works = True
            self._attempt("the start", self._begin)
        return self._run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """step: as Lightning counts, which is one less than the steps that are done."""
        done = 0 if step is None else step + 1
        self._with_run("logging", lambda run: self._log(run, metrics, done))

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the whole configuration is there from the start."""

    def go_on(self, step: int) -> None:
        """Log what a killed process could not hand over any more, from metrics.csv; what W&B has stays as it is."""
        rows = read_rows(self._folder / "metrics.csv")

        def fill(run: Run) -> None:
            for done, row in rows.items():
                if done <= step:
                    self._log(run, row, done)

        self._with_run("going on", fill)

    def log_rows(self, rows: Sequence[Row], classes: ClassTable, step: int) -> None:
        self._with_run("showing examples", lambda run: self._log(run, {"val/examples": to_images(rows, classes)}, step))

    def log_result(self, result: RunResult, step: int) -> None:
        folder = self._folder / "wandb"
        self._with_run("the summary", lambda run: run.summary.update(result.best | {"protocol": result.protocol}))
        with files_wait_in(folder):
            if result.matrix is not None:
                self._with_run("the confusion matrix", lambda run: run.log({"confusion": to_chart(result)}, step))
            if self._artifact:
                self._with_run(
                    "the artifact", lambda run: run.log_artifact(to_artifact(result, run.id, folder), aliases=["best"])
                )
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
        done = self._attempt("uploading", lambda: run.finish(exit_code))
        if not run.disabled and (run.offline or not done):
            option = "" if run.offline else "--include-online "
            log.info("W&B: upload with: wandb sync %s%s", option, shlex.quote(str(self._folder / "wandb")))
        if not done:
            end_service()

    def _begin(self) -> None:
        self._run = begin_run(self._folder, self._upload_s, **self._about, config=dict(self._config))
        atexit.register(self.close, 1)  # for what ends the run between Lightning's calls
        if self._run.offline:
            self._logged = read_logged(self._folder / "wandb")
        self._run.define_metric(STEP)
        self._run.define_metric("*", step_metric=STEP)
        self._run.define_metric("val/miou", step_metric=STEP, summary="max,last")
        if not self._run.offline and not self._run.disabled:
            log.info("W&B: %s", self._run.url)

    def _log(self, run: Run, values: Mapping[str, Any], step: int) -> None:
        """Each value once: online W&B itself drops steps that it has, offline nobody would."""
        new = {name: value for name, value in values.items() if name not in self._logged.get(step, ())}
        if new:
            run.log({**new, STEP: step}, step)

    def _with_run(self, what: str, action: Callable[[Run], object]) -> None:
        run = self.experiment
        if run is not None and self._works:
            self._attempt(what, lambda: action(run))

    def _attempt(self, what: str, action: Callable[[], object]) -> bool:
        """Whether it went well; the first time it does not, say so, and leave W&B alone from then on."""
        try:
            action()
        except wandb_errors() as error:
            if self._works:
                reason = (str(error) or type(error).__name__).splitlines()[0]
                log.warning("W&B: %s failed (%s). Training goes on without; metrics.csv has all values", what, reason)
            self._works = False
            return False
        return True


def begin_run(folder: Path, upload_s: float, **about: Any) -> Run:
    """A W&B run, online where there is a key and W&B answers, else offline. Never asks anything."""
    import wandb

    wandb.setup(wandb.Settings(silent=True))  # what is worth saying is said here, and in run.log
    logging.getLogger("opentelemetry").setLevel(
        logging.CRITICAL
    )  # W&B's statistics of itself, when the network is away
    mode = choose_mode()
    settings = wandb.Settings(
        silent=True,
        console="off",  # the progress bar would fill it; run.log has what was said
        init_timeout=CONNECT_S,
        finish_timeout=upload_s,
        finish_timeout_raises=True,
        x_transaction_log_flush_interval=1.0,  # seconds: what a killed process loses
    )
    about |= {"dir": folder, "id": run_id(folder), "resume": "allow", "settings": settings, "reinit": "create_new"}
    try:
        return wandb.init(mode=mode, **about)
    except wandb_errors() as error:
        if mode != "online":
            raise
        reason = str(error).splitlines()[0]
        log.warning("W&B: cannot be reached (%s): the run is kept offline", reason)
        end_service()
        return wandb.init(mode="offline", **about)


def end_service() -> None:
    """End W&B's process. Where that has died, W&B would show a traceback when this one ends."""
    import wandb

    with suppress(SystemExit, *wandb_errors()):
        wandb.teardown(1)


def choose_mode() -> Mode:
    """WANDB_MODE and W&B's own settings decide; without a key the run is offline."""
    import wandb

    wanted = wandb.setup().settings.mode
    if wanted in ("offline", "dryrun"):
        return "offline"
    if wanted == "disabled":
        return "disabled"
    try:
        if wandb.login(prompt=False, verify=False):
            return "online"
    except wandb.Error as error:
        log.warning("W&B: %s", error)
    log.info("W&B: there is no key, so the run is kept offline (`wandb login` stores one)")
    return "offline"


def run_id(folder: Path) -> str:
    """The id of the W&B run in this folder, made up the first time."""
    path = folder / "wandb" / "run_id"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_hex(6), encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def wandb_errors() -> tuple[type[Exception], ...]:
    """What W&B raises: its own errors, which have no common base, those of its process and of wrong values.

    An AttributeError would be lost otherwise: Lightning asks with hasattr whether there is an experiment.
    """
    import wandb
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError
    from wandb.sdk.mailbox.mailbox_handle import ServerResponseError

    own = (wandb.Error, HandleAbandonedError, MailboxClosedError, ServerResponseError)
    return (*own, OSError, RuntimeError, AttributeError, TypeError, ValueError)
