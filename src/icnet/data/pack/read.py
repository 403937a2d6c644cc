"""Read frames from packs: views of the mapped file, of which a window touches only its own pages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from icnet.data.labels import ClassTable
from icnet.data.pack.blocks import decode_plain, decode_strips
from icnet.data.pack.index import AGAIN, FORMAT, INDEX, Index, describe, kind_of, map_data, read_index
from icnet.data.samples import Sample
from icnet.data.windows import Source
from icnet.errors import DataError
from icnet.model.preprocess import WHOLE_DEPTH


class PackedFrames:
    """The packed frames of a list of samples, by their place in that list.

    Keeps numbers, not objects: what a worker process only reads stays shared with the others. Maps the files at once: they
    stay readable when the pack is made anew. A process that it is sent to maps them itself.
    """

    def __init__(self, folders: Sequence[Path], indexes: Sequence[Index], places: Sequence[tuple[int, int]]) -> None:
        """places: for each sample the number of the index and of the entry in it."""
        self.files = [folder / index.data for folder, index in zip(folders, indexes, strict=True)]
        self.compressed = [index.kind.compressed for index in indexes]
        self.table = np.array([(file, *indexes[file].entries[entry][1:5]) for file, entry in places], np.int64)
        self._maps = [map_data(file) for file in self.files]

    def __len__(self) -> int:
        return len(self.table)

    def read(self, number: int) -> tuple[Source, Source]:
        """Image (H, W, 3) and label (H, W) of a sample, not to be written to."""
        file, height, width, offset, length = (int(n) for n in self.table[number])
        decode = decode_strips if self.compressed[file] else decode_plain
        return decode(self._maps[file][offset : offset + length], height, width)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        try:
            self._maps = [map_data(file) for file in self.files]
        except FileNotFoundError as error:
            raise DataError(
                f"{error.filename} is gone: its frames were packed again while training read them"
            ) from error


def open_packs(
    folders: Sequence[Path], samples: Sequence[Sample], classes: ClassTable, bit_depth: int = WHOLE_DEPTH
) -> PackedFrames | None:
    """The packs in `folders` as a source of these samples; None where there are none.

    Raises DataError where one cannot stand for the files: they or the classes changed, or a sample is not in it.
    """
    folders = [folder for folder in folders if (folder / INDEX).is_file()]
    if not folders:
        return None
    indexes = [_read(folder, classes, bit_depth) for folder in folders]
    where = {
        os.path.abspath(folder / entry.origin.image): (file, number)
        for file, (folder, index) in enumerate(zip(folders, indexes, strict=True))
        for number, entry in enumerate(index.entries)
    }
    places = []
    for sample in samples:
        place = where.get(os.path.abspath(sample.image))
        if place is None:
            raise DataError(f"{sample.image} is not in {folders[0]}: {AGAIN}")
        file, number = place
        if indexes[file].entries[number].origin != describe(sample, folders[file]):
            raise DataError(f"{sample.image} or its label changed since it was packed in {folders[file]}: {AGAIN}")
        places.append(place)
    return PackedFrames(folders, indexes, places)


def _read(folder: Path, classes: ClassTable, bit_depth: int) -> Index:
    index = read_index(folder / INDEX)
    if index.kind.format != FORMAT:
        raise DataError(f"{folder} has format {index.kind.format}, but this version reads {FORMAT}: {AGAIN}")
    if index.kind != kind_of(classes, index.kind.compressed, bit_depth):
        raise DataError(f"{folder} was packed with other classes (data.classes) or another data.bit_depth: {AGAIN}")
    end = index.entries[-1].end if index.entries else 0
    data = folder / index.data
    if not data.is_file() or data.stat().st_size != end:
        raise DataError(f"{data} is missing or cut off: {AGAIN}")
    return index
