"""A page of the people of a library for the browser: one file with a picture of each, which loads nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from library.reading import read_reduced
from library.store import Person, Sighting
from photo.errors import BadOption, MissingPackage, UnreadablePhoto
from photo.geometry import scale_down
from photo.preview import encode_jpeg
from photo.types import Box, Pixels
from photo.writing import Originals, begins_with, check_writable, write_whole

_SIDE_PX, _QUALITY = 160, 85
# What is shown around a face, in its own widths and heights.
_SURROUNDINGS = 0.25
_OWN = '<!doctype html>\n<meta name="generator" content="open-eyes: people">\n'
_HEAD = f"""{_OWN}<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>People of the photo library</title>
<style>
body {{ font: 16px/1.4 sans-serif; margin: 2rem; color: #222; background: #fafaf8; }}
ul {{ display: flex; flex-wrap: wrap; gap: 1.5rem; list-style: none; padding: 0; }}
li {{ width: {_SIDE_PX}px; overflow-wrap: anywhere; }}
img, .none {{ display: block; width: {_SIDE_PX}px; height: {_SIDE_PX}px; border-radius: 8px; background: #ddd; }}
small {{ color: #666; }}
</style>
<h1>People of the photo library</h1>
<p>Made from biometric data, on this computer and for its owner. To name somebody:
<code>--name_person NUMBER NAME</code>; to take a photo out: <code>--not_person NUMBER PHOTO</code>.</p>
<ul>
"""


def check_page(path: Path) -> Originals:
    """Return what a page may not replace. Raises FixError where it cannot be written to `path`."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise BadOption(f"--people writes a page for the browser; {path} must end in .html.")
    originals = Originals(overwrite=begins_with(path, _OWN.encode()), only_own=True)
    check_writable(path, originals)
    return originals


def write_page(
    path: Path, people: Sequence[tuple[Person, Sighting]], on_person: Callable[[int], None] = lambda _: None
) -> None:
    """Write the page of people, each with the face that shows them, to a file that only its owner may read.

    `on_person` is told how many are done. Raises FixError.
    """
    originals = check_page(path)
    items = []
    for number, (person, example) in enumerate(people, start=1):
        items.append(_describe(person, example))
        on_person(number)
    text = f"{_HEAD}{''.join(items)}</ul>\n"
    write_whole(path, text.encode("utf-8", "surrogateescape"), originals, is_private=True)


def _describe(person: Person, example: Sighting) -> str:
    """The entry of one person."""
    photos = f"{person.photos:,} photo{'' if person.photos == 1 else 's'}"
    data = _cut_picture(example)
    picture = f'<img alt="" src="data:image/jpeg;base64,{data}">' if data else '<span class="none"></span>'
    name = f"{person.number}: {person.name}" if person.name else str(person.number)
    title = html.escape(str(example.path))
    return f'<li title="{title}">{picture}<b>{html.escape(name)}</b><br><small>{photos}</small></li>\n'


def _cut_picture(sighting: Sighting) -> str:
    """A face as a JPEG in base64; empty where its photo can no longer be read."""
    try:
        pixels, _ = read_reduced(sighting.path)
    except (UnreadablePhoto, MissingPackage, OSError):
        return ""
    height, width = pixels.shape[:2]
    left, top, right, bottom = np.array(sighting.face.box) * (width, height, width, height)
    # A square around the face, so that all pictures are alike.
    half = (0.5 + _SURROUNDINGS) * max(right - left, bottom - top, 2.0)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    box = Box(int(middle_x - half), int(middle_y - half), int(middle_x + half) + 1, int(middle_y + half) + 1).clipped(
        width, height
    )
    if box is None:
        return ""
    return base64.b64encode(_encode(pixels[box.slices])).decode("ascii")


def _encode(pixels: Pixels) -> bytes:
    """A square JPEG of a picture uint8 (h, w, 3) RGB."""
    small = scale_down(pixels, min(1.0, 2 * _SIDE_PX / max(pixels.shape[:2])))
    side = max(small.shape[:2])
    down, right = side - small.shape[0], side - small.shape[1]
    square = cv2.copyMakeBorder(
        small, down // 2, down - down // 2, right // 2, right - right // 2, cv2.BORDER_REPLICATE
    )
    return encode_jpeg(np.asarray(square, np.uint8), _QUALITY)
