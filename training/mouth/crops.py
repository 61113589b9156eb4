"""Cuts the surroundings of the mouth out of portraits, for training.

    python -m training.mouth.crops PORTRAITS CROPS.npz

PORTRAITS is what `training.eyes.portraits` wrote: a folder for each source. CROPS.npz holds, for each face, `crop`
uint8 (ROWS, COLUMNS, 3), `points` float32 (478, 2) in pixels of the crop, `skin` float32 (3,), `scores` float32 (3,)
(smile, raised upper lip, open jaw) and `name`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from face.analysis import FaceAnalysis
from face.mouth_look import cut_mouth, mouth_matrix
from training.eyes.make_pairs import find_largest_face, read_portrait

COLUMNS, ROWS = 128, 120
_LEAST_EYE_DISTANCE_PX, _MOST_YAW_DEGREES = 40.0, 36.0


def cut_portrait(path: Path) -> dict[str, object] | None:
    """Return what CROPS.npz holds of one portrait, or None where no face is fit."""
    pixels = read_portrait(path)
    face = None if pixels is None else find_largest_face(pixels)
    if pixels is None or face is None or abs(face.yaw_degrees) > _MOST_YAW_DEGREES:
        return None
    marks = face.landmarks
    if marks.eye_distance_px < _LEAST_EYE_DISTANCE_PX:
        return None
    matrix = mouth_matrix(marks, (COLUMNS, ROWS))
    raised = max(face.blendshapes["mouthUpperUpLeft"], face.blendshapes["mouthUpperUpRight"])
    return {
        "crop": cut_mouth(pixels, matrix, (COLUMNS, ROWS)),
        "points": (marks.points[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32),
        "skin": FaceAnalysis(pixels, face).appearance.skin,
        "scores": np.array([face.smile, raised, face.blendshapes["jawOpen"]], np.float32),
        "name": path.name,
    }


def main() -> int:
    """Cut all portraits of a folder of sources."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("crops", type=Path)
    chosen = parser.parse_args()
    rows = [cut_portrait(path) for path in sorted(chosen.portraits.glob("*/*"))]
    kept = [row for row in rows if row is not None]
    np.savez(chosen.crops, **{name: np.array([row[name] for row in kept]) for name in kept[0]})
    print(f"{len(kept)} of {len(rows)} portraits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
