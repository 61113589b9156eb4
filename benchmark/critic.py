"""A critic: how well a small network tells the program's opened eyes from photographed ones.

    python -m benchmark.critic PORTRAITS … [--without FOLDER …] [--scales 12 24 48] [--no-refine]

The portraits show one person each with open eyes. Their eyes are closed synthetically and opened by the program; what
lies outside of its masks is put back, so that only its work is judged. A network is trained on one half of the people
and asked about the other; printed is the AUC for each scale, folder of portraits and lightness of skin: how often it
holds a photographed eye for more real than an opened one. 0.5 is chance, 1.0 never mistaken.

`--without` names folders with the people of whom the refining network has learnt: they are left out. The critic is a
number to work against between blind tests; nothing may be trained on it. A scale is half the width of an eye, in
pixels; a portrait is shrunk to it before its eyes are closed, and never enlarged.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.blind_test import auc_interval, measure_auc
from benchmark.people import Sighting, group_people, list_photos, name_skin, sight_faces
from benchmark.synthetic_blink import close_eyes
from edit.options import EyeOptions, Options, SmileOptions, Wish
from edit.plan import Engine
from face.analysis import FaceAnalysis
from face.expression import NARROW
from face.identity import SAME_PERSON, Embedding, measure_distance
from face.search import remeasure
from face.types import EYES, EyeFrame
from photo.errors import BadOption, FixError
from photo.geometry import scale_down
from photo.measure import LUMA
from photo.types import Box, FloatArray, Photo, Pixels
from retouch.engines import make_draft
from retouch.pipeline import fix_photo

if TYPE_CHECKING:
    from torch import Tensor, nn

SCALES = (12, 24, 48)
"""Pixels per half eye width at which eyes are judged."""
# A patch spans so many half eye widths across and down, the opening a little below its middle.
_SPAN = (3.2, 2.4)
_MIDDLE_Y = 0.15
# Somewhat smaller eyes than the scale are taken, too: enlarged so little, both kinds are blurred alike.
_LEAST_SIZE = 0.85
_MOST_YAW_DEGREES = 25.0
_OPEN_EYES = Options(eyes=EyeOptions(wish=Wish.ALWAYS), smile=SmileOptions(wish=Wish.NEVER))
_BATCH, _RATE, _DECAY = 24, 1e-3, 1e-3
_WIDTHS = (24, 48, 96)
# Groups of fewer people have no figure of their own.
_LEAST_PEOPLE = 8


@dataclass(frozen=True, eq=False)
class EyePatches:
    """Both eyes of one portrait, uint8 (2, h, w, 3), photographed and as the program opens them; nose on the right."""

    real: NDArray[np.uint8]
    opened: NDArray[np.uint8]
    groups: tuple[str, ...]
    embedding: Embedding


# ---- patches ---------------------------------------------------------------------------------------------


def cut_patch(pixels: Pixels, frame: EyeFrame, scale: int) -> Pixels:
    """Return an eye with `scale` pixels per half width, upright and with the nose on the right, uint8 (h, w, 3)."""
    width, height = (round(side * scale) for side in _SPAN)
    along = frame.x_axis / max(float(np.linalg.norm(frame.x_axis)), 1e-6) * frame.half_width_px
    axes = np.column_stack([along, -frame.y_axis]).astype(np.float64) / scale
    middle = np.array([(width - 1) / 2, (height - 1) / 2 + _MIDDLE_Y * scale])
    matrix = np.column_stack([axes, frame.origin - axes @ middle])
    way = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(pixels, matrix, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(patch, np.uint8)


def make_patches(sighting: Sighting, scale: int, engine: Engine) -> EyePatches | str:
    """Return the eyes of a portrait at one scale; text says why there are none. Raises FixError."""
    if abs(sighting.face.yaw_degrees) > _MOST_YAW_DEGREES:
        return "turned"
    size = float(np.mean([sighting.face.eye_frame(eye).half_width_px for eye in EYES]))
    if size < _LEAST_SIZE * scale:
        return "too small"
    shrink = min(scale / size, 1.0)
    pixels = scale_down(sighting.pixels, shrink)
    whole = Box(0, 0, sighting.pixels.shape[1], sighting.pixels.shape[0])
    face = remeasure(pixels, replace(sighting.face, number=1).within(whole, shrink))
    if face is None:
        return "no face at this size"
    analysis = FaceAnalysis(pixels, face)
    if max(analysis.closedness.values()) > NARROW:
        return "eyes not open"
    closed_pixels = close_eyes(pixels, face)
    closed = remeasure(closed_pixels, face)
    if closed is None:
        return "did not close"
    result = fix_photo(Photo(closed_pixels), _OPEN_EYES, engine, analyses=[FaceAnalysis(closed_pixels, closed)])
    if {edit.feature for edit in result.plan.edits} != set(EYES):
        return "not opened"
    opened = _keep_inside(pixels, result.pixels, [(edit.region.box, edit.region.alpha) for edit in result.plan.edits])
    frames = [face.eye_frame(eye) for eye in EYES]
    real, made = (np.stack([cut_patch(p, frame, scale) for frame in frames]) for p in (pixels, opened))
    skin = f"skin: {name_skin(float(analysis.appearance.skin @ LUMA))}"
    return EyePatches(real, made, (sighting.path.parent.name, skin), sighting.embedding)


def _keep_inside(real: Pixels, made: Pixels, masks: Sequence[tuple[Box, FloatArray]]) -> Pixels:
    """The real photo with `made` inside the masks: nothing around them may tell that lids were drawn there."""
    result = real.copy()
    for box, alpha in masks:
        before, after = real[box.slices].astype(np.float32), made[box.slices].astype(np.float32)
        mixed = before + alpha[..., None] * (after - before)
        result[box.slices] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return result


# ---- the network -----------------------------------------------------------------------------------------


def make_network(seed: int) -> nn.Sequential:
    """Return a new network that takes patches (n, 3, h, w) -1 … 1 and gives (n, 1): the higher, the more real."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    before = 3
    for width in _WIDTHS:
        layers += [nn.Conv2d(before, width, 3, padding=1), nn.GroupNorm(8, width), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(width, width, 4, stride=2, padding=1), nn.GroupNorm(8, width), nn.LeakyReLU(0.2)]
        before = width
    layers += [nn.AdaptiveAvgPool2d((3, 4)), nn.Flatten(), nn.Dropout(0.3), nn.Linear(before * 12, 1)]
    return nn.Sequential(*layers)


def train_critic(real: NDArray[np.uint8], opened: NDArray[np.uint8], steps: int, seed: int) -> nn.Sequential:
    """Return a network trained to tell patches uint8 (n, h, w, 3) of photographed eyes from those of opened ones."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    network = make_network(seed).train()
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * _RATE, total_steps=steps)
    random = np.random.default_rng(seed)
    wanted = torch.cat([torch.ones(_BATCH // 2, 1), torch.zeros(_BATCH // 2, 1)])
    for _ in range(steps):
        parts = [pile[random.integers(0, len(pile), _BATCH // 2)] for pile in (real, opened)]
        batch = _to_tensor(_vary(np.concatenate(parts), random))
        loss = binary_cross_entropy_with_logits(network(batch), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def ask_critic(network: nn.Sequential, patches: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how real each patch uint8 (n, h, w, 3) looks to the network, (n,); only the order means anything."""
    import torch

    with torch.inference_mode():
        answers = [network(_to_tensor(patches[start : start + 64])) for start in range(0, len(patches), 64)]
    return np.asarray(torch.cat(answers)[:, 0].numpy(), np.float64)


def _vary(patches: NDArray[np.uint8], random: np.random.Generator) -> FloatArray:
    """The patches shifted a little, lighter or darker and of more or less contrast, float32: no light gives them away.

    Both kinds are varied alike.
    """
    down, right = random.integers(-2, 3, 2)
    moved = np.roll(patches, (int(down), int(right)), axis=(1, 2)).astype(np.float32)
    shape = (len(patches), 1, 1, 1)
    gain, shift = random.uniform(0.85, 1.15, shape), random.uniform(-12, 12, shape)
    tint = random.uniform(0.95, 1.05, (len(patches), 1, 1, 3))
    return np.asarray(np.clip((moved - 128) * gain * tint + 128 + shift, 0, 255), np.float32)


def _to_tensor(patches: NDArray[Any]) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(patches.transpose(0, 3, 1, 2), np.float32)) / 127.5 - 1


# ---- the figures -----------------------------------------------------------------------------------------


def judge(patches: Sequence[EyePatches], steps: int, seed: int) -> list[tuple[str, int, float]]:
    """Return group, people and AUC on those people that were not trained on: all of them first, then by group.

    Raises BadOption where there are too few people to train on one half of them.
    """
    people = group_people([one.embedding for one in patches])
    names = np.unique(people)
    if len(names) < 2 * _LEAST_PEOPLE:
        raise BadOption(f"{len(names)} people are too few for a critic: it needs {2 * _LEAST_PEOPLE}.")
    learnt = set(np.random.default_rng(seed).permutation(names)[: len(names) // 2])
    known = [one for one, person in zip(patches, people, strict=True) if person in learnt]
    asked = [(one, int(person)) for one, person in zip(patches, people, strict=True) if person not in learnt]
    real, opened = (np.concatenate([getattr(one, kind) for one in known]) for kind in ("real", "opened"))
    network = train_critic(real, opened, steps, seed)
    answers = [(ask_critic(network, one.real), ask_critic(network, one.opened)) for one, _ in asked]
    groups = sorted({group for one, _ in asked for group in one.groups})
    rows = []
    for group in ("all", *groups):
        members = [index for index, (one, _) in enumerate(asked) if group == "all" or group in one.groups]
        count = len({asked[index][1] for index in members})
        if count >= _LEAST_PEOPLE:
            photographed, made = (np.concatenate([answers[index][kind] for index in members]) for kind in (0, 1))
            rows.append((group, count, measure_auc(photographed, made)))
    return rows


def describe(scale: int, rows: Sequence[tuple[str, int, float]]) -> str:
    """Return the figures of one scale as text; intervals count people, not eyes."""
    lines = [f"{scale} px per half eye width"]
    for group, people, auc in rows:
        low, high = auc_interval(auc, people, people)
        lines.append(f"  {group:24}{people:5} people   AUC {auc:.3f} ({low:.2f} … {high:.2f})")
    return "\n".join(lines)


def is_known(embedding: Embedding, known: Sequence[Embedding]) -> bool:
    """Return whether the person of an embedding is among the known ones."""
    return any(measure_distance(embedding, other) < SAME_PERSON for other in known)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and ask a critic for each scale, and print what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path, nargs="+")
    parser.add_argument("--without", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument("--scales", type=int, nargs="+", default=list(SCALES), metavar="PX")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--limit", type=int, metavar="COUNT", help="no more than so many portraits of each folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-refine", action="store_true", help="judge eyes as they are rendered")
    chosen = parser.parse_args(arguments)
    try:
        _run(chosen)
    except FixError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(chosen: argparse.Namespace) -> None:
    known = [face.embedding for folder in chosen.without for path in list_photos(folder) for face in sight_faces(path)]
    patches: dict[int, list[EyePatches]] = {scale: [] for scale in chosen.scales}
    left_out: Counter[str] = Counter()
    engine = make_draft(Options(seed=chosen.seed, eyes=EyeOptions(no_refine=chosen.no_refine)))
    for path in [path for folder in chosen.portraits for path in list_photos(folder)[: chosen.limit]]:
        faces = sight_faces(path)
        if len(faces) != 1:
            left_out["no face, or several"] += 1
            continue
        if is_known(faces[0].embedding, known):
            left_out["known to the refining network"] += 1
            continue
        for scale in chosen.scales:
            made = make_patches(faces[0], scale, engine)
            if isinstance(made, str):
                left_out[f"{made}, at {scale} px"] += 1
            else:
                patches[scale].append(made)
    for why, count in sorted(left_out.items()):
        print(f"left out, {why}: {count}")
    for scale in chosen.scales:
        print(describe(scale, judge(patches[scale], chosen.steps, chosen.seed)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
