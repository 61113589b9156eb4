"""Registers a donor's photo to the target's: which pixel of the one shows the same place as a pixel of the other?

Landmarks give the start. They move when an eye closes (its corners are found up to a tenth further apart), so the
pixels decide: nose, bags, canthi and rims of glasses around the eyes are registered, while lids and brows, which
differ, are masked out.
"""

from __future__ import annotations

import cv2
import numpy as np

from edit.plan import Alignment
from face.analysis import FaceAnalysis
from face.eye_geometry import find_height
from face.types import EYES, Face, Feature
from photo.geometry import fit_similarity, scale_down
from photo.measure import luma
from photo.types import Box, FloatArray, Matrix, Pixels

# The distance of the outer corners while the pictures are compared: finer, grain and single lashes would count.
_WORKING_PX = 150.0
# The window around the eyes, in distances of the outer corners from the middle between them.
_WINDOW = (1.15, 0.75)
# calibration: donor-place. Smoothing of the two rounds, and the width over which light is evened out, in distances of
# the outer corners.
_SMOOTHING = (0.03, 0.015)
_EVENED = 0.22
# calibration: donor-place. How far the landmarks may be off: shift right and down (in distances of the outer corners),
# size, turn, stretch, skew.
_DOUBT = np.array([0.04, 0.04, 0.05, 0.03, 0.010, 0.010])
# calibration: donor-place. Each eye may differ from what alignments both by this part of that.
_EYE_DOUBT = 0.4
# calibration: donor-place. A turned head is foreshortened: for every degree of difference the stretch is this much less
# sure.
_STRETCH_PER_DEGREE = 0.002
_ROUNDS = 12
# calibration: donor-place. Weights of the landmarks of one eye (corners, lower brow), of the ridge of the nose and of
# the skin under the eyes.
_CORNER_WEIGHT, _BROW_WEIGHT, _NOSE_WEIGHT, _CHEEK_WEIGHT = 1.0, 0.4, 1.0, 0.6


def align_faces(target: FaceAnalysis, donor: FaceAnalysis) -> dict[Feature, Alignment]:
    """Return how the donor's photo lies over the target's, for both eyes and the mouth.

    Each eye has an alignment of its own, near to the one found for both together. That of the mouth is the latter,
    shifted so that the lower ends of the noses coincide.
    """
    face, donor_face = target.face, donor.face
    unit = face.landmarks.eye_distance_px
    start = _fit_landmarks(face, donor_face)
    window, shrink = _cut(target.pixels, face)
    donor_window, donor_shrink = _cut(donor.pixels, donor_face)
    size = unit * float(shrink[0, 0])
    between = donor_shrink @ np.vstack([start, [0, 0, 1]]) @ np.linalg.inv(shrink)
    masks = [_mask_skin(face, feature, shrink, window.shape) for feature in EYES]
    lids = np.maximum.reduce([_mask_lids(face, feature, shrink, window.shape) for feature in EYES])
    masks = [mask * (1 - lids) for mask in masks]
    doubt = _DOUBT.copy()
    doubt[4:] += _STRETCH_PER_DEGREE * abs(face.yaw_degrees - donor_face.yaw_degrees)
    middle = _middle(face) @ shrink[:2, :2].T + shrink[:2, 2]
    evened_pairs = [
        (_even_light(window, s * size, size), _even_light(donor_window, s * size, size)) for s in _SMOOTHING
    ]
    both = np.maximum(*masks)
    for evened, donor_evened in evened_pairs:
        between, agreement = _register((evened, donor_evened), both, middle, size, between, doubt)
    whole = (np.linalg.inv(donor_shrink) @ between @ shrink)[:2]
    alignments = {Feature.MOUTH: Alignment(_move_nose(whole, face, donor_face), agreement)}
    for feature, mask in zip(EYES, masks, strict=True):
        origin = face.eye_frame(feature).origin @ shrink[:2, :2].T + shrink[:2, 2]
        own, agreement = _register(evened_pairs[-1], mask, origin, size, between, _EYE_DOUBT * doubt)
        alignments[feature] = Alignment((np.linalg.inv(donor_shrink) @ own @ shrink)[:2], agreement)
    return alignments


def _move_nose(matrix: Matrix, face: Face, donor: Face) -> Matrix:
    """`matrix` (2, 3) shifted so that tip and base of the noses coincide, which a nod moves apart."""
    here, there = (other.landmarks.nose[5:7, :2].mean(axis=0).astype(np.float64) for other in (face, donor))
    moved = matrix.copy()
    moved[:, 2] += there - (matrix[:, :2] @ here + matrix[:, 2])
    return moved


def _middle(face: Face) -> Matrix:
    """The point (2,) halfway between the eyes, in photo pixels."""
    return np.mean([eye.center for eye in face.landmarks.eyes], axis=0).astype(np.float64)


def _fit_landmarks(face: Face, donor: Face) -> Matrix:
    """The similarity (2, 3) that best maps the landmarks around the eyes of `face` to those of `donor`."""
    here, weights = _list_stable(face)
    there, _ = _list_stable(donor)
    return fit_similarity(here, there, weights)


def _list_stable(face: Face) -> tuple[Matrix, Matrix]:
    """The landmarks that locate the eyes best, (n, 2), and the weight (n,) of each."""
    points: list[FloatArray] = []
    weights: list[float] = []
    marks = face.landmarks
    for eye, cheek in ((marks.right_eye, marks.right_cheek), (marks.left_eye, marks.left_cheek)):
        for part, weight in (
            (eye.upper[[0, -1]], _CORNER_WEIGHT),
            (eye.brow_lower, _BROW_WEIGHT),
            (cheek[:3], _CHEEK_WEIGHT),
        ):
            points.append(part[:, :2])
            weights += [weight] * len(part)
    points.append(marks.nose[:4, :2])
    weights += [_NOSE_WEIGHT] * 4
    return np.concatenate(points).astype(np.float64), np.array(weights)


def _cut(pixels: Pixels, face: Face) -> tuple[FloatArray, Matrix]:
    """Luma of the upright window around the eyes at working size, and the matrix (3, 3) from photo to window."""
    unit = face.landmarks.eye_distance_px
    center = _middle(face)
    reach = unit * np.array(_WINDOW)
    # A tilted head needs a window nearer to a square.
    tilt = abs(np.sin(np.radians(face.roll_degrees)))
    reach = reach + tilt * reach[::-1]
    box = Box.around(center[None], reach).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    gray = luma(pixels[box.slices])
    small = scale_down(gray, _WORKING_PX / max(unit, 1.0))
    across, down = small.shape[1] / box.width, small.shape[0] / box.height
    # Half a pixel: resizing counts from the corner of the picture, remapping from pixel centres.
    matrix = np.array(
        [[across, 0, (0.5 - box.left) * across - 0.5], [0, down, (0.5 - box.top) * down - 0.5], [0, 0, 1]]
    )
    return np.asarray(small, np.float32), matrix


def _frame_grid(face: Face, feature: Feature, shrink: Matrix, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Eye frame coordinates of every pixel of the window, two arrays of `shape`."""
    back = np.linalg.inv(shrink)
    columns, rows = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
    x, y = columns * back[0, 0] + back[0, 2], rows * back[1, 1] + back[1, 2]
    return face.eye_frame(feature).to_frame(x.astype(np.float32), y.astype(np.float32))


def _mask_skin(face: Face, feature: Feature, shrink: Matrix, shape: tuple[int, ...]) -> FloatArray:
    """1 around one eye below its brow, else 0; float32 of `shape`."""
    x, y = _frame_grid(face, feature, shrink, shape)
    brow = find_height(face.eye_frame(feature), face.eye(feature).brow_lower, x)
    near = (x > -1.75) & (x < 2.0) & (y > -1.5) & (y < np.minimum(brow - 0.12, 1.2))
    return near.astype(np.float32)


def _mask_lids(face: Face, feature: Feature, shrink: Matrix, shape: tuple[int, ...]) -> FloatArray:
    """1 where lids and lashes are when the eye is open or closed, else 0; float32 of `shape`."""
    x, y = _frame_grid(face, feature, shrink, shape)
    bottom = -0.28 * np.sqrt(np.clip(1 - (x / 1.12) ** 2, 0, 1)) - 0.10
    return ((np.abs(x) < 1.12) & (y > bottom) & (y < 0.75)).astype(np.float32)


def _even_light(gray: FloatArray, smoothing_px: float, size: float) -> FloatArray:
    """`gray` (h, w) with its local mean removed and its local contrast normalized, float32."""
    smooth = np.log(cv2.GaussianBlur(gray, (0, 0), max(smoothing_px, 0.5)) + 12.0)
    wide = _EVENED * size
    detail = smooth - cv2.GaussianBlur(smooth, (0, 0), wide)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), wide))
    return np.asarray(detail / (spread + 0.02), np.float32)


def _register(
    pair: tuple[FloatArray, FloatArray],
    mask: FloatArray,
    origin: Matrix,
    size: float,
    start: Matrix,
    doubt: Matrix,
) -> tuple[Matrix, float]:
    """The matrix (3, 3) near to `start` from target to donor where `mask` is 1, and the correlation -1 … 1 it reaches.

    `pair` are the target's and the donor's windows after `_even_light`, `doubt` (6,) the standard deviations of the
    six parameters of `_to_matrix`.

    Gauss-Newton on these parameters with a Gaussian prior on each, after Baker and Matthews, "Lucas-Kanade 20 Years
    On", 2004; pixels that do not agree weigh little. The enhanced correlation with which `donor.whole_face` registers a
    whole face has no prior: around the eyes alone, where lids differ, it diverges by half the width of an eye.
    """
    evened, donor_evened = pair
    rows, columns = np.nonzero(mask > 0)
    if len(rows) < 50:
        return start, 0.0
    slope_x = cv2.Sobel(evened, cv2.CV_32F, 1, 0, scale=1 / 8)[rows, columns] * size
    slope_y = cv2.Sobel(evened, cv2.CV_32F, 0, 1, scale=1 / 8)[rows, columns] * size
    x, y = (columns - origin[0]) / size, (rows - origin[1]) / size
    jacobian = np.stack(
        [slope_x, slope_y, slope_x * x + slope_y * y, slope_y * x - slope_x * y,
         slope_x * x - slope_y * y, slope_x * y + slope_y * x], axis=1,
    )  # fmt: skip
    values = evened[rows, columns]
    # Neighbouring pixels are correlated, so each counts as this fraction of an independent one. With more weight,
    # differences of the light would pull the match away from the landmarks.
    independence = 1.0 / (30 * max((_SMOOTHING[0] * size) ** 2, 1.0))
    precision = np.diag(doubt**-2.0)
    parameters = np.zeros(6)
    for _ in range(_ROUNDS):
        matrix = start @ _to_matrix(parameters, origin, size)
        found = cv2.warpAffine(
            donor_evened, matrix[:2], evened.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )[rows, columns]  # fmt: skip
        residual = values - found
        spread = max(1.4826 * float(np.median(np.abs(residual))), 0.15)
        weight = 1 / (1 + (residual / (1.5 * spread)) ** 2)
        weighted = jacobian * (weight * independence / spread**2)[:, None]
        step = np.linalg.solve(weighted.T @ jacobian + precision, weighted.T @ residual - precision @ parameters)
        parameters += step
        if np.abs(step).max() < 3e-4:
            break
    was, now = values - values.mean(), found - found.mean()
    norm = np.sqrt(float((weight * was * was).sum()) * float((weight * now * now).sum()))
    return start @ _to_matrix(parameters, origin, size), float((weight * was * now).sum()) / max(norm, 1e-6)


def _to_matrix(parameters: Matrix, origin: Matrix, size: float) -> Matrix:
    """The matrix (3, 3) of the six parameters shift right and down, size, turn, stretch and skew, about `origin`."""
    right, down, larger, turn, stretch, skew = parameters
    linear = np.array([[1 + larger + stretch, skew - turn], [skew + turn, 1 + larger - stretch]])
    shift = np.array([right, down]) * size + origin - linear @ origin
    return np.vstack([np.hstack([linear, shift[:, None]]), [0, 0, 1]])


def map_box(alignment: Alignment, box: Box) -> tuple[FloatArray, FloatArray]:
    """Return the donor's x and y for every pixel of a box of the target, two float32 (h, w)."""
    columns, rows = np.meshgrid(
        np.arange(box.left, box.right, dtype=np.float64), np.arange(box.top, box.bottom, dtype=np.float64)
    )
    m = alignment.to_donor
    map_x = m[0, 0] * columns + m[0, 1] * rows + m[0, 2]
    map_y = m[1, 0] * columns + m[1, 1] * rows + m[1, 2]
    return map_x.astype(np.float32), map_y.astype(np.float32)


def warp_donor(pixels: Pixels, alignment: Alignment, box: Box) -> FloatArray:
    """Return the donor's photo `pixels` uint8 (H, W, 3) warped onto a box of the target, float32 (h, w, 3) RGB.

    Outside the donor's photo its nearest pixel is repeated; a box that lies wholly outside comes back black.
    """
    map_x, map_y = map_box(alignment, box)
    corners = np.array([[map_x.min(), map_y.min()], [map_x.max(), map_y.max()]])
    part = Box.around(corners, pad=4).clipped(pixels.shape[1], pixels.shape[0])
    if part is None:
        return np.zeros((*map_x.shape, 3), np.float32)
    source = pixels[part.slices].astype(np.float32)
    if alignment.scale > 1:
        # Remapping interpolates between few pixels: a reduction has to be low-pass filtered first.
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.5 * np.sqrt(alignment.scale**2 - 1) + 1e-3), np.float32)
    moved = cv2.remap(source, map_x - part.left, map_y - part.top, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
