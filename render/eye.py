"""Renders one closed eye as open: the lid moves up, the old lash line goes, an eyeball and new lashes are drawn.

What moves is the person's own skin. The lid from the lash line up moves to where the open lid stands and folds into
the crease; above the crease nothing moves, as on a real face. The lower lid sinks a little, and the skin below it is
stretched upward over the place where the closed lashes lay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edit.plan import Edit
from face.appearance import FaceAppearance
from face.eye_geometry import IRIS_CENTER, EyeView, Lids, evaluate_lid, plan_lids
from face.feature_scale import fit_to, shrink_view
from face.occlusion import find_hair_strand, find_rim_height, visible_alpha
from photo.blend import blend, smoothstep
from photo.measure import LUMA, luma
from photo.types import Box, FloatArray, Pixels, Region
from render.eyeball import EyeGeometry, EyeShading, aperture_alpha, cast_shadow, choose_flesh, render_eyeball
from render.lashes import Lashes, lighten_lash_line, measure_lashes, remove_lash_tail, remove_lower_lashes

# All lengths below are in units of the eye frame: half the width of the eye.
PLATFORM = 0.10
"""Strip of the lid above the lashes that stays visible and unsqueezed when the eye is open."""
FOLD = 0.42
"""Height over which the rest of the lid is squeezed into the crease."""
LEAST_FOLD = 0.10
"""Under the rim of glasses the lid is squeezed into no less than this."""
LEAST_ROOM_RATIO = 0.7
"""A rim of glasses lowers the upper lid no further than to this part of its height."""
LASH_FRACTION_COVERED = 0.5
"""This part of the lashes' length is covered by skin drawn up from below; the rest is wiped."""
STRAND_FILL_PX = 3.0
"""Skin under a strand of hair is made up from so far around."""
# calibration: painted-skin. Luma, 0 … 255.
BURNT_SKIN_LUMA = (150.0, 220.0)
"""Skin so bright is lit from the front: a little, and fully."""
LOWER_REACH = 0.62
"""Skin further below the lower rim than this does not move."""
# calibration: painted-skin. Shares of the skin's grain.
_LEAST_GRAIN, _GRAIN_HUE_FRACTION = 0.4, 0.5
"""Of the skin's grain the darkest parts of an eye have so much, and all of it so much of the grain's colour."""
SUPERSAMPLED_UNIT_PX = 72.0
"""The eyeball is rendered at about this many pixels per unit and then reduced …"""
FINE_UNIT_PX = 144.0
"""… but from this many on, where its softest edge is many pixels wide, as it stands."""


@dataclass(frozen=True, eq=False)
class OpenedEye:
    """A rendered eye: the box of its region as painted, uint8 (h, w, 3) RGB, and where its parts are."""

    pixels: Pixels
    geometry: EyeGeometry


def open_eye(
    pixels: Pixels,
    edit: Edit,
    shading: EyeShading,
    on_step: Callable[[], None] = lambda: None,
    *,
    lids: Lids | None = None,
) -> OpenedEye:
    """Return the box of `edit.region` of a photo with the eye open.

    `pixels` uint8 (H, W, 3) is not written to. `shading` gives the colours and the gaze of the eyeball. `on_step` is
    called between the steps; what it raises ends the work. `lids` are planned from the face unless they are given.
    """
    frame, appearance = edit.face.eye_frame(edit.feature), edit.analysis.appearance
    view = EyeView(edit.region.box, frame, *frame.grid(edit.region.box))
    source = pixels[view.box.slices].astype(np.float32)
    # Measuring needs only the eye's own resolution, painting that of the photo.
    small = shrink_view(view)
    gray = luma(fit_to(small, source))

    if lids is None:
        lids = plan_lids(frame, edit.face.eye(edit.feature), edit.amount, edit.face.smile)
    original = source
    hair_strand = find_hair_strand(gray, small.frame, small.box, lids, small.x, small.y)
    if hair_strand is not None:
        # Removed before the skin moves, and composited back where it was.
        under = np.asarray(hair_strand > 0.05, np.uint8)
        bare = cv2.inpaint(fit_to(small, source).astype(np.uint8), under, STRAND_FILL_PX, cv2.INPAINT_TELEA)
        hair_strand = fit_to(view, hair_strand)[..., None]
        source = np.where(hair_strand > 0.05, fit_to(view, bare.astype(np.float32)), source)
        gray = luma(fit_to(small, source))
    rim_height = find_rim_height(gray, small.frame, small.box, lids, small.x)
    if rim_height is not None:
        lids = _keep_below(lids, rim_height, small)
        rim_height = fit_to(view, rim_height)
    lashes = measure_lashes(fit_to(small, source), gray, small, lids)
    on_step()
    source = remove_lash_tail(source, view, lids, appearance)
    on_step()
    clean = remove_lower_lashes(source, view, lids, lashes, shading.skin, appearance)
    on_step()
    lid = lighten_lash_line(source, view, lids, appearance)
    on_step()
    skin = _slide_lids(lid, clean, view, lids, lashes, rim_height)
    on_step()
    skin = _shade_fold(skin, view, lids, shading.skin)
    on_step()
    painted = _paint_eyeball(skin, view, lids, lashes, shading, appearance)
    visible = fit_to(view, visible_alpha(gray, small.frame, small.box, small.x, small.y))[..., None]
    if hair_strand is not None:
        visible = visible * (1 - hair_strand)
    painted = original + visible * (painted - original)
    result = np.asarray(np.clip(np.rint(painted), 0, 255), np.uint8)
    center = IRIS_CENTER[0] + shading.gaze[0], IRIS_CENTER[1] + shading.gaze[1]
    return OpenedEye(result, EyeGeometry(frame, lids, center, shading.roundness, shading.light_x))


def cut_opened(pixels: Pixels, opened: OpenedEye, region: Region, around: Box) -> tuple[Pixels, FloatArray]:
    """Return the part `around` of a photo as its result will show it, with the eye put in, and the alpha of the eye.

    `pixels` uint8 (H, W, 3) is the photo without the eye, `region` that of the eye; uint8 (h, w, 3) and float32 (h, w).
    """
    seen = pixels[around.slices].copy()
    alpha = np.zeros(seen.shape[:2], np.float32)
    place = region.box.shifted(-around.left, -around.top)
    inner = place.clipped(around.width, around.height)
    if inner is not None:
        part = inner.shifted(-place.left, -place.top).slices
        alpha[inner.slices] = region.alpha[part]
        seen[inner.slices] = blend(seen[inner.slices], opened.pixels[part], region.alpha[part])
    return seen, alpha


def _keep_below(lids: Lids, rim_height: FloatArray, view: EyeView) -> Lids:
    """The lids with the upper one lowered where it would rise above `rim_height`, to `LEAST_ROOM_RATIO` at least."""
    middle = np.abs(view.x) < 0.6
    if not middle.any():
        # Of an eye that the photo's edge cuts off, only a corner is seen.
        return lids
    room = rim_height[middle] / np.maximum(evaluate_lid(lids.upper, view.x[middle]), 0.05)
    return replace(lids, upper=lids.upper * float(np.clip(room.min(), LEAST_ROOM_RATIO, 1)))


def _slide_lids(
    source: FloatArray, clean: FloatArray, view: EyeView, lids: Lids, lashes: Lashes, rim_height: FloatArray | None
) -> FloatArray:
    """Move the lid skin up, and the skin below the eye up over the old lashes; above `rim_height` nothing moves."""
    x, y = view.x, view.y
    closed, upper, lower = (evaluate_lid(c, x) for c in (lids.closed, lids.upper, lids.lower))
    rise = np.maximum(upper - closed, 0)
    above = y - upper
    # The full shift on the platform, none above the fold; the smooth fall in between keeps the map monotone.
    end = PLATFORM + FOLD + 0.5 * rise
    if rim_height is not None:
        end = np.minimum(end, np.maximum(rim_height - upper, LEAST_FOLD))
    start = np.minimum(PLATFORM, 0.4 * end)
    shift_up = rise * (1 - smoothstep(0.0, 1.0, (above - start) / (end - start)))

    # The skin without lashes has to move up only part of the way: stretched further, pores become streaks.
    sink = lower - (closed - LASH_FRACTION_COVERED * lashes.reach)
    below = lower - y
    shift_down = sink * (1 - smoothstep(0.0, 1.0, below / LOWER_REACH))
    ends = 1 - smoothstep(0.92, 1.30, np.abs(x))
    upper_y = y - shift_up * ends
    lower_y = y - shift_down * ends

    def sample(picture: FloatArray, source_y: FloatArray) -> FloatArray:
        map_x, map_y = view.frame.to_photo(x, source_y)
        map_x, map_y = map_x - view.box.left, map_y - view.box.top
        moved = cv2.remap(picture, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)

    # The two parts meet inside the aperture, where the eyeball hides the seam; beyond the corners nothing moves.
    middle = (upper + lower) / 2
    top = smoothstep(-0.04, 0.04, y - middle)[..., None]
    return np.asarray(top * sample(source, upper_y) + (1 - top) * sample(clean, lower_y), np.float32)


def _shade_fold(opened: FloatArray, view: EyeView, lids: Lids, skin: FloatArray) -> FloatArray:
    """Darken the crease over the open lid, and below the brow bone, where a closed, bulging lid has no shadow."""
    above = view.y - evaluate_lid(lids.upper, view.x)
    ends = 1 - smoothstep(0.75, 1.15, np.abs(view.x))
    crease = 0.11 * np.exp(-(((above - PLATFORM - 0.06) / 0.06) ** 2))
    hollow = 0.10 * np.exp(-(((above - 0.24) / 0.26) ** 2)) * smoothstep(0.0, 0.1, above)
    # Light from the front, which overexposes the skin, leaves no shadow under the brow.
    strength = float(np.interp(float(skin @ LUMA), BURNT_SKIN_LUMA, (1.0, 0.3)))
    return cast_shadow(opened, np.asarray(strength * (crease + hollow) * ends, np.float32), skin)


def _paint_eyeball(
    skin: FloatArray, view: EyeView, lids: Lids, lashes: Lashes, shading: EyeShading, appearance: FaceAppearance
) -> FloatArray:
    """Composite eyeball, lid rim and lashes over the opened skin, with the sharpness and the grain of the photo."""
    box = view.box
    is_fine = view.frame.half_width_px > FINE_UNIT_PX
    factor = 1 if is_fine else int(np.clip(round(SUPERSAMPLED_UNIT_PX / view.frame.half_width_px), 2, 6))
    x, y = view.frame.grid(box, factor)
    center = (IRIS_CENTER[0] + shading.gaze[0], IRIS_CENTER[1] + shading.gaze[1])
    alpha = aperture_alpha(x, y, lids, softness=0.05)
    left, top, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    seen = slice(top, top + height), slice(left, left + width)
    eye = np.zeros((*alpha.shape, 3), np.float32)
    # Premultiplied, so that blurring does not mix in colours from outside the opening.
    eye[seen] = render_eyeball(x[seen], y[seen], lids, center, shading) * alpha[seen][..., None]
    lash_alpha = _lash_alpha(x, y, lids, lashes, shading, is_fine=is_fine)
    rim_alpha = _rim_alpha(x, y, lids)

    size = (box.width, box.height)
    blur = float(np.sqrt(max(appearance.blur_sigma_px**2 - 0.3**2, 0.01)))

    def reduce(picture: FloatArray) -> FloatArray:
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), blur), np.float32)

    coverage = reduce(alpha)[..., None]
    painted = skin * (1 - coverage) + reduce(eye)
    rim = 0.45 * reduce(rim_alpha)[..., None]
    painted = painted + rim * (choose_flesh(shading.skin) - painted)
    lash = reduce(lash_alpha)[..., None]
    # Pale lashes on a pale lid must still outline the eye; dark ones let the skin between them through.
    lash_color = np.maximum(np.minimum(0.75 * lashes.color, 0.45 * shading.skin), shading.black)
    painted = painted + lash * (lash_color - painted)
    return np.asarray(
        painted + np.maximum(coverage, lash) * tile_eye_grain(painted, shading.skin, appearance), np.float32
    )


def tile_eye_grain(eye: FloatArray, skin: FloatArray, appearance: FaceAppearance) -> FloatArray:
    """Return the grain of a photo as an eye in it has it, float32 (h, w, 3) like `eye`; `skin` (3,) is the skin around.

    The skin's grain is coarser than that of darker things, and its colours would give the two irises different hues.
    """
    grain = appearance.tile_grain(*eye.shape[:2])
    level = np.clip(eye @ LUMA / max(float(skin @ LUMA), 1.0), _LEAST_GRAIN, 1)[..., None]
    return np.asarray(
        level * (_GRAIN_HUE_FRACTION * grain + (1 - _GRAIN_HUE_FRACTION) * (grain @ LUMA)[..., None]), np.float32
    )


def _lash_alpha(
    x: FloatArray, y: FloatArray, lids: Lids, lashes: Lashes, shading: EyeShading, *, is_fine: bool
) -> FloatArray:
    """Alpha of the upper lashes, a dark band with hairs fanning out of it, and of the faint line of the lower ones."""
    above = y - evaluate_lid(lids.upper, x)
    below = evaluate_lid(lids.lower, x) - y
    span = smoothstep(0.0, 0.35, 1 - np.abs(x))
    toward_temple = np.clip(0.5 - 0.5 * x, 0, 1)
    # No lash line is even: its density wanders, and it thins out toward the nose.
    random = np.random.default_rng(shading.seed + 2)
    uneven = 1 + 0.10 * sum(np.cos(f * x + random.uniform(0, 2 * np.pi)) for f in (7, 12, 19))
    width = (0.038 + 0.040 * toward_temple) * uneven
    strength = np.clip(0.20 + 0.85 * lashes.darkness, 0, 0.90) * (0.50 + 0.50 * toward_temple)
    upper = np.exp(-((above / width) ** 2)) * strength * span
    lower = 0.16 * lashes.darkness * np.exp(-(((below - 0.05) / 0.06) ** 2)) * span * toward_temple * uneven
    hairs = _hair_alpha(x, y, lids, lashes, shading, is_fine=is_fine)
    return np.asarray(np.maximum(np.maximum(upper, lower), hairs), np.float32)


def _hair_alpha(
    x: FloatArray, y: FloatArray, lids: Lids, lashes: Lashes, shading: EyeShading, *, is_fine: bool
) -> FloatArray:
    """Alpha 0 … 1 of single tapering hairs, curved outward and up; none where the photo is too small to show any.

    `is_fine`: they are drawn as they will be seen, and not reduced afterwards.
    """
    canvas = np.zeros(x.shape, np.uint8)
    visible = shading.detail * float(np.clip((lashes.darkness - 0.25) / 0.4, 0, 1))
    if visible <= 0.05:
        return canvas.astype(np.float32)
    random = np.random.default_rng(shading.seed + 1)
    # The eye frame is affine: three points of the grid determine the transform back to its pixels.
    height, width = x.shape
    corners = np.array([[x[0, 0], y[0, 0]], [x[0, -1], y[0, -1]], [x[-1, 0], y[-1, 0]]], np.float32)
    to_pixels = cv2.getAffineTransform(corners, np.array([[0, 0], [width - 1, 0], [0, height - 1]], np.float32))
    unit = float(np.sqrt(abs(np.linalg.det(to_pixels[:, :2]))))
    steps = np.linspace(0, 1, 8, dtype=np.float32)
    # What is not reduced afterwards would show the steps of its pixels.
    line = cv2.LINE_AA if is_fine else cv2.LINE_8
    # Denser to the temple.
    places = -0.97 + 1.7 * np.linspace(0, 1, 46) ** 1.25
    draws = [(random.normal(0, 0.022), random.normal(0, 0.06), random.uniform(0.45, 1.1)) for _ in places]
    shift, bend, stretch = np.array(draws).T
    root = places + shift
    outward = -(root + 0.15) * 0.55 + bend
    length = (0.13 + 0.10 * np.clip(-root + 0.4, 0, 1.4)) * stretch * (0.5 + lashes.darkness)
    hair_x = root[:, None] + (length * outward)[:, None] * steps
    hair_y = (evaluate_lid(lids.upper, root) - 0.02)[:, None] + length[:, None] * (0.25 * steps + 0.75 * steps**2)
    # Hairs, their 8 points, x and y; OpenCV counts in sixteenths of a pixel.
    points = np.stack([hair_x, hair_y], axis=2) @ to_pixels[:, :2].T + to_pixels[:, 2]
    ends = np.rint(16 * points).astype(np.int32)
    for step, thickness in enumerate(np.linspace(0.020, 0.007, 7)):
        cv2.polylines(canvas, ends[:, step : step + 2], False, (255,), max(1, round(thickness * unit)), line, 4)
    return canvas / np.float32(255) * np.float32(0.60 * visible)


def _rim_alpha(x: FloatArray, y: FloatArray, lids: Lids) -> FloatArray:
    """Alpha 0 … 1 of the moist rim of the lower lid."""
    above = y - evaluate_lid(lids.lower, x)
    return np.asarray(np.exp(-((above / 0.035) ** 2)) * smoothstep(0.0, 0.3, 1 - np.abs(x)), np.float32)
