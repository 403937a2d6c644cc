"""What W&B shows: python -m icnet.tracking.dashboard ENTITY/PROJECT [SETTING...] (extra: dashboard); the confusion chart."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from icnet.errors import ConfigError, ICNetError
from icnet.visualize.scores import share_of_labels

if TYPE_CHECKING:
    from wandb_workspaces.workspaces.interface import Workspace

STEP = "trainer/global_step"  # Lightning's name for it
BEST = "best/miou"
SWEPT = ("loss.sub4", "loss.sub24", "optimizer.lr")

# W&B's own chart of a confusion matrix: its name, which columns of the table it reads, its texts
_CHART = "wandb/confusion_matrix/v1"
_FIELDS = {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "per cent of actual"}
_TEXTS = {"title": "Where the pixels of each class went, %"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Save the dashboard."""
    parser = argparse.ArgumentParser(prog="python -m icnet.tracking.dashboard")
    parser.add_argument("project", metavar="ENTITY/PROJECT", help="as in the address of the project at W&B")
    parser.add_argument(
        "swept", metavar="SETTING", nargs="*", default=SWEPT, help="that a sweep varies, e.g. loss.sub4"
    )
    given = parser.parse_args(arguments)
    entity, _, project = given.project.partition("/")
    if not entity or not project:
        raise ConfigError(f"{given.project}: give ENTITY/PROJECT, as in the address of the project at W&B")
    dashboard: Any = build_dashboard(entity, project, given.swept)

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
        sections=[
            workspaces.Section(name="Score", panels=show_scores(), is_open=True, pinned=True),
            workspaces.Section(name="Classes", panels=show_classes(), is_open=True),
            workspaces.Section(name="Training", panels=show_training()),
            workspaces.Section(name="Sweeps", panels=show_sweeps(swept)),
        ],
        settings=workspaces.WorkspaceSettings(x_axis=STEP),
    )


def show_scores() -> list[Any]:
    """How good the runs are, and what their networks see."""
    from wandb_workspaces.reports.v2 import interface as v2

    return [
        v2.LinePlot(title="mIoU", x=STEP, y=["val/miou"], range_y=(0, 1)),
        v2.BarPlot(title="Best mIoU", metrics=[BEST], range_x=(0, 1)),
        v2.LinePlot(title="Pixel accuracy", x=STEP, y=["val/pixel_accuracy"], range_y=(0, 1)),
        v2.LinePlot(title="Validation loss", x=STEP, y=["val/loss"]),
        v2.MediaBrowser(title="Validation images", media_keys=["val/examples"], num_columns=2),
    ]


def show_classes() -> list[Any]:
    """IoU by class, found by its name, so that this fits every data set; what is taken for what."""
    from wandb_workspaces.reports.v2 import interface as v2

    return [
        v2.LinePlot(title="IoU by class", x=STEP, metric_regex="val/iou/.*", range_y=(0, 1), max_runs_to_show=3),
        v2.CustomChart(
            query={"summaryTable": {"tableKey": "confusion_table"}},
            chart_name=_CHART,
            chart_fields=_FIELDS,
            chart_strings=_TEXTS,
        ),
    ]


def show_training() -> list[Any]:
    """Losses of the stages, learning rate, speed."""
    from wandb_workspaces.reports.v2 import interface as v2

    stages = {f"loss{stage}": f"train/loss{stage}" for stage in ("", "_sub4", "_sub24", "_sub124")}
    curves = stages | {"Learning rate": "lr", "Images per second": "train/images_per_second"}
    return [v2.LinePlot(title=title, x=STEP, y=[name]) for title, name in curves.items()]


def show_sweeps(swept: Sequence[str]) -> list[Any]:
    """Best mIoU over the settings that a sweep varies."""
    from wandb_workspaces.reports.v2 import interface as v2

    best = v2.SummaryMetric(BEST)
    columns: list[Any] = [*map(v2.Config, swept), best]
    return [
        v2.ParallelCoordinatesPlot(
            title="Settings and best mIoU", columns=[v2.ParallelCoordinatesPlotColumn(metric=c) for c in columns]
        ),
        v2.ParameterImportancePlot(with_respect_to=BEST),
        *(v2.ScatterPlot(title=f"Best mIoU over {name}", x=v2.Config(name), y=best) for name in swept),
        v2.BarPlot(title="Best mIoU by sweep", metrics=[BEST], groupby=v2.Metric("Group"), groupby_rangefunc="stddev"),
    ]


def build_confusion_chart(matrix: npt.NDArray[np.int64], names: Sequence[str]) -> Any:
    """The chart that a run logs, of shares; its table has the counts, too."""
    import wandb

    rows = [
        [names[actual], names[predicted], None if np.isnan(share) else round(share, 3), int(matrix[actual, predicted])]
        for (actual, predicted), share in np.ndenumerate(share_of_labels(matrix.astype(float)))
    ]
    table = wandb.Table(columns=["Actual", "Predicted", "per cent of actual", "pixels"], data=rows)
    return wandb.plot_table(_CHART, table, _FIELDS, _TEXTS)


if __name__ == "__main__":
    try:
        main()
    except ICNetError as error:
        raise SystemExit(f"icnet: {error}") from None
