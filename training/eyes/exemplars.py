"""Makes the exemplars that give rendered eyes their fine structure, of pictures of people who do not exist.

    python -m training.eyes.exemplars PAIRS/synthetic_48.npz eye_exemplars.npz

Only the portraits that `exemplars.txt` names are taken: each was looked at in three other faces, and left out where a
lens, a lid or a lash lies over the iris, where a shadow or the noise of a dark iris shows once it is lit anew, and
where the mirrored scene looks like nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from photo.types import FloatArray, Pixels
from render.canonical import patch_to_photo
from render.exemplar import REACH, UNIT_PX, Exemplar, EyeView, find_glint_side, measure_colors
from render.eyeball import EyeGeometry, aperture_alpha
from training.eyes.pairs import load_real

CHOSEN = Path(__file__).with_name("exemplars.txt")
# The landmarks' lids are not exact: an exemplar's eyeball begins and ends softly.
_SOFTNESS = 0.16


def cut_exemplar(patch: Pixels, geometry: EyeGeometry) -> Exemplar | None:
    """Return the eye of a canonical patch, uint8 (h, w, 3), around its iris; None where its colours are not seen."""
    colors = measure_colors(patch.astype(np.float32), EyeView.of(geometry))
    if colors is None:
        return None
    width, height = (2 * round(reach * UNIT_PX) + 1 for reach in REACH)
    across, down = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    x = np.asarray(across / UNIT_PX * geometry.roundness + geometry.center[0], np.float32)
    y = np.asarray(geometry.center[1] - down / UNIT_PX, np.float32)
    photo_x, photo_y = geometry.frame.to_photo(x, y)
    to_patch = cv2.invertAffineTransform(patch_to_photo(geometry.frame, UNIT_PX))
    columns, rows = (
        np.asarray(to_patch[axis, 0] * photo_x + to_patch[axis, 1] * photo_y + to_patch[axis, 2], np.float32)
        for axis in (0, 1)
    )
    pixels = cv2.remap(patch, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Exemplar(np.asarray(pixels, np.uint8), aperture_alpha(x, y, geometry.lids, _SOFTNESS), colors)


def pack_eye(exemplar: Exemplar) -> Pixels:
    """Return RGB and alpha, uint8 (h, w, 4); what lies outside the eyeball is blank, and nobody's."""
    alpha = np.rint(255 * exemplar.alpha).astype(np.uint8)
    shown = np.where(alpha[..., None] > 0, exemplar.pixels, np.rint(exemplar.colors.white).astype(np.uint8))
    return np.asarray(np.dstack([shown, alpha]), np.uint8)


def find_pairs(path: Path, names: list[str]) -> list[tuple[Exemplar, Exemplar]]:
    """Return the right and the left eye of each portrait named. Raises ValueError where one is not there."""
    patches, geometries, portraits = load_real(path)
    pairs = []
    for name in names:
        eyes = {
            geometries[row].frame.toward_right: cut_exemplar(patches[row], geometries[row])
            for row in np.flatnonzero(portraits == name)
        }
        right, left = eyes.get(1.0), eyes.get(-1.0)
        if right is None or left is None:
            raise ValueError(f"{path} does not show both eyes of {name}")
        pairs.append((right, left))
    return pairs


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    pairs = find_pairs(chosen.pairs, CHOSEN.read_text(encoding="utf-8").split())

    def colors(part: str) -> FloatArray:
        return np.array([[getattr(eye.colors, part) for eye in pair] for pair in pairs], np.float32)

    with chosen.out.open("wb") as file:
        np.savez_compressed(
            file,
            eyes=np.array([[pack_eye(eye) for eye in pair] for pair in pairs]),
            iris=colors("iris"),
            white=colors("white"),
            skin=colors("skin"),
            light=np.array([(find_glint_side(r) - find_glint_side(left)) / 2 for r, left in pairs], np.float32),
        )
    print(f"{chosen.out}: {len(pairs)} pairs of eyes, {chosen.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
