"""Carry a person's own open eye over from another photo: lids, lashes and all, in the light of the photo it goes into.

The donor's photo is laid over the target's (`donor_fit`); brows stay the target's. Light and colour are matched by the
skin that looks alike with eyes open and closed, sharpness and grain by what `photo_look` measures in both photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from donor_fit import Fit, map_box, warp_donor
from donor_light import match_donor
from eye_shape import EyeFrame, find_frame, find_height
from photo_look import PhotoLook
from photo_types import Box, Donor, Edit, Pixels
from soft_edges import smoothstep
from steady_eye import steady_eye

Array = NDArray[np.float32]

# All lengths are in units of the eye frame: half the width of the eye.
_MARGIN = 0.6
"""Around the region that is painted so much more is looked at, to match the light."""
_LASH_MARGIN = 0.10
"""When a lid is lowered, the strip below its rim that goes with it: lashes and their shadow."""
_LID_EDGE = 0.05
_FOLD_END = 0.55
"""Above the rim by so much the lid stands still when it is lowered."""
_CREASE = (0.30, 0.70)
"""Above the donor's upper lid its skin fades into the target's own between these heights …"""
_BROW_GAP = (0.05, 0.30)
"""… and below either brow by these."""


@dataclass(frozen=True, eq=False)
class _View:
    """The part of the target that is looked at, and for each of its pixels the donor's eye frame coordinates.

    `upper`, `lower` and `brow` are the heights of the donor's lids and of its brow there, `own_brow` of the target's.
    """

    box: Box
    unit_px: float
    x: Array
    y: Array
    upper: Array
    lower: Array
    brow: Array
    own_brow: Array


def carry_eye(pixels: Pixels, edit: Edit, donor: Donor, fit: Fit, look: PhotoLook, donor_look: PhotoLook) -> Pixels:
    """Return the box of `edit.region` of the photo uint8 (H, W, 3) with the donor's eye in it, uint8 (h, w, 3).

    `look` and `donor_look` are those of the two faces. Neither photo is written to.
    """
    view = _plan_view(pixels, edit, donor, fit)
    target = pixels[view.box.slices].astype(np.float32)
    donated = _lower_lid(warp_donor(donor.pixels, fit, view.box), view, donor)
    matched = match_donor(target, donated, _skin_alike(view), view.unit_px, fit.scale, look, donor_look)
    donated = steady_eye(matched, view.x, view.y, donor, edit.feature, look)
    # Above the crease, and before the brows begin, the target's own skin comes back.
    fade = 1 - smoothstep(*_CREASE, view.y - view.upper)
    for brow in (view.brow, view.own_brow):
        fade *= 1 - smoothstep(-_BROW_GAP[1], -_BROW_GAP[0], view.y - brow)
    mixed = target + fade[..., None] * (donated - target)
    rows, columns = edit.region.box.top - view.box.top, edit.region.box.left - view.box.left
    part = mixed[rows : rows + edit.region.box.height, columns : columns + edit.region.box.width]
    return np.asarray(np.clip(np.rint(part), 0, 255), np.uint8)


def _plan_view(pixels: Pixels, edit: Edit, donor: Donor, fit: Fit) -> _View:
    frame = find_frame(donor.face, edit.feature)
    unit_px = frame.unit_px / fit.scale
    inner = edit.region.box
    box = inner.grown(round(_MARGIN * unit_px)).clipped(pixels.shape[1], pixels.shape[0]) or inner
    x, y = _frame_of_donor(frame, fit, box)
    eye = donor.face.eye(edit.feature)
    own_brow = edit.face.eye(edit.feature).brow_lower[:, :2] @ fit.to_donor[:, :2].T + fit.to_donor[:, 2]

    def height(curve: Array) -> Array:
        return find_height(frame, curve, x).astype(np.float32)

    return _View(
        box, unit_px, x, y,
        upper=height(eye.upper), lower=height(eye.lower),
        brow=height(eye.brow_lower), own_brow=height(own_brow.astype(np.float32)),
    )  # fmt: skip


def _frame_of_donor(frame: EyeFrame, fit: Fit, box: Box) -> tuple[Array, Array]:
    """The donor's eye frame coordinates of every pixel of a box of the target."""
    map_x, map_y = map_box(fit, box)
    return frame.to_frame(map_x, map_y)


def _lower_lid(donated: Array, view: _View, donor: Donor) -> Array:
    """The donor's eye with its upper lid let down to `donor.opening` of its height; the eyeball stays where it is."""
    if donor.opening >= 0.99:
        return donated
    down = (1 - donor.opening) * np.maximum(view.upper - view.lower, 0)
    rim = view.upper - down
    above = view.y - rim
    shift = down * (1 - smoothstep(0.0, 1.0, above / _FOLD_END))
    # One unit of height is so many pixels of the target, along the donor's upright.
    step_x, step_y = _upright(view)
    columns, rows = np.meshgrid(
        np.arange(donated.shape[1], dtype=np.float32), np.arange(donated.shape[0], dtype=np.float32)
    )
    map_x, map_y = columns + shift * step_x, rows + shift * step_y
    lid = cv2.remap(donated, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    covers = smoothstep(-_LASH_MARGIN - _LID_EDGE, -_LASH_MARGIN, above) * (1 - smoothstep(1.2, 1.5, np.abs(view.x)))
    return np.asarray(donated + covers[..., None] * (lid - donated), np.float32)


def _upright(view: _View) -> tuple[float, float]:
    """The step in the target's pixels that is one unit of the donor's eye frame upward."""
    height, width = view.x.shape
    across = np.array(
        [
            [view.x[0, -1] - view.x[0, 0], view.x[-1, 0] - view.x[0, 0]],
            [view.y[0, -1] - view.y[0, 0], view.y[-1, 0] - view.y[0, 0]],
        ]
    ) / np.array([max(width - 1, 1), max(height - 1, 1)])
    step = np.linalg.solve(across, np.array([0.0, 1.0]))
    return float(step[0]), float(step[1])


def _skin_alike(view: _View) -> Array:
    """Weight 0 … 1 of skin that looks alike with open and closed eyes."""
    lids = np.hypot(view.x / 1.25, (view.y - 0.05) / 0.80)
    brow = np.minimum(view.brow, view.own_brow)
    weight = smoothstep(0.95, 1.15, lids) * (1 - smoothstep(-0.30, -0.15, view.y - brow))
    return weight * (1 - smoothstep(1.5, 1.9, np.abs(view.x))) * (view.y > -1.4)
