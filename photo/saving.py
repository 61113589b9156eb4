"""How a result is saved, beside where: what the user chose for the file as such."""

from __future__ import annotations

from dataclasses import dataclass

from photo.credentials import Signature
from photo.mark import SourceType


@dataclass(frozen=True)
class Saving:
    """How a photo is saved.

    `quality` 1 … 100 is that of a JPEG, which is encoded anew as a whole then, or of HEIC or AVIF, each on the scale of
    its encoder; None keeps what a JPEG has. With `is_marked` the file says by which program it was edited, and what
    `source_type` its pixels have, if one is given. `signature` signs the file with Content Credentials.
    """

    quality: int | None = None
    is_marked: bool = False
    source_type: SourceType | None = None
    signature: Signature | None = None
