"""What the network learns from: pairs of patches, the same eye rendered and photographed, exactly over each other.

A pair is stored as JPEGs with the few numbers from which its maps are drawn, in one .npz file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face.eye_geometry import Lids
from face.types import EyeFrame
from photo.types import FloatArray, Pixels
from render.canonical import draw_maps, patch_size
from render.eyeball import EyeGeometry

_QUALITY = 95
# The mask is smooth: a quarter of its pixels tell it.
_MASK_SHRINK = 2
# Which of the pictures of a file are photographed eyes.
_REAL = slice(2, None, 4)


@dataclass(frozen=True, eq=False)
class EyePair:
    """One eye of a portrait; patches are uint8 (h, w, 3) RGB, `mask` uint8 (h, w) is where the network may change them.

    `rendered` has the true lids, gaze and colour of `real`, `planned` those that the program would choose. `geometry`
    belongs to the first, `planned_geometry` to the other. `person` float32 (192,) is the embedding of the face,
    `half_width_px` the size of the eye in the portrait, `skin_luma` 0 … 255 that of the skin. Eyes of one face follow
    each other.
    """

    rendered: Pixels
    planned: Pixels
    real: Pixels
    mask: NDArray[np.uint8]
    geometry: EyeGeometry
    planned_geometry: EyeGeometry
    source: str
    name: str
    person: FloatArray
    half_width_px: float
    yaw_degrees: float
    skin_luma: float


def save_pairs(path: Path, unit_px: int, pairs: Sequence[EyePair]) -> None:
    """Write pairs to an .npz file."""
    pictures: list[bytes] = []
    for pair in pairs:
        small = cv2.resize(pair.mask, None, fx=1 / _MASK_SHRINK, fy=1 / _MASK_SHRINK, interpolation=cv2.INTER_AREA)
        pictures += [
            _encode(picture) for picture in (pair.rendered, pair.planned, pair.real, np.asarray(small, np.uint8))
        ]
    columns: dict[str, Any] = {
        "unit_px": unit_px,
        "ends": np.cumsum([len(picture) for picture in pictures]),
        "pictures": np.frombuffer(b"".join(pictures), np.uint8),
        "geometry": np.stack([_pack(pair.geometry) for pair in pairs]),
        "planned_geometry": np.stack([_pack(pair.planned_geometry) for pair in pairs]),
        "person": np.stack([pair.person for pair in pairs]).astype(np.float16),
    }
    for name in ("source", "name", "half_width_px", "yaw_degrees", "skin_luma"):
        columns[name] = np.array([getattr(pair, name) for pair in pairs])
    np.savez(path, **columns)


@dataclass(frozen=True, eq=False)
class PairArrays:
    """Many pairs as arrays: uint8 (n, h, w, 3) of `rendered`, `planned` and `real`, (n, h, w) of `mask`.

    `maps` and `planned_maps` float16 (n, h, w, `MAP_COUNT`). The other fields are those of `EyePair`, one value a row.
    """

    rendered: NDArray[np.uint8]
    planned: NDArray[np.uint8]
    real: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    maps: NDArray[np.float16]
    planned_maps: NDArray[np.float16]
    source: NDArray[np.str_]
    name: NDArray[np.str_]
    person: FloatArray
    half_width_px: FloatArray
    yaw_degrees: FloatArray
    skin_luma: FloatArray


def load_pairs(paths: Sequence[Path]) -> PairArrays:
    """Return all pairs of some files of one scale."""
    files = [dict(np.load(path)) for path in paths]
    unit_px = int(files[0]["unit_px"])
    pictures = [picture for file in files for picture in _read_pictures(file)]
    joined = {key: np.concatenate([file[key] for file in files]) for key in files[0] if key != "unit_px"}
    maps, planned_maps = (
        np.stack([draw_maps(_unpack(row), unit_px).astype(np.float16) for row in joined[key]])
        for key in ("geometry", "planned_geometry")
    )
    rendered, planned, real, mask = (np.stack(pictures[kind::4]) for kind in range(4))
    return PairArrays(
        rendered, planned, real, mask, maps, planned_maps, joined["source"], joined["name"],
        joined["person"].astype(np.float32), joined["half_width_px"], joined["yaw_degrees"], joined["skin_luma"],
    )  # fmt: skip


def load_real(path: Path) -> tuple[list[Pixels], list[EyeGeometry], NDArray[np.str_]]:
    """Return the photographed patches of a file, uint8 (h, w, 3) RGB, their geometries, and their portraits' names."""
    file = dict(np.load(path))
    return _read_pictures(file, _REAL), [_unpack(row) for row in file["geometry"]], file["name"]


def split_people(pairs: PairArrays, held_out: float, apart: FloatArray, alike: float) -> NDArray[np.int64]:
    """Return for each row 0 train, 1 held out, 2 neither, int64 (n,): a person is in one of them with all portraits.

    Embeddings whose cosine is above `alike` are of one person. `held_out` 0 … 1 is the fraction of people to hold out,
    `apart` (m, 192) are people that must be in neither.
    """
    cosines = pairs.person @ pairs.person.T
    group = np.arange(len(cosines))
    while True:
        # The lowest number among all that are alike, until nothing changes: connected parts of the graph.
        lowest = np.array([group[row > alike].min() for row in cosines])
        if (lowest == group).all():
            break
        group = lowest
    people = np.unique(group)
    chosen = np.random.default_rng(5).permutation(people)[: round(held_out * len(people))]
    split = np.isin(group, chosen).astype(np.int64)
    if len(apart):
        known = (pairs.person @ apart.T).max(axis=1) > alike
        split[np.isin(group, group[known])] = 2
    return split


def _read_pictures(file: Mapping[str, Any], which: slice = slice(None)) -> list[NDArray[np.uint8]]:
    """The pictures of a file, of each pair those that `save_pairs` wrote: rendered, planned, real and mask."""
    height, width = patch_size(int(file["unit_px"]))
    bounds = list(zip([0, *file["ends"][:-1]], file["ends"], strict=True))[which]
    return [_decode(file["pictures"][start:end], height, width) for start, end in bounds]


def _pack(geometry: EyeGeometry) -> FloatArray:
    frame, lids = geometry.frame, geometry.lids
    values = [
        *frame.origin, *frame.x_axis, *frame.y_axis, *lids.upper, *lids.lower, *geometry.center, geometry.roundness,
        geometry.light_x,
    ]  # fmt: skip
    return np.array(values, np.float32)


def _unpack(row: FloatArray) -> EyeGeometry:
    frame = EyeFrame(row[0:2], row[2:4], row[4:6])
    # The closed line and the brow are of no matter for the maps.
    lids = Lids(np.zeros(3, np.float32), row[6:9], row[9:12], 1.0)
    return EyeGeometry(frame, lids, (float(row[12]), float(row[13])), float(row[14]), float(row[15]))


def _encode(picture: Pixels | NDArray[np.uint8]) -> bytes:
    turned = picture[..., ::-1] if picture.ndim == 3 else picture
    options = [
        cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]  # fmt: skip
    return cv2.imencode(".jpg", np.ascontiguousarray(turned), options)[1].tobytes()


def _decode(data: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if picture.ndim == 3:
        return np.ascontiguousarray(picture[..., ::-1], np.uint8)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
