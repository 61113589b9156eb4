"""The two networks: the refiner, which is exported, and the critic that it is trained against."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from render.canonical import MAP_COUNT

REFINER_CHANNELS = 3 + 1 + MAP_COUNT + 1
"""Channels that the refiner takes: the rendered eye, RGB -1 … 1; its mask 0 … 1; the maps; standard normal noise."""

WIDTHS: dict[int, tuple[int, ...]] = {24: (24, 72, 112), 48: (16, 40, 80, 120)}
"""Channels at each level of the refiner, by the pixels per half eye width; the first level has half the resolution."""

_SLOPE = 0.2


class _Residual(nn.Module):  # type: ignore[misc] # torch is not read by mypy
    """Two convolutions beside a shortcut; nearly the identity at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.3)
            self.second.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(functional.leaky_relu(x, _SLOPE))
        return x + self.second(functional.leaky_relu(inner, _SLOPE))


class Refiner(nn.Module):  # type: ignore[misc] # torch is not read by mypy
    """From (n, `REFINER_CHANNELS`, h, w) to the change (n, 3, h, w) of the rendered eye, not yet times the mask.

    A U-Net; h and w are multiples of 2 to the number of its levels. Upsampled bilinearly, since the checkerboard of
    other ways shows in an iris.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.fine = nn.Conv2d(REFINER_CHANNELS, 16, 3, padding=1)
        self.down = nn.ModuleList()
        before = REFINER_CHANNELS
        for width in widths:
            self.down.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            before = width
        self.encode = nn.ModuleList(_Residual(width) for width in widths)
        self.middle = _Residual(widths[-1])
        self.up = nn.ModuleList(nn.Conv2d(deep, shallow, 3, padding=1) for shallow, deep in itertools.pairwise(widths))
        self.decode = nn.ModuleList(_Residual(width) for width in widths[:-1])
        self.last_up = nn.Conv2d(widths[0], 16, 3, padding=1)
        self.mix = nn.Conv2d(32, 24, 3, padding=1)
        self.out = nn.Conv2d(24, 3, 3, padding=1)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        fine = functional.leaky_relu(self.fine(x), _SLOPE)
        levels: list[Tensor] = []
        inner = x
        for number, (down, encode) in enumerate(zip(self.down, self.encode, strict=True)):
            inner = encode(down(functional.leaky_relu(inner, _SLOPE) if number else inner))
            levels.append(inner)
        inner = self.middle(inner)
        for number in reversed(range(len(self.up))):
            raised = _double(self.up[number](functional.leaky_relu(inner, _SLOPE)))
            inner = self.decode[number](levels[number] + raised)
        raised = _double(self.last_up(functional.leaky_relu(inner, _SLOPE)))
        mixed = self.mix(torch.cat([functional.leaky_relu(raised, _SLOPE), fine], dim=1))
        change: Tensor = self.out(functional.leaky_relu(mixed, _SLOPE))
        return change


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class Critic(nn.Module):  # type: ignore[misc] # torch is not read by mypy
    """Judges patches (n, 3 + `MAP_COUNT`, h, w): high answers for photographed eyes, low ones for others.

    Returns the answers at three scales, and the features (for feature matching).
    """

    def __init__(self, width: int = 40, deepest: int = 3) -> None:
        super().__init__()
        self.blocks, self.heads = nn.ModuleList(), nn.ModuleList()
        before, now = 3 + MAP_COUNT, width
        self.blocks.append(nn.Sequential(_conv(before, now, 4, 2), nn.LeakyReLU(_SLOPE)))
        for _ in range(deepest):
            after = min(2 * now, 160)
            self.blocks.append(
                nn.Sequential(
                    _conv(now, after, 4, 2), nn.LeakyReLU(_SLOPE), _conv(after, after, 3, 1), nn.LeakyReLU(_SLOPE)
                )
            )
            self.heads.append(_conv(after, 1, 3, 1))
            now = after

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        features, answers = [], []
        for number, block in enumerate(self.blocks):
            x = block(x)
            features.append(x)
            if number:
                answers.append(self.heads[number - 1](x))
        return answers, features


def _conv(before: int, after: int, size: int, stride: int) -> nn.Module:
    conv = nn.Conv2d(before, after, size, stride, padding=(size - 1) // 2)
    nn.init.kaiming_normal_(conv.weight, _SLOPE)
    nn.init.zeros_(conv.bias)
    return conv
