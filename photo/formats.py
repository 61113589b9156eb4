"""The one table of the file formats: their endings, and what decides elsewhere about each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileFormat:
    """A file format that is both read and written. `name` is Pillow's, `endings` those of its files' names.

    `largest_side` is the most pixels a side, None where no photo comes near it. A file that `is_exact` decodes to the
    very samples that were encoded; one that `has_quality` is encoded at a quality that the user can choose.
    `signed_as` is the media type under which Content Credentials are put into it; empty where none can be.
    """

    name: str
    endings: tuple[str, ...]
    largest_side: int | None = None
    is_exact: bool = False
    has_quality: bool = False
    signed_as: str = ""


_ALL = (
    FileFormat("AVIF", (".avif",), 65536, has_quality=True),
    FileFormat("BMP", (".bmp",), is_exact=True),
    FileFormat("HEIF", (".heic", ".heif", ".hif"), 16384, has_quality=True),
    FileFormat("JPEG", (".jfif", ".jpe", ".jpeg", ".jpg"), 65535, has_quality=True, signed_as="image/jpeg"),
    FileFormat("PNG", (".png",), is_exact=True, signed_as="image/png"),
    FileFormat("TIFF", (".tif", ".tiff"), is_exact=True, signed_as="image/tiff"),
    FileFormat("WEBP", (".webp",), 16383, is_exact=True, signed_as="image/webp"),
)

BY_NAME = {one.name: one for one in _ALL}
"""The formats by Pillow's name."""

FORMATS = {ending: one.name for one in _ALL for ending in one.endings}
"""Pillow's name of the format, by each file name ending: all of them are read and written."""
