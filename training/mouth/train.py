"""Trains the network that tells mouths at rest from moved and covered ones, and exports it.

    python -m training.mouth.train CROPS.npz mouth_look.onnx [--examples 7000] [--rounds 10] [--seed 1]

CROPS.npz comes from `training.mouth.crops`. A fifth of the people is held out; the last lines say how it does on them.
Exporting needs the package onnx, in an environment of its own, as that wants another protobuf than MediaPipe.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from face.mouth_look import INPUT_SIZE, to_input
from photo.types import FloatArray, Pixels
from training.mouth.covers import cover, mirror, unsmile
from training.mouth.crops import COLUMNS, ROWS

Examples = tuple[FloatArray, NDArray[np.int64]]

RESTING, MOVED, COVERED = range(3)
# By MediaPipe's scores: a mouth at rest smiles, bares and opens less than this; a moved one smiles more than that.
_RESTING_SCORES, _SMILING = (0.12, 0.10, 0.12), 0.55
# A laugh of which the upper lip is raised by more shows its teeth.
_TEETH = 0.20
_BATCH = 64
_OPSET = 13


def make_examples(crops: dict[str, NDArray[np.generic]], people: NDArray[np.bool_], count: int, seed: int) -> Examples:
    """Return examples of the chosen people: what the network takes, float32 (n, 3, rows, columns), and kinds (n,)."""
    random = np.random.default_rng(seed)
    scores = np.asarray(crops["scores"], np.float32)
    resting = np.flatnonzero((scores < np.array(_RESTING_SCORES)).all(axis=1) & people)
    moved = np.flatnonzero((scores[:, 0] > _SMILING) & people)
    inputs = np.empty((count, 3, INPUT_SIZE[1], INPUT_SIZE[0]), np.float32)
    kinds = random.choice(3, size=count, p=(0.42, 0.26, 0.32))
    for index, kind in enumerate(kinds.tolist()):
        is_laugh = kind == MOVED or (kind == COVERED and random.random() < 0.4)
        which = int(random.choice(moved if is_laugh else resting))
        crop, points = np.asarray(crops["crop"][which], np.uint8), np.asarray(crops["points"][which], np.float32)
        skin = np.asarray(crops["skin"][which], np.float32)
        if random.random() < 0.5:
            crop, points = mirror(crop, points)
        if kind == MOVED and float(scores[which, 1]) > _TEETH and random.random() < 0.5:
            crop = unsmile(crop, points, random)
        if kind == COVERED:
            other = np.asarray(crops["crop"][random.integers(len(scores))], np.uint8)
            crop = cover(crop, points, skin, random, other)
        inputs[index] = _photograph(crop, skin, random)
    return inputs, kinds


def _photograph(crop: Pixels, skin: FloatArray, random: Generator) -> FloatArray:
    """A crop as another camera might have seen it, as the network takes it."""
    columns, rows = INPUT_SIZE
    scale = columns / COLUMNS * random.uniform(0.9, 1.12)
    turn = cv2.getRotationMatrix2D((COLUMNS / 2, ROWS / 2), random.normal() * 5, scale)
    matrix = np.asarray(turn, np.float64)
    matrix[:, 2] += np.array([columns - COLUMNS, rows - ROWS]) / 2 + random.normal(size=2) * 1.3
    blur = random.uniform(0.8, 2.2) if random.random() < 0.7 else random.uniform(2, 5)
    drawn = cv2.warpAffine(
        cv2.GaussianBlur(crop, (0, 0), blur), matrix, INPUT_SIZE, None, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    )
    seen = 255 * np.power(drawn.astype(np.float64) / 255, random.uniform(0.55, 1.7))
    if random.random() < 0.4:
        seen = seen * (1 + random.uniform(-0.45, 0.45) * np.linspace(-1, 1, columns)[:, None])
    if random.random() < 0.5:
        seen = seen + random.normal(size=seen.shape) * random.uniform(0, 9)
    tint = skin.astype(np.float64)
    if random.random() < 0.35:
        saturation = random.uniform(0, 1.2)
        seen, tint = (x.mean(axis=-1, keepdims=True) * (1 - saturation) + x * saturation for x in (seen, tint))
    view = np.clip(seen, 0, 255).astype(np.uint8)
    if random.random() < 0.4:
        coded = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 90))])[1]
        view = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return to_input(view, np.asarray(tint * random.uniform(0.95, 1.05, 3), np.float32))


def make_network() -> nn.Sequential:
    """Return the untrained network: from (n, 3, rows, columns) to scores (n, 3) of resting, moved, covered."""
    layers: list[nn.Module] = []
    channels = 3
    for width, stride in ((12, 2), (24, 1), (24, 2), (40, 1), (48, 2), (48, 1)):
        layers += [nn.Conv2d(channels, width, 3, stride, 1), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels * 9, 3))


def train(network: nn.Sequential, examples: Examples, rounds: int, seed: int) -> None:
    """Train in place, for so many rounds through all examples."""
    torch.manual_seed(seed)
    inputs, kinds = (torch.from_numpy(part) for part in examples)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=rounds * (len(inputs) // _BATCH))
    network.train()
    for number in range(rounds):
        order, total = torch.randperm(len(inputs)), 0.0
        for chosen in order[: len(order) // _BATCH * _BATCH].split(_BATCH):
            loss = nn.functional.cross_entropy(network(inputs[chosen]), kinds[chosen], label_smoothing=0.03)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss)
        print(f"round {number + 1}: loss {total * _BATCH / len(inputs):.3f}", flush=True)
    network.eval()


def export(network: nn.Sequential, path: Path) -> None:
    """Write the network as ONNX. Raises ImportError without the package onnx."""
    example = torch.zeros(2, 3, INPUT_SIZE[1], INPUT_SIZE[0])
    axes = {"mouth": {0: "n"}, "scores": {0: "n"}}
    names = {"input_names": ["mouth"], "output_names": ["scores"], "dynamic_axes": axes}
    torch.onnx.export(network, (example,), str(path), opset_version=_OPSET, dynamo=False, **names)


def is_held_out(name: str) -> bool:
    """Return whether a person, by the name of their portrait, is in the fifth that is held out."""
    person = name.replace("smiling", "neutral")
    return int(hashlib.sha256(person.encode()).hexdigest()[:8], 16) % 5 == 0


def main() -> int:
    """Make examples, train, measure, export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crops", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--examples", type=int, default=7000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with np.load(chosen.crops) as file:
        crops = dict(file)
    held = np.array([is_held_out(str(name)) for name in crops["name"]])
    torch.manual_seed(chosen.seed)
    network = make_network()
    train(network, make_examples(crops, ~held, chosen.examples, chosen.seed), chosen.rounds, chosen.seed)
    inputs, kinds = make_examples(crops, held, chosen.examples // 6, chosen.seed + 1)
    with torch.no_grad():
        chances = network(torch.from_numpy(inputs)).softmax(dim=1).numpy()
    for kind, name in enumerate(("resting", "moved", "covered")):
        mine = chances[kinds == kind]
        print(f"{name}: {len(mine)} held out, taken for resting {np.mean(mine.argmax(axis=1) == RESTING):.1%}")
    export(network, chosen.model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
