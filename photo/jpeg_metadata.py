"""What a JPEG file holds besides its picture: XMP that may be split, IPTC, comments, and what lies behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from photo import iptc, xmp
from photo.jpeg_file import APP13, LARGEST_CONTENT, Segment

LOST_CREDENTIALS = (
    "The photo's Content Credentials do not hold for an edited photo and were left out; --sign keeps them as those of "
    "its source."
)
LOST_PATHS = "Photoshop's clipping paths were left out."


@dataclass
class JpegMetadata:
    """XMP as one text, Photoshop's resources, the comments as one text, and sentences on what a new file lacks."""

    xmp: str = ""
    resources: bytes = b""
    comment: bytes = b""
    notes: list[str] = field(default_factory=list)


def read_metadata(segments: list[tuple[str, bytes]], has_pictures: bool) -> JpegMetadata:
    """Return the metadata of a JPEG's segments, as Pillow's `applist` has them.

    `has_pictures` tells whether further pictures lie behind the first one.
    """
    found = JpegMetadata()
    pieces = [content for name, content in segments if name == "APP1" and content.startswith(xmp.EXTENSION_NAME)]
    blocks = [content for name, content in segments if name == "APP1" and content.startswith(xmp.XMP_NAME)]
    if blocks:
        found.xmp = decode_xmp(blocks[0][len(xmp.XMP_NAME) :])
    if pieces:
        joined = xmp.join(found.xmp, pieces)
        if joined is None:
            found.notes.append("The extended part of the XMP is damaged and was left out.")
        else:
            found.xmp = joined
    resources = b"".join(
        content[len(iptc.RESOURCES_NAME) :]
        for name, content in segments
        if name == "APP13" and content.startswith(iptc.RESOURCES_NAME)
    )
    found.resources, has_paths = iptc.select_resources(resources)
    if has_paths:
        found.notes.append(LOST_PATHS)
    found.comment = b"\n".join(content.rstrip(b"\0") for name, content in segments if name == "COM" and content)
    if any(name == "APP11" and b"c2pa" in content for name, content in segments):
        found.notes.append(LOST_CREDENTIALS)
    _drop_parts(found, has_pictures)
    return found


def _drop_parts(found: JpegMetadata, has_pictures: bool) -> None:
    has_gain_map, has_video = xmp.find_promises(found.xmp)
    found.xmp = xmp.drop_promises(found.xmp)
    if has_gain_map:
        found.notes.append("The gain map, which brightens the photo on HDR screens, was left out.")
    if has_video:
        found.notes.append("The video of the motion photo was left out.")
    if has_pictures and not has_gain_map:
        found.notes.append("Further pictures inside the file (such as a depth or brightness map) were left out.")


def decode_xmp(block: bytes) -> str:
    """Return the text of an XMP packet, whichever encoding it has."""
    text = block.rstrip(b"\0")
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if text.startswith(mark):
            return block.decode(name, "replace").rstrip("\0")
    return text.decode("utf-8", "replace")


def pack_resources(resources: bytes) -> bytes:
    """Return the segments that hold Photoshop's resources, as many as they need."""
    room = LARGEST_CONTENT - len(iptc.RESOURCES_NAME)
    return b"".join(
        Segment(APP13, iptc.RESOURCES_NAME + resources[at : at + room]).pack() for at in range(0, len(resources), room)
    )
