"""Make docs/before_after.jpg, the picture at the top of the README, from the shipped samples.

python -m benchmark.make_readme_picture
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edit.options import Options
from face.types import Face
from photo.files import load_photo
from photo.types import Pixels
from retouch.engines import make_draft
from retouch.pipeline import fix_photo

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 400, 460
GAP, CAPTION = 6, 34
CAPTION_FONT, CAPTION_SIZE = cv2.FONT_HERSHEY_DUPLEX, 0.7


def cut_face(pixels: Pixels, face: Face) -> Pixels:
    """The face with some hair and chin, scaled to WIDTH × HEIGHT."""
    outline = face.landmarks.oval[:, :2]
    low, high = outline.min(axis=0), outline.max(axis=0)
    scale = HEIGHT / (1.45 * float(high[1] - low[1]))
    x, y = (low + high) / 2
    move = np.array([[scale, 0, WIDTH / 2 - scale * x], [0, scale, 0.54 * HEIGHT - scale * y]], np.float32)
    interpolation = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.warpAffine(pixels, move, (WIDTH, HEIGHT), flags=interpolation), np.uint8)


def add_caption(picture: Pixels, words: str) -> Pixels:
    """The picture over a white strip with `words` centred on it."""
    strip = np.full((CAPTION, WIDTH, 3), 255, np.uint8)
    (width, height), _ = cv2.getTextSize(words, CAPTION_FONT, CAPTION_SIZE, 1)
    origin = ((WIDTH - width) // 2, (CAPTION + height) // 2)
    cv2.putText(strip, words, origin, CAPTION_FONT, CAPTION_SIZE, (60, 60, 60), 1, cv2.LINE_AA)
    return np.vstack([picture, strip])


def main() -> None:
    """Fix the first sample and put its faces before and after side by side."""
    photo = load_photo(ROOT / "data" / "inputs" / "image_1.jpg")
    result = fix_photo(photo, Options(), make_draft(Options()))
    columns: list[Pixels] = []
    for face in result.report.faces:
        for pixels, words in ((photo.pixels, "before"), (result.pixels, "after")):
            columns += [add_caption(cut_face(pixels, face), words), np.full((HEIGHT + CAPTION, GAP, 3), 255, np.uint8)]
    picture = np.hstack(columns[:-1])
    target = ROOT / "docs" / "before_after.jpg"
    target.parent.mkdir(exist_ok=True)
    # Colours at full resolution, or the lids' would run into the irises.
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    coding = [cv2.IMWRITE_JPEG_QUALITY, 92, *sampling]
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), coding)[1]
    target.write_bytes(encoded.tobytes())


if __name__ == "__main__":
    main()
