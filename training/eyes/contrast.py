"""Prints how the contrast of open eyes follows from that of the rest of the face: the numbers in `face/contrast.py`.

    python -m training.eyes.contrast PORTRAITS [--limit COUNT] [--seed SEED]

Each portrait is measured as it is, and degraded as photos are: reduced, blurred, sharpened, flattened, smoothed, with
noise, compressed. A fourth of the portraits is held out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from face.contrast import BAND_COUNT, describe_features, measure_eyes
from face.types import EYES, Face
from photo.types import FloatArray, Pixels
from training.eyes.make_pairs import find_largest_face, read_portrait

_MOST_YAW_DEGREES, _LEAST_ASPECT_RATIO, _LEAST_HALF_WIDTH_PX = 20.0, 0.2, 7.0
_RIDGE = np.diag([0.3, 0.3, 0.3, 0.3, 0.0])


def degrade(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Return a portrait uint8 (h, w, 3) as a poorer camera, a messenger or an old scan would show it."""
    scale = float(np.exp(random.uniform(np.log(0.25), 0)))
    ways = (cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LINEAR)
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=ways[random.integers(3)])
    seen = np.asarray(small, np.float32)
    if random.random() < 0.6:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), random.uniform(0.3, 1.6)), np.float32)
    if random.random() < 0.3:
        seen += random.uniform(0.3, 1.2) * (seen - cv2.GaussianBlur(seen, (0, 0), random.uniform(0.7, 2.0)))
    if random.random() < 0.4:
        seen = (seen - seen.mean()) * random.uniform(0.5, 1.15) + seen.mean() * random.uniform(0.8, 1.2)
    if random.random() < 0.3:
        smooth = cv2.bilateralFilter(np.clip(seen, 0, 255), 0, random.uniform(8, 30), random.uniform(1, 3))
        seen = np.asarray(smooth, np.float32)
    if random.random() < 0.5:
        seen += random.normal(0, random.uniform(1, 7), seen.shape).astype(np.float32)
    degraded = np.asarray(np.clip(np.rint(seen), 0, 255), np.uint8)
    if random.random() < 0.8:
        encoded = cv2.imencode(".jpg", degraded[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 97))])[1]
        degraded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)
    return np.ascontiguousarray(degraded)


def measure(pixels: Pixels, face: Face) -> tuple[FloatArray, FloatArray] | None:
    """Return what tells the contrast of the eyes, (3, 5), and that contrast, (3,), of one open-eyed face."""
    if min(face.eye_frame(eye).half_width_px for eye in EYES) < _LEAST_HALF_WIDTH_PX:
        return None
    features, eyes = describe_features(pixels, face), measure_eyes(pixels, face)
    return None if features is None or eyes is None else (features, eyes)


def main() -> int:
    """Measure the portraits, fit, and print the numbers with their error on those held out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--limit", type=int, default=1000, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=3)
    chosen = parser.parse_args()
    random = np.random.default_rng(chosen.seed)
    paths = sorted(path for path in chosen.portraits.glob("*/*") if path.parent.name != "synthetic")
    rows, truths, is_held_out = [], [], []
    for index in random.permutation(len(paths))[: chosen.limit]:
        pixels = read_portrait(paths[index])
        face = None if pixels is None else find_largest_face(pixels)
        if pixels is None or face is None or abs(face.yaw_degrees) > _MOST_YAW_DEGREES:
            continue
        if min(eye.aspect_ratio for eye in face.landmarks.eyes) < _LEAST_ASPECT_RATIO:
            continue
        poorer = degrade(pixels, random)
        for picture, found in ((pixels, face), (poorer, find_largest_face(poorer))):
            measured = None if found is None else measure(picture, found)
            if measured is not None:
                rows.append(measured[0])
                truths.append(measured[1])
                is_held_out.append(index % 4 == 0)
    features, eyes, held_out = np.array(rows), np.array(truths), np.array(is_held_out)
    print(f"{len(rows)} pictures, {int(held_out.sum())} of them held out")
    for band in range(BAND_COUNT):
        known = features[~held_out, band]
        shares = np.linalg.solve(known.T @ known + _RIDGE, known.T @ eyes[~held_out, band])
        error = eyes[held_out, band] - features[held_out, band] @ shares
        explained = 1 - error.var() / eyes[held_out, band].var()
        numbers = ", ".join(f"{share:.2f}" for share in shares)
        print(f"band {band}: [{numbers}], error {error.std():.2f}, explained {explained:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
