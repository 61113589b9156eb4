"""XMP sidecars with rating, label and keywords, as Lightroom, darktable, digiKam and Capture One read them.

What is there already is somebody's work: a sidecar keeps all that it holds, and a rating or a label that was given by
hand stays. What this program gave is remembered in the sidecar, so that a later triage may change it.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from photo import xmp
from photo.errors import UnwritablePhoto
from photo.names import show
from photo.writing import Originals, check_writable, write_whole
from triage.tables import NAMES
from triage.verdict import PhotoVerdict, Verdict

STYLES = ("adobe", "darktable")
"""How sidecars are called: IMG_1.xmp, as Lightroom and Capture One do, or IMG_1.CR3.xmp, as darktable and digiKam."""

_XMP, _DC, _LIGHTROOM = (
    "http://ns.adobe.com/xap/1.0/",
    "http://purl.org/dc/elements/1.1/",
    "http://ns.adobe.com/lightroom/1.0/",
)
# Not the mark of this program: programs copy what a sidecar holds into photos, and these are none of its results.
_OWN = "urn:uuid:40335525-2b0c-4a27-a58c-a3f38c26b6b4#"
_RATING, _LABEL = (_XMP, "xmp", "Rating"), (_XMP, "xmp", "Label")
_OWN_RATING, _OWN_LABEL = (_OWN, "openeyestriage", "rating"), (_OWN, "openeyestriage", "label")
_SUBJECT, _HIERARCHY = (_DC, "dc", "subject"), (_LIGHTROOM, "lr", "hierarchicalSubject")
_KEYWORD, _BRANCH = "Open Eyes: ", "Open Eyes|"

# Five stars are left to people.
_RATINGS = {Verdict.FINE: "3", Verdict.FIXABLE: "2", Verdict.UNSURE: "2", Verdict.CANNOT: "1"}
_BEST = "4"
_LABELS = {Verdict.FINE: "Green", Verdict.FIXABLE: "Blue", Verdict.UNSURE: "Yellow", Verdict.CANNOT: "Red"}
_LARGEST_BYTES = 64 << 20


def name_sidecar(photo: Path, style: str) -> Path:
    """Return where the sidecar of a photo lies."""
    return photo.with_name(f"{photo.stem if style == 'adobe' else photo.name}.xmp")


def write_sidecar(verdict: PhotoVerdict, path: Path, originals: Originals) -> str:
    """Write a verdict into the sidecar at `path`, new or merged into what is there; return why not, empty if it was.

    Raises UnwritablePhoto.
    """
    before = _read(path)
    if before is None:
        return f"{show(path)} cannot be read and stays as it is"
    text = _decode(before)
    given = None if text is None else xmp.read_texts(text, (_RATING, _LABEL, _OWN_RATING, _OWN_LABEL)) if text else []
    if text is None or given is None:
        return f"{show(path)} is damaged and stays as it is"
    rating, label, own_rating, own_label = given or [None] * 4
    texts: dict[xmp.Property, str | None] = {}
    found = verdict.verdict
    wanted = _BEST if verdict.is_best and found is not Verdict.CANNOT else _RATINGS.get(found)
    for name, own_name, now, own, new in (
        (_RATING, _OWN_RATING, rating, own_rating, wanted),
        (_LABEL, _OWN_LABEL, label, own_label, _LABELS.get(found)),
    ):
        is_free = now is None or now.strip() in ("", "0") or now == own
        if is_free:
            texts |= {name: new, own_name: new}
    words = [NAMES[found], *(["best of its scene"] if verdict.is_best else [])]
    if any(face.blinks for face in verdict.faces):
        words.append("somebody blinks")
    bags = {
        _SUBJECT: (_KEYWORD, [_KEYWORD + word for word in words]),
        _HIERARCHY: (_BRANCH, [_BRANCH + word for word in words]),
    }
    after = xmp.update(text, texts, bags)
    if after is None:
        return f"{show(path)} is damaged and stays as it is"
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    data = f"{head}{after}\n".encode()
    if data == before:
        return ""
    if _read(path) != before:
        return f"{show(path)} was changed meanwhile and stays as it is"
    write_whole(path, data, originals)
    return ""


def _read(path: Path) -> bytes | None:
    """The content of a sidecar, empty where there is none; None when it cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError:
        return None


def _decode(data: bytes) -> str | None:
    """The text of a sidecar; None when its encoding is none that XMP has."""
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encoding = next((name for mark, name in marks.items() if data.startswith(mark)), "")
    declared = re.match(rb"\s*<\?xml[^>]*encoding=[\"']([\w-]+)", data)
    if not encoding and declared is not None and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        return None
    try:
        return data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        return None


def check_sidecar(path: Path, originals: Originals) -> str:
    """Return why a sidecar cannot be written, as a sentence; empty if it can."""
    try:
        check_writable(path, originals)
    except UnwritablePhoto as error:
        return str(error)
    return ""
