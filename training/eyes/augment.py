"""Makes one pair of patches into many: other light, blur, grain and place, the same for both, and more of a closed lid.

What old lashes, liner and creases leave under a rendered eye is drawn over the rendered one alone: the network learns
to take it away.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from photo.types import FloatArray
from render.canonical import SPAN, patch_size

_LUMA = (0.299, 0.587, 0.114)
# The upper left corner of a patch, in half eye widths from the middle of the eye.
_LEFT, _TOP = -2.0, 1.7
_FINER = 4


def draw_remains(unit_px: int, count: int, seed: int) -> FloatArray:
    """Return made-up remains of closed lids, float32 (count, h, w): how much each pixel is darkened, 0 … 1."""
    random = np.random.default_rng(seed)
    return np.stack([_draw_one(unit_px, random) for _ in range(count)])


def _draw_one(unit_px: int, random: np.random.Generator) -> FloatArray:
    height, width = patch_size(unit_px)
    x = (_LEFT + (np.arange(width, dtype=np.float32) + 0.5) / unit_px)[None, :]
    y = (_TOP - (np.arange(height, dtype=np.float32) + 0.5) / unit_px)[:, None]
    line = np.clip(1 - x * x, 0, None) * (random.normal(-0.10, 0.06) + random.normal(0.08, 0.05) * x)
    dark = np.zeros((height, width), np.float32)
    for _ in range(random.integers(0, 3)):  # the line where the lids met, or liner along it
        low, thick = random.uniform(-0.34, 0.04), random.uniform(0.02, 0.11)
        band = np.exp(-(((y - line - low) / thick) ** 2)) * _fade(x, random, 1.25)
        dark = np.maximum(dark, random.uniform(0.05, 0.55) * band)
    if random.random() < 0.55:
        dark = np.maximum(dark, _draw_hairs(unit_px, random))
    if random.random() < 0.4:  # a tail or a wing beyond the outer corner
        ends = [(random.uniform(-1.0, -0.7), random.uniform(-0.15, 0.12))]
        ends.append((random.uniform(-1.7, -1.1), random.uniform(-0.4, 0.4)))
        dark = np.maximum(dark, _draw_strokes(unit_px, [ends], random, (0.04, 0.14), (0.15, 0.65)))
    for _ in range(random.integers(0, 4)):  # creases, below and above
        at = random.uniform(-0.95, -0.25) if random.random() < 0.7 else random.uniform(0.4, 0.95)
        bow, thick = random.normal(0, 0.25), random.uniform(0.015, 0.08)
        band = np.exp(-(((y - at - bow * (x - 0.1) ** 2) / thick) ** 2)) * _fade(x, random, 1.4)
        dark = np.maximum(dark, random.uniform(0.03, 0.25) * band)
    if random.random() < 0.3:  # a stain of mascara or shadow
        middle = random.uniform(-1.0, 0.8), random.uniform(-0.75, -0.1)
        wide, high = random.uniform(0.2, 0.8), random.uniform(0.08, 0.3)
        spot = np.exp(-(((x - middle[0]) / wide) ** 2) - ((y - middle[1]) / high) ** 2)
        dark = np.maximum(dark, random.uniform(0.05, 0.3) * spot)
    return np.asarray(cv2.GaussianBlur(dark, (0, 0), random.uniform(0.012, 0.055) * unit_px), np.float32)


def _fade(x: FloatArray, random: np.random.Generator, reach: float) -> FloatArray:
    """1 along a random part of the width, 0 beyond it."""
    low, high = sorted(random.uniform(-reach, reach, 2))
    return np.asarray(1 / (1 + np.exp(-(x - low) / 0.05)) / (1 + np.exp((x - high) / 0.05)), np.float32)


def _draw_hairs(unit_px: int, random: np.random.Generator) -> FloatArray:
    """Lashes that hang from where the lids met."""
    start = random.uniform(-1.0, 0.2)
    strokes = []
    for root in random.uniform(start, min(start + random.uniform(0.4, 1.9), 1.0), random.integers(4, 30)):
        length, top = random.uniform(0.08, 0.38), random.uniform(-0.2, 0.05)
        tip = root + (0.5 * root + random.normal(0, 0.1)) * length
        strokes.append([(root, top), (tip, top - length)])
    return random.uniform(0.4, 1.0) * _draw_strokes(unit_px, strokes, random, (0.008, 0.035), (0.2, 0.8))


def _draw_strokes(
    unit_px: int,
    strokes: list[list[tuple[float, float]]],
    random: np.random.Generator,
    thickness: tuple[float, float],
    strength: tuple[float, float],
) -> FloatArray:
    height, width = patch_size(unit_px)
    scale = unit_px * _FINER
    canvas = np.zeros((height * _FINER, width * _FINER), np.float32)
    for stroke in strokes:
        points = np.array([[(x - _LEFT) * scale, (_TOP - y) * scale] for x, y in stroke])
        wide = max(1, round(random.uniform(*thickness) * scale))
        cv2.polylines(
            canvas, [np.rint(points).astype(np.int32)], False, (random.uniform(*strength),), wide, cv2.LINE_AA
        )
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.float32)


class Augmentation:
    """Augments batches on one device; `remains` float32 (m, h, w) as `draw_remains` returns them."""

    def __init__(self, remains: Tensor) -> None:
        self._remains = remains

    def __call__(
        self, rendered: Tensor, real: Tensor, mask: Tensor, maps: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return `rendered` and `real` (n, 3, h, w) 0 … 1, `mask` (n, 1, h, w) and `maps` augmented."""
        rendered = self._leave_remains(rendered, mask, maps)
        rendered, real = self._recolor_iris(rendered, real, maps)
        rendered, real, mask, maps = _move(rendered, real, mask, maps)
        rendered, real = _relight(rendered, real)
        rendered, real = _blur(rendered, real)
        return (*_add_grain(rendered, real), mask, maps)

    def _leave_remains(self, rendered: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        count, device = len(rendered), rendered.device
        picked = self._remains[torch.randint(len(self._remains), (count,), device=device)][:, None]
        strength = _uniform(count, 0.4, 1.3, device) * _happens(count, 0.7, device)
        dark = picked * strength * mask * (1 - (1.5 * maps[:, :1]).clamp(0, 1))
        hue = (1 + 0.12 * torch.randn(count, 3, 1, 1, device=device)).clamp(0.6, 1.2)
        return rendered * (1 - dark * hue)

    def _recolor_iris(self, rendered: Tensor, real: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Irises of other colours, the same for both."""
        count, device = len(rendered), rendered.device
        luma = _luma(real)
        where = ((1.12 - 2 * maps[:, 1:2]) / 0.2).clamp(0, 1) * maps[:, :1]
        where = where * ((luma - 0.12) / 0.18).clamp(0, 1) * ((0.8 - luma) / 0.15).clamp(0, 1)
        gain = torch.exp(
            0.10 * torch.randn(count, 3, 1, 1, device=device) + 0.25 * torch.randn(count, 1, 1, 1, device=device) - 0.1
        )
        change = 1 + where * (gain - 1) * _happens(count, 0.4, device)
        return rendered * change, real * change


def _move(rendered: Tensor, real: Tensor, mask: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Small turns, shifts and scales; the maps of place and light stay as they are."""
    count, device = len(rendered), rendered.device
    angle = 0.052 * torch.randn(count, device=device)
    scale = torch.exp(0.05 * torch.randn(count, device=device))
    ratio = SPAN[0] / SPAN[1]
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    shift = 0.025 * torch.randn(count, 2, device=device)
    rows = [torch.stack([cos, -sin / ratio, shift[:, 0]], 1), torch.stack([sin * ratio, cos, shift[:, 1]], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(rendered.shape), align_corners=False)
    drawn, placed = maps[:, :3], maps[:, 3:]
    moved = functional.grid_sample(
        torch.cat([rendered, real, mask, drawn], 1), grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    drawn = torch.cat([moved[:, 7:9].clamp(0, 1), moved[:, 9:10].clamp(-1, 1)], 1)
    return moved[:, :3], moved[:, 3:6], moved[:, 6:7].clamp(0, 1), torch.cat([drawn, placed], 1)


def _relight(rendered: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Other exposure, tint and colourfulness, down to black and white."""
    count, device = len(rendered), rendered.device
    gain = torch.exp(
        0.05 * torch.randn(count, 3, 1, 1, device=device) + 0.14 * torch.randn(count, 1, 1, 1, device=device)
    )
    gamma = torch.exp(0.13 * torch.randn(count, 1, 1, 1, device=device))
    colors = (1 + 0.2 * torch.randn(count, 1, 1, 1, device=device)).clamp(0, 1.5)
    colors = colors * (1 - _happens(count, 0.07, device))

    def light(x: Tensor) -> Tensor:
        x = x.clamp(1e-4, 1) ** gamma * gain
        gray = _luma(x)
        return (gray + colors * (x - gray)).clamp(0, 1)

    return light(rendered), light(real)


def _blur(rendered: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Coarser photos: a third of the batch is seen at a lower resolution, a fifth out of focus."""
    count, _, height, width = rendered.shape
    both = torch.cat([rendered, real], 1)
    coarse, soft = count // 3, count // 3 + count // 5
    factor = float(torch.empty(1).uniform_(0.4, 0.95))
    small = (max(8, round(height * factor)), max(8, round(width * factor)))
    part = functional.interpolate(both[:coarse], small, mode="bilinear", antialias=True, align_corners=False)
    part = functional.interpolate(part, (height, width), mode="bicubic", align_corners=False)
    blurred = _gauss(both[coarse:soft], float(torch.empty(1).uniform_(0.3, 1.1)))
    both = torch.cat([part, blurred, both[soft:]])
    return both[:, :3], both[:, 3:]


def _add_grain(rendered: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """The same grain over both."""
    count, device = len(rendered), rendered.device
    grain = torch.randn_like(rendered)
    half = count // 2
    soft = _gauss(grain[:half], float(torch.empty(1).uniform_(0.4, 0.9)))
    grain = torch.cat([soft / soft.std().clamp_min(1e-3), grain[half:]])
    grain = grain * _uniform(count, 0.003, 0.02, device) * _happens(count, 0.4, device)
    return (rendered + grain).clamp(0, 1), (real + grain).clamp(0, 1)


def _gauss(x: Tensor, sigma: float) -> Tensor:
    reach = int(3 * sigma) + 1
    places = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(places**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
    padded = functional.pad(x, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, kernel, groups=x.shape[1])
    return functional.conv2d(across, kernel.transpose(2, 3), groups=x.shape[1])


def _luma(x: Tensor) -> Tensor:
    weights = torch.tensor(_LUMA, device=x.device, dtype=x.dtype)[None, :, None, None]
    return (x * weights).sum(1, keepdim=True)


def _uniform(count: int, low: float, high: float, device: torch.device) -> Tensor:
    return torch.empty(count, 1, 1, 1, device=device).uniform_(low, high)


def _happens(count: int, probability: float, device: torch.device) -> Tensor:
    return (torch.rand(count, 1, 1, 1, device=device) < probability).float()
