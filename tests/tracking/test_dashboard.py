"""The definition of the W&B dashboard, as data: no account is needed."""

from __future__ import annotations

import builtins
import re
from typing import Any

import pytest

from icnet.errors import ConfigError
from icnet.tracking.dashboard import build_dashboard, main

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1:DeprecationWarning")  # of wandb-workspaces, on import


@pytest.fixture
def spec() -> dict[str, Any]:
    section: dict[str, Any] = build_dashboard("me", "icnet", ["loss.sub4", "loss.sub24"])._spec["spec"]["section"]
    return section


def panels_of(spec: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (section,) = [s for s in spec["panelBankConfig"]["sections"] if s["name"] == name]
    return [{"kind": panel["viewType"], **panel["config"]} for panel in section["panels"]]


def test_miou_stands_first_over_trained_steps(spec: dict[str, Any]) -> None:
    first = panels_of(spec, "Score")[0]
    assert (first["kind"], first["metrics"], first["xAxis"]) == (
        "Run History Line Plot",
        ["val/miou"],
        "trainer/global_step",
    )
    assert spec["settings"]["xAxis"] == "trainer/global_step"


def test_the_classes_of_every_data_set_are_found_by_their_names(spec: dict[str, Any]) -> None:
    panel = panels_of(spec, "Classes")[0]
    assert panel["useMetricRegex"]
    assert re.fullmatch(panel["metricRegex"], "val/iou/traffic sign")
    assert not re.fullmatch(panel["metricRegex"], "val/miou")


def test_a_sweep_is_shown_over_its_own_settings(spec: dict[str, Any]) -> None:
    kinds = {panel["kind"]: panel for panel in panels_of(spec, "Sweeps")}
    assert [column["accessor"] for column in kinds["Parallel Coordinates Plot"]["columns"]] == [
        "config:loss.value.sub4", "config:loss.value.sub24", "summary:best/miou",
    ]  # fmt: skip
    assert kinds["Parameter Importance"]["targetKey"] == "best/miou"
    assert kinds["Bar Chart"]["groupBy"] == "group"
    over = [panel["xAxis"] for panel in panels_of(spec, "Sweeps") if panel["kind"] == "Scatter Plot"]
    assert over == ["config:loss.value.sub4", "config:loss.value.sub24"]


def test_a_path_without_a_project_is_named() -> None:
    with pytest.raises(ConfigError, match="icnet: give ENTITY/PROJECT"):
        main(["icnet"])


def test_the_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("wandb_workspaces"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"\[dashboard\]"):
        build_dashboard("me", "icnet")
