"""Whatever file is given for weights: one line says what it is not."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from icnet.errors import WeightsError
from icnet.model.icnet import ICNet
from icnet.model.trunks.resnet import resnet18
from icnet.weights.checkpoint import load_checkpoint
from icnet.weights.start import read_weights


class Code:
    """A pickle of this would run a command when it is read carelessly."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch harm",)


def saved(content: object) -> bytes:
    data = io.BytesIO()
    torch.save(content, data)
    return data.getvalue()


def zipped(**files: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def picture() -> bytes:
    return cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes()


WHOLE = saved(ICNet(resnet18(0.125), 3, 16).state_dict())
FILES = {
    "empty": b"",
    "text": b"root:x:0:0:root:/root:/bin/bash\n" * 40,
    "short text": b"a",
    "yaml": b"model:\n  width: 0.5\n",
    "json": b'{"state_dict": 1}',
    "picture": picture(),
    "zip": zipped(readme=b"hello"),
    "zip with the right name": zipped(**{"archive/data.pkl": b"nothing", "archive/version": b"3"}),
    "cut off": WHOLE[: len(WHOLE) // 2],
    "its first bytes": WHOLE[:100],
    "its end alone": WHOLE[-2000:],
    "other bytes in the middle": WHOLE[:1000] + bytes(300) + WHOLE[1300:],
    "a pickle": pickle.dumps({"a": 1}),
    "a pickle that wants code": pickle.dumps(Code()),
    "a checkpoint that wants code": saved({"state_dict": {"a": Code()}}),
    "a list": saved([1, 2, 3]),
    "no weights": saved({"epoch": 3}),
    "OmegaConf": saved({"state_dict": {}, "hyper_parameters": OmegaConf.create({"a": 1})}),
    "Lightning's without our part": saved({"state_dict": {"epoch": 3}, "pytorch-lightning_version": "2.6.6"}),
    "a part of ours alone": saved({"icnet": {"architecture": 7}, "state_dict": {}}),
    "torn legacy pickle": b"\x80\x02}q\x00",
    "bytes": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("read", [load_checkpoint, read_weights])
def test_a_file_without_weights_gets_one_line_that_names_it(
    content: bytes, read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "given.ckpt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"given\.ckpt") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("place", ["missing.ckpt", "."])
def test_a_file_that_is_none_is_named(place: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is a folder" if place == "." else "there is no file"):
        load_checkpoint(tmp_path / place)


def test_foreign_objects_in_a_file_are_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "w.ckpt").write_bytes(FILES["OmegaConf"])
    with pytest.raises(WeightsError, match=r"holds .*omegaconf\.dictconfig\.DictConfig.*save its state_dict alone"):
        read_weights(tmp_path / "w.ckpt")
    (tmp_path / "p.ckpt").write_bytes(saved({"state_dict": {"w": torch.zeros(1)}, "folder": Path("here")}))
    with pytest.raises(WeightsError, match=r"holds pathlib.*Path"):
        read_weights(tmp_path / "p.ckpt")
    content = {"state_dict": {"w": torch.zeros(1)}, "args": argparse.Namespace(lr=1)}
    torch.save(content, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"holds argparse\.Namespace beside its weights"):
        read_weights(tmp_path / "old.ckpt")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.ckpt"
    path.write_bytes(WHOLE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_checkpoint(path)
