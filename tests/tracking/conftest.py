"""A user whom W&B does not know."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest
from tests.tracking.wandb_server import CLOSED


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """A user without a key, whose every question to W&B would be refused."""
    import wandb

    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("NETRC", str(home / "netrc"))
        patch.setenv("WANDB_BASE_URL", CLOSED)
        wandb.teardown()
        yield patch
    wandb.teardown()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """W&B reads the environment once a process: make it read again, now and afterwards."""
    import wandb

    wandb.teardown()
    yield monkeypatch
    with contextlib.suppress(OSError):
        wandb.teardown()
