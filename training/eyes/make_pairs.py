"""Closes the eyes of portraits, renders them open again as they were, and stores rendered and real eyes as pairs.

    python -m training.eyes.make_pairs PORTRAITS PAIRS [--processes COUNT] [--limit COUNT]

Writes one file for each scale and source. Portraits without one clear face, with narrow eyes, turned or without colour
are passed over. The same input gives the same pairs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from benchmark.synthetic_blink import close_eyes
from edit.options import EyeOptions, Options, SmileOptions, Wish
from edit.plan import Edit, Rendered
from eyes_mask import eye_region
from face.analysis import FaceAnalysis
from face.appearance import measure_haze
from face.expression import NARROW
from face.eye_geometry import IRIS_CENTER, Lids, find_iris, fit_open_lids, plan_lids
from face.search import find_faces, remeasure
from face.types import EYES, Face
from photo.blend import blend
from photo.canvas import Canvas
from photo.measure import LUMA
from photo.types import Box, Pixels
from render.canonical import cut_patch, dim_catchlight, patch_box
from render.eye import open_eye
from render.eyeball import EyeGeometry
from retouch.engines import DraftEngine
from retouch.pipeline import plan_edits
from training.eyes.pairs import EyePair, save_pairs

SCALES: dict[int, float] = {24: 13.0, 48: 32.0}
"""Pixels per half eye width of each kind of patch, and the smallest half eye width of a portrait that gives one."""

_LONG_SIDE_PX, _SEARCHED_SIDE_PX = 1000, 480
_MOST_YAW_DEGREES = 25.0
_LEAST_ASPECT_RATIO = 0.17
_LEAST_CHROMA = 4.0
# How much finer than the portrait closed lids are drawn.
_FINER = 3
_OPEN_EYES = Options(eyes=EyeOptions(wish=Wish.ALWAYS), smile=SmileOptions(wish=Wish.NEVER))


def read_portrait(path: Path) -> Pixels | None:
    """Return an upright portrait uint8 (h, w, 3), its long side shortened; None for what is no picture in colour."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in ("RGBA", "P", "LA"):
                upright = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
            picture = upright.convert("RGB")
            picture.thumbnail((_LONG_SIDE_PX, _LONG_SIDE_PX), Image.Resampling.LANCZOS)
    except OSError:
        return None
    pixels = np.asarray(picture)
    small = cv2.resize(pixels, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
    chroma = small - (small @ LUMA)[..., None]
    return pixels if float(np.linalg.norm(chroma, axis=2).mean()) >= _LEAST_CHROMA else None


def find_largest_face(pixels: Pixels) -> Face | None:
    """Return the largest face of a portrait uint8 (h, w, 3), searched for in a small copy."""
    height, width = pixels.shape[:2]
    scale = min(_SEARCHED_SIDE_PX / max(height, width), 1.0)
    small = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    faces = find_faces(small)
    if not faces:
        return None
    largest = max(faces, key=lambda face: face.landmarks.eye_distance_px)
    return remeasure(pixels, replace(largest, number=1).within(Box(0, 0, width, height), 1 / scale))


def make_pairs(path: Path) -> tuple[str, dict[int, list[EyePair]]]:
    """Return why a portrait gives no pairs, or nothing and both eyes of its face for every scale that it is fit for."""
    pixels = read_portrait(path)
    if pixels is None:
        return "unreadable or without colour", {}
    face = find_largest_face(pixels)
    if face is None:
        return "no face", {}
    analysis = FaceAnalysis(pixels, face)
    if abs(face.yaw_degrees) > _MOST_YAW_DEGREES:
        return "turned", {}
    least = min(eye.aspect_ratio for eye in face.landmarks.eyes)
    if max(analysis.closedness.values()) > NARROW or least < _LEAST_ASPECT_RATIO:
        return "eyes not wide open", {}
    units = [unit for unit, least in SCALES.items() if min(face.eye_frame(eye).half_width_px for eye in EYES) >= least]
    if not units:
        return "too small", {}
    closed_pixels = close_eyes(pixels, face, finer=_FINER)
    closed_face = remeasure(closed_pixels, face)
    if closed_face is None or max(e.aspect_ratio for e in closed_face.landmarks.eyes) > 0.2:
        return "did not close", {}
    closed = FaceAnalysis(closed_pixels, replace(closed_face, number=1))
    seed = sum(path.name.encode())
    true = _plan_true(analysis, closed)
    edits = plan_edits([closed], _OPEN_EYES).edits
    if true is None or [edit.feature for edit in edits] != list(EYES):
        return "no colour, or not planned", {}
    rendered = _render(closed, *true, seed)
    planned = _render(closed, edits, [None, None], seed)
    pairs: dict[int, list[EyePair]] = {}
    for unit in units:
        pairs[unit] = [
            _cut_pair(path, unit, analysis, closed, number, rendered, planned) for number in range(len(EYES))
        ]
    return "", pairs


@dataclass(frozen=True, eq=False)
class _Rendering:
    """A portrait with both eyes rendered, uint8 (h, w, 3), and the edit and the geometry of each eye."""

    pixels: Pixels
    edits: tuple[Edit, ...]
    geometries: tuple[EyeGeometry, ...]


def _render(closed: FaceAnalysis, edits: Sequence[Edit], lids: Sequence[Lids | None], seed: int) -> _Rendering:
    """Both eyes opened, as the program does it before it refines them."""
    engine, canvas = DraftEngine(seed), Canvas(closed.pixels)
    geometries = []
    for edit, planned in zip(edits, lids, strict=True):
        shading = dim_catchlight(engine.shade_eye(edit), 0.0)
        opened = open_eye(canvas.work, edit, shading, lids=planned)
        before = canvas.original[edit.region.box.slices]
        canvas.put(edit.region.box, blend(before, opened.pixels, edit.region.alpha))
        geometries.append(opened.geometry)
    return _Rendering(canvas.work, tuple(edits), tuple(geometries))


def _plan_true(real: FaceAnalysis, closed: FaceAnalysis) -> tuple[list[Edit], list[Lids | None]] | None:
    """The edits that open both eyes with their true gaze and colour, and their true lids; None where one is unknown."""
    edits: list[Edit] = []
    lids: list[Lids | None] = []
    for eye in EYES:
        frame = closed.face.eye_frame(eye)
        region = eye_region(closed.pixels.shape, closed.face, eye)
        color = real.eye(eye).iris_color
        if region is None or color is None:
            return None
        x, y, _ = find_iris(real.pixels, real.face.eye(eye), frame)
        haze = measure_haze(closed.appearance.black, closed.eye(eye).skin)
        source = Rendered(np.maximum(color - haze, 1), (x - IRIS_CENTER[0], y - IRIS_CENTER[1]), True)
        edits.append(Edit(closed, eye, region, 0.9, 0.57, 0.5, sources=(source,)))
        true = fit_open_lids(frame, real.face.eye(eye), 1.0)
        own = plan_lids(frame, closed.face.eye(eye), 0.5, closed.face.smile)
        lids.append(replace(own, upper=true.upper, lower=true.lower))
    return edits, lids


def _cut_pair(  # noqa: PLR0913 all that a pair is made of
    path: Path,
    unit: int,
    real: FaceAnalysis,
    closed: FaceAnalysis,
    number: int,
    rendered: _Rendering,
    planned: _Rendering,
) -> EyePair:
    """The patches of one eye."""
    edit, frame = rendered.edits[number], rendered.geometries[number].frame
    around = patch_box(frame, closed.pixels.shape)
    assert around is not None, "an eye that was edited lies in its portrait"
    patches = [
        np.asarray(np.clip(np.rint(cut_patch(picture[around.slices], frame, unit, around)), 0, 255), np.uint8)
        for picture in (rendered.pixels, planned.pixels, real.pixels)
    ]
    mask = np.zeros(closed.pixels.shape[:2], np.float32)
    mask[edit.region.box.slices] = edit.region.alpha
    mask = np.clip(cut_patch(mask[around.slices], frame, unit, around), 0, 1)
    return EyePair(
        patches[0], patches[1], patches[2], np.rint(mask * 255).astype(np.uint8), rendered.geometries[number],
        planned.geometries[number], path.parent.name, path.name, real.embedding, frame.half_width_px,
        real.face.yaw_degrees, float(closed.appearance.skin @ LUMA),
    )  # fmt: skip


def _try_pairs(path: Path) -> tuple[Path, str, dict[int, list[EyePair]]]:
    cv2.setNumThreads(1)
    return path, *make_pairs(path)


def main() -> int:
    """Make the pairs of all portraits, and say how many there are and what was passed over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--processes", type=int, default=2, metavar="COUNT")
    parser.add_argument("--limit", type=int, metavar="COUNT", help="no more than so many portraits of each source")
    chosen = parser.parse_args()
    chosen.pairs.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(chosen.processes) as pool:
        for folder in sorted(path for path in chosen.portraits.iterdir() if path.is_dir()):
            if all((chosen.pairs / f"{folder.name}_{unit}.npz").exists() for unit in SCALES):
                continue
            made: dict[int, list[EyePair]] = {unit: [] for unit in SCALES}
            passed_over: Counter[str] = Counter()
            paths = sorted(folder.iterdir())[: chosen.limit]
            for _, why, pairs in pool.imap(_try_pairs, paths, chunksize=4):
                passed_over[why] += bool(why)
                for unit, of_unit in pairs.items():
                    made[unit] += of_unit
            for unit, of_unit in made.items():
                if of_unit:
                    save_pairs(chosen.pairs / f"{folder.name}_{unit}.npz", unit, of_unit)
            counts = ", ".join(f"{len(of_unit)} eyes at {unit} px" for unit, of_unit in made.items())
            print(f"{folder.name}: {len(paths)} portraits, {counts}; passed over: {dict(+passed_over)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
