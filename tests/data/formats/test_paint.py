"""The one rule by which shapes become label maps."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as cocotools

from icnet.data.formats.paint import Mask, Polygon, Shape, draw
from icnet.data.formats.runs import decode_brush, decode_runs, read_counts

VALUES = {"road": 1, "car": 2}.__getitem__


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def drawn(*shapes: Shape, size: tuple[int, int] = (4, 6)) -> list[list[int]]:
    label_map: list[list[int]] = draw(shapes, VALUES, *size).label_map.tolist()
    return label_map


def test_a_box_has_the_pixels_between_its_edges_and_not_those_behind() -> None:
    assert drawn(Shape("road", Polygon([box(1, 1, 4, 3)]))) == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_pixel_belongs_where_its_centre_lies() -> None:
    """The box ends at 2.6 and 1.4: beyond the centre of column 2, before that of row 1."""
    assert drawn(Shape("road", Polygon([box(0.6, 0.4, 2.6, 1.4)])), size=(2, 4)) == [[0, 1, 1, 0], [0, 0, 0, 0]]


def test_of_two_polygons_that_share_an_edge_each_pixel_has_one() -> None:
    """The edge runs through centres of pixels: 1.5, 1.5 among them."""
    above, below = Polygon([[(0, 0), (4, 0), (0, 4)]]), Polygon([[(4, 0), (4, 4), (0, 4)]])
    covered = [draw([Shape("road", part)], VALUES, 4, 4).label_map for part in (above, below)]
    assert (covered[0] + covered[1] == 1).all()


def test_a_ring_within_another_is_a_hole() -> None:
    assert drawn(Shape("road", Polygon([box(0, 0, 5, 3), box(1, 1, 4, 2)]))) == [
        [1, 1, 1, 1, 1, 0],
        [1, 0, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_later_shape_covers_an_earlier_one_and_what_it_covers_is_counted() -> None:
    drawing = draw([Shape("road", Polygon([box(0, 0, 4, 1)])), Shape("car", Polygon([box(2, 0, 6, 1)]))], VALUES, 1, 6)
    assert drawing.label_map.tolist() == [[1, 1, 2, 2, 2, 2]]
    assert drawing.overlapped == 2


def test_what_lies_outside_the_frame_is_cut_off_for_polygons_and_masks() -> None:
    shapes = Shape("road", Polygon([box(-5, -5, 2, 2)])), Shape("car", Mask(lambda: np.ones((3, 3), bool), 5, 3))
    assert drawn(*shapes) == [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2]]
    assert drawn(Shape("car", Mask(lambda: np.eye(3, dtype=bool), -1, -1)), size=(2, 3)) == [[2, 0, 0], [0, 2, 0]]


@pytest.mark.parametrize(
    ("area", "said"),
    [
        (Polygon([[(0, 0), (3, 3)]]), "has 2 points and no area"),
        (Polygon([]), "has 0 points"),
        (Polygon([box(9, 9, 12, 12)]), "covers no pixel of the frame of 4x6"),
        (Mask(lambda: np.ones((2, 50), bool), 20, 0), "covers no pixel"),
    ],
)
def test_a_shape_without_pixels_is_left_out_and_named(area: Polygon | Mask, said: str) -> None:
    drawing = draw([Shape("road", area)], VALUES, 4, 6)
    assert not drawing.label_map.any()
    assert len(drawing.lost) == 1
    assert said in drawing.lost[0]


def test_a_point_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="a point that is no number"):
        draw([Shape("road", Polygon([[(0, 0), (3, 3), (np.nan, 0)]]))], VALUES, 4, 6)


def test_polygons_cover_what_pycocotools_draws() -> None:
    """Stars of 5 to 40 points, about 200 pixels wide, out of the frame in part."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        count = rng.integers(5, 41)
        angles, radii = np.sort(rng.uniform(0, 2 * np.pi, count)), rng.uniform(70, 130, count)
        points = rng.uniform(60, 240, 2) + np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)
        ours = draw([Shape("road", Polygon([points]))], VALUES, 300, 300).label_map > 0
        theirs = cocotools.decode(cocotools.frPyObjects([points.ravel().tolist()], 300, 300))[:, :, 0] > 0
        assert (ours & theirs).sum() >= 0.99 * (ours | theirs).sum()


def test_run_lengths_are_those_of_pycocotools() -> None:
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (7, 3), (64, 97), (300, 200)):
        mask = np.asfortranarray(rng.random((height, width)) > 0.5, np.uint8)
        mask[: height // 2] = 0  # long runs need several letters
        counts = read_counts(cocotools.encode(mask)["counts"].decode())
        assert np.array_equal(decode_runs(counts, height, width, by_columns=True), mask)


def test_run_lengths_of_rows_begin_outside() -> None:
    assert decode_runs([1, 2, 3], 2, 3).astype(int).tolist() == [[0, 1, 1], [0, 0, 0]]
    with pytest.raises(ValueError, match="7 pixels in a mask of 2x3"):
        decode_runs([3, 4], 2, 3)


def bits(*parts: tuple[int, int]) -> list[int]:
    """(value, width) pairs as bytes."""
    text = "".join(f"{value:0{width}b}" for value, width in parts)
    text += "0" * (-len(text) % 8)
    return [int(text[at : at + 8], 2) for at in range(0, len(text), 8)]


HEAD = ((7, 5), (2, 4), (7, 4), (0, 4), (15, 4))  # values of 8 bits; run lengths of 3, 8, 1 or 16 bits


def test_a_brush_has_runs_and_single_values_of_rgba() -> None:
    """Two pixels: the first as four values, the second as a run of four times 255."""
    data = bits(
        (8, 32), *HEAD, (0, 1), (0, 2), (3, 3), (9, 8), (9, 8), (9, 8), (0, 8), (1, 1), (1, 2), (3, 8), (255, 8)
    )
    assert decode_brush(data, 1, 2).tolist() == [[False, True]]


@pytest.mark.parametrize(("length", "said"), [(8, "cut off"), (12, "12 values")])
def test_a_broken_brush_says_so(length: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode_brush(bits((length, 32), *HEAD), 1, 2)
