"""python -m icnet.tracking.dashboard ENTITY/PROJECT [SETTING...]: mIoU, classes and sweeps at W&B (extra: dashboard)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from icnet.errors import ConfigError, ICNetError

if TYPE_CHECKING:
    from wandb_workspaces.workspaces.interface import Section, Workspace

STEP = "trainer/global_step"
BEST = "best/miou"
SWEPT = ("loss.sub4", "loss.sub24", "optimizer.lr")


def main(arguments: Sequence[str]) -> None:
    """Save the dashboard; SETTINGs are those that a sweep varies."""
    if not arguments or "-h" in arguments or "--help" in arguments:
        raise SystemExit(
            "usage: python -m icnet.tracking.dashboard ENTITY/PROJECT [SETTING...], e.g. me/icnet loss.sub4 loss.sub24"
        )
    path, *swept = arguments
    entity, _, project = path.partition("/")
    if not entity or not project:
        raise ConfigError(f"{path}: give ENTITY/PROJECT, as in the address of the project at W&B")
    dashboard: Any = build_dashboard(entity, project, swept or SWEPT)

    import wandb

    try:
        print(dashboard.save().url)
    except (wandb.Error, OSError) as error:
        raise ICNetError(f"W&B: {str(error).splitlines()[0]} (`wandb login` stores a key)") from error


def build_dashboard(entity: str, project: str, swept: Sequence[str] = SWEPT) -> Workspace:
    """The definition, which needs no account. swept: settings of the configuration, e.g. loss.sub4."""
    try:
        from wandb_workspaces.workspaces import interface as workspaces
    except ImportError as error:
        raise ConfigError(
            'the dashboard needs wandb-workspaces: pip install -c constraints.txt -e ".[dashboard]"'
        ) from error

    return workspaces.Workspace(
        entity=entity,
        project=project,
        name="ICNet",
        sections=[score_section(), class_section(), training_section(), sweep_section(swept)],
        settings=workspaces.WorkspaceSettings(x_axis=STEP),
    )


def score_section() -> Section:
    """How good the runs are, and what their networks see."""
    from wandb_workspaces.reports.v2 import interface as v2
    from wandb_workspaces.workspaces.interface import Section

    panels: list[Any] = [
        v2.LinePlot(title="mIoU", x=STEP, y=["val/miou"], range_y=(0, 1)),
        v2.BarPlot(title="Best mIoU", metrics=[BEST], range_x=(0, 1)),
        v2.LinePlot(title="Pixel accuracy", x=STEP, y=["val/pixel_accuracy"], range_y=(0, 1)),
        v2.LinePlot(title="Validation loss", x=STEP, y=["val/loss"]),
        v2.MediaBrowser(title="Validation images", media_keys=["val/examples"], num_columns=2),
    ]
    return Section(name="Score", panels=panels, is_open=True, pinned=True)


def class_section() -> Section:
    """IoU by class; classes are found by their names, so that it fits every data set."""
    from wandb_workspaces.reports.v2 import interface as v2
    from wandb_workspaces.workspaces.interface import Section

    panels: list[Any] = [
        v2.LinePlot(title="IoU by class", x=STEP, metric_regex="val/iou/.*", range_y=(0, 1), max_runs_to_show=3),
        v2.CustomChart(
            query={"summaryTable": {"tableKey": "confusion_table"}},
            chart_name="wandb/confusion_matrix/v1",
            chart_fields={"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "per cent of actual"},
            chart_strings={"title": "Where the pixels of each class went, %"},
        ),
    ]
    return Section(name="Classes", panels=panels, is_open=True)


def training_section() -> Section:
    """Losses of the stages, learning rate, speed."""
    from wandb_workspaces.reports.v2 import interface as v2
    from wandb_workspaces.workspaces.interface import Section

    stages = ["train/loss", "train/loss_sub4", "train/loss_sub24", "train/loss_sub124"]
    panels: list[Any] = [
        *(v2.LinePlot(title=name.removeprefix("train/"), x=STEP, y=[name]) for name in stages),
        v2.LinePlot(title="Learning rate", x=STEP, y=["lr"]),
        v2.LinePlot(title="Images per second", x=STEP, y=["train/images_per_second"]),
    ]
    return Section(name="Training", panels=panels)


def sweep_section(swept: Sequence[str]) -> Section:
    """Best mIoU over the settings that a sweep varies."""
    from wandb_workspaces.reports.v2 import interface as v2
    from wandb_workspaces.workspaces.interface import Section

    best = v2.SummaryMetric(BEST)
    columns: list[Any] = [*map(v2.Config, swept), best]
    panels: list[Any] = [
        v2.ParallelCoordinatesPlot(
            title="Settings and best mIoU", columns=[v2.ParallelCoordinatesPlotColumn(metric=c) for c in columns]
        ),
        v2.ParameterImportancePlot(with_respect_to=BEST),
        *(v2.ScatterPlot(title=f"Best mIoU over {name}", x=v2.Config(name), y=best) for name in swept),
        v2.BarPlot(title="Best mIoU by sweep", metrics=[BEST], groupby=v2.Metric("Group"), groupby_rangefunc="stddev"),
    ]
    return Section(name="Sweeps", panels=panels)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ICNetError as error:
        raise SystemExit(f"icnet: {error}") from None
