"""The page that runs an ONNX file in browsers, with ONNX Runtime's WebAssembly beside it: a folder that needs no network."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import torch

from icnet.errors import ConfigError
from icnet.files import make_folder, writing

PACKAGE = "onnxruntime-web@1.30.0"  # MIT; the version that was tried
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="  # of npm's tarball
_PAGE = Path(__file__).with_name("page")
# The files of the package's dist/ that the page needs, and their names there: not every server knows .mjs as JavaScript
_RUNTIME = {
    "ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
_BY_HAND = f"give task.runtime=DIR, the folder dist/ of {PACKAGE}"


def find_runtime(folder: str | None) -> Path:
    """Where onnxruntime-web's files lie: in `folder`, else in a cache, which npm fills once; ConfigError without them."""
    place = Path(folder) if folder else Path(torch.hub.get_dir()) / PACKAGE.replace("@", "-")
    missing = [name for name in _RUNTIME if not (place / name).is_file()]
    if missing and folder:
        raise ConfigError(f"task.runtime={folder} has no {' and no '.join(missing)}: {_BY_HAND}")
    if missing:
        _fetch(place)
    return place


def write_page(folder: Path, runtime: Path) -> None:
    """Lay page and runtime beside the kit of `folder`, whose model.onnx, model.json and golden.npz it reads."""
    for file in _PAGE.iterdir():
        shutil.copyfile(file, folder / file.name)
    for name, here in _RUNTIME.items():
        shutil.copyfile(runtime / name, folder / here)


def _fetch(place: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError(
            f"task.format=web needs {PACKAGE}, and there is no npm to fetch it: install Node.js, or {_BY_HAND}"
        )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", PACKAGE, "--ignore-scripts"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        tarball = next(Path(folder).glob("*.tgz"), None)
        if done.returncode != 0 or tarball is None:
            raise ConfigError(
                f"npm cannot fetch {PACKAGE} ({_say_fault(done.stderr)}): connect this machine, or {_BY_HAND}"
            )
        found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        if found != SHA512:
            raise ConfigError(
                f"{PACKAGE} came with the SHA-512 {found[:12]}... in place of {SHA512[:12]}..., and is thrown away: "
                f"try another registry, or {_BY_HAND}"
            )
        make_folder(place)
        with tarfile.open(tarball) as archive:
            for name in _RUNTIME:
                source = archive.extractfile(f"package/dist/{name}")
                assert source is not None  # the checksum says which files there are
                with writing(place / name) as part, part.open("wb") as file:
                    shutil.copyfileobj(source, file)


def _say_fault(stderr: str) -> str:
    """npm's own words: of its lines of errors the last that does not point to a log."""
    lines = [line.removeprefix("npm error ").strip() for line in stderr.splitlines() if line.startswith("npm error ")]
    return next((line for line in reversed(lines) if line and "log" not in line), "it says nothing")
