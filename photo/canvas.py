"""A photo to paint on: one working copy for all attempts, restored after each, so that none copies the photo anew."""

from __future__ import annotations

import numpy as np

from photo.types import Box, Mask, Pixels


class Canvas:
    """The untouched photo `original`, uint8 (H, W, 3), and its working copy.

    The copy is made at its first use. Only what is written by `put` is undone by `restore`.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.original = pixels
        self._work: Pixels | None = None
        self._written: list[Box] = []

    @property
    def work(self) -> Pixels:
        """The working copy, uint8 (H, W, 3); read it freely, but write to it with `put` only."""
        if self._work is None:
            self._work = self.original.copy()
        return self._work

    def put(self, box: Box, patch: Pixels, where: Mask | None = None) -> None:
        """Write a patch uint8 (box.height, box.width, 3); with `where`, bool (h, w), only its True pixels."""
        self._written.append(box)
        place = self.work[box.slices]
        if where is None:
            place[:] = patch
        else:
            np.copyto(place, patch, where=where[..., None])

    def restore(self) -> None:
        """Undo every `put`: the working copy equals `original` again."""
        for box in self._written:
            self.work[box.slices] = self.original[box.slices]
        self._written.clear()
