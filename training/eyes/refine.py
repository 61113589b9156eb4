"""Shows what trained weights make of real closed eyes: before, rendered, and refined, side by side.

    python -m training.eyes.refine OUT.png PHOTO … --weights 24.pt [--snapshot NUMBER]

The weights are to be chosen on photos of closed eyes, and not by the losses.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from edit.options import Options, SmileOptions, Wish
from face.types import EYES, Face
from photo.files import load_photo
from photo.types import FloatArray, Pixels
from render.refine import EyeRefiner
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo
from training.eyes.export import load_refiner

_SHOWN_WIDTH_PX, _SHOWN_HEIGHT_PX = 420, 180


def refiner_of(weights: Path, snapshot: int = -1) -> EyeRefiner:
    """Return the refiner of a file that `training.eyes.train` wrote, run by torch."""
    network, unit_px = load_refiner(weights, snapshot)

    def change(blob: FloatArray) -> FloatArray:
        with torch.no_grad():
            return np.asarray(network(torch.from_numpy(blob)).numpy(), np.float32)

    return EyeRefiner(unit_px, change)


def _cut_eyes(pixels: Pixels, face: Face) -> Pixels:
    """The part of a photo around both eyes of a face, upright, uint8 (180, 420, 3)."""
    right, left = (eye.outer_corner[:2].astype(np.float64) for eye in face.landmarks.eyes)
    scale = 0.62 * _SHOWN_WIDTH_PX / max(float(np.linalg.norm(left - right)), 1.0)
    across = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6) * scale
    turn = np.array([across, [-across[1], across[0]]])
    middle = np.array([_SHOWN_WIDTH_PX / 2, _SHOWN_HEIGHT_PX / 2]) - turn @ ((left + right) / 2)
    size = (_SHOWN_WIDTH_PX, _SHOWN_HEIGHT_PX)
    return np.asarray(cv2.warpAffine(pixels, np.column_stack([turn, middle]), size, flags=cv2.INTER_AREA), np.uint8)


def main() -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--snapshot", type=int, default=-1, metavar="NUMBER")
    chosen = parser.parse_args()
    refiner = refiner_of(chosen.weights, chosen.snapshot)
    options = Options(smile=SmileOptions(wish=Wish.NEVER))
    rows = []
    for path in chosen.photos:
        photo = load_photo(path)
        rendered = fix_photo(photo, options, DraftEngine(refiner=None))
        refined = fix_photo(photo, options, DraftEngine(refiner=refiner))
        for face in {change.face for change in rendered.report.changes if change.kept and change.feature in EYES}:
            pictures = (photo.pixels, rendered.pixels, refined.pixels)
            rows.append(np.concatenate([_cut_eyes(pixels, face) for pixels in pictures], axis=1))
    if not rows:
        print("No eyes were opened.", file=sys.stderr)
        return 1
    cv2.imwrite(str(chosen.sheet), np.concatenate(rows)[..., ::-1])
    print(f"{chosen.sheet}: {len(rows)} faces; each as it was, rendered, and refined")
    return 0


if __name__ == "__main__":
    sys.exit(main())
