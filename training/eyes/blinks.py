"""Prints where the corners of an eye are once it opens, measured in clips of people who blink.

    python -m training.eyes.blinks CLIP …

Of each clip the frame with the eyes most shut is compared with the nearest one with open eyes: both show the same head
within a second. They are laid over each other by the nose, which does not blink. Printed are, of each clip and on
average, the open corners in the frame that the landmarks of the shut eye span: x toward the nose, y toward the brow, in
half eye widths, where unmoved corners would be (-1, 0) and (1, 0). These are the numbers in `face/types.py`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from face.expression import CLOSED, measure_closedness
from face.search import find_faces, remeasure
from face.types import EYES, EyeLandmarks, Face
from photo.measure import luma
from photo.types import FloatArray, Matrix, Pixels

_MOST_FRAMES, _MOST_OPEN = 150, 0.2
_LEAST_AGREEMENT = 0.9
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 100, 1e-5)


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a clip, uint8 (h, w, 3), its face, and the closedness 0 … 1 of its more open and its more shut eye."""

    pixels: Pixels
    face: Face
    least_closed: float
    most_closed: float


def read_frames(path: Path) -> list[Frame]:
    """Return the frames of a clip in which its largest face was found."""
    clip, face = cv2.VideoCapture(str(path)), None
    frames: list[Frame] = []
    for _ in range(_MOST_FRAMES):
        is_read, picture = clip.read()
        if not is_read:
            break
        pixels = np.ascontiguousarray(picture[..., ::-1], np.uint8)
        if face is None:
            faces = find_faces(pixels)
            face = max(faces, key=lambda found: found.landmarks.eye_distance_px) if faces else None
        seen = None if face is None else remeasure(pixels, face)
        if seen is not None:
            closedness = [measure_closedness(seen, eye) for eye in EYES]
            frames.append(Frame(pixels, seen, min(closedness), max(closedness)))
    return frames


def find_blink(frames: list[Frame]) -> tuple[Frame, Frame] | None:
    """Return the frame with the eyes most shut, and the nearest one with open eyes; None where there is no blink."""
    if not frames:
        return None
    shut = max(range(len(frames)), key=lambda index: frames[index].least_closed)
    open_ones = [index for index, frame in enumerate(frames) if frame.most_closed < _MOST_OPEN]
    if frames[shut].least_closed < CLOSED or not open_ones:
        return None
    return frames[shut], frames[min(open_ones, key=lambda index: abs(index - shut))]


def register(shut: Frame, opened: Frame) -> Matrix | None:
    """Return the matrix (2, 3) from the open frame to the shut one, by what is around the nose; None if it fails."""
    here, there = (frame.face.landmarks.nose[:, :2].astype(np.float32) for frame in (shut, opened))
    start, _ = cv2.estimateAffinePartial2D(here, there)
    within = np.zeros(shut.pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(within, cv2.convexHull(np.rint(here).astype(np.int32)), (255,))
    side = round(0.25 * shut.face.landmarks.eye_distance_px) | 1
    within = np.asarray(cv2.dilate(within, np.ones((side, side), np.uint8)), np.uint8)
    for eye in shut.face.landmarks.eyes:
        cv2.circle(within, tuple(int(value) for value in eye.center), round(0.67 * eye.width_px), (0,), -1)
    try:
        agreement, matrix = cv2.findTransformECC(
            luma(shut.pixels),
            luma(opened.pixels),
            np.asarray(start, np.float32),
            cv2.MOTION_EUCLIDEAN,
            _STEPS,
            within,
            5,
        )
    except cv2.error:
        return None
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64) if agreement >= _LEAST_AGREEMENT else None


def measure_corners(shut: Frame, opened: Frame, matrix: Matrix) -> FloatArray:
    """Return x and y of the outer and of the inner corner of the open eye, the mean of both eyes, float32 (4,)."""
    return np.mean(
        [_to_eye(shut.face.eye(eye), opened.face.eye(eye), matrix) for eye in EYES], axis=0, dtype=np.float32
    )


def _to_eye(shut: EyeLandmarks, opened: EyeLandmarks, matrix: Matrix) -> Matrix:
    along, across = (axis[:2] for axis in shut.axes)
    corners = np.stack([opened.outer_corner, opened.inner_corner])[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    offsets = corners - shut.center
    unit = float(along @ along)
    return np.stack([offsets @ along, offsets @ across], axis=1).ravel() / unit


def main() -> int:
    """Measure the clips and print each, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    measured = []
    for path in parser.parse_args().clips:
        blink = find_blink(read_frames(path))
        matrix = None if blink is None else register(*blink)
        if blink is None or matrix is None:
            print(f"{path.name}: no blink that can be measured")
            continue
        corners = measure_corners(*blink, matrix)
        ratio = float(np.mean([eye.aspect_ratio for eye in blink[0].face.landmarks.eyes]))
        measured.append(corners)
        print(f"{path.name}: aspect ratio {ratio:.3f}, {_describe(corners)}", flush=True)
    if measured:
        print(f"mean of {len(measured)}: {_describe(np.mean(measured, axis=0))}")
    return 0


def _describe(corners: FloatArray) -> str:
    return "outer ({:+.2f}, {:+.2f}), inner ({:+.2f}, {:+.2f})".format(*corners)


if __name__ == "__main__":
    sys.exit(main())
