"""Trains the refiner of one scale: rendered eyes are to become such as the critic cannot tell from photographed ones.

    python -m training.eyes.train PAIRS UNIT_PX OUT --minutes M [--batch COUNT] [--apart EMBEDDINGS]

After Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training" (2017): the
refiner changes what was rendered, a critic compares with what was photographed, and remembers what it was shown before.
The change is also held to the photographed eye: closely in what is coarse, loosely in detail. Eyes that are rendered
with the lids, the gaze and the colour that the program would plan, and not with their true ones, have no such hold, and
are not learnt from: with the critic alone they went wild within two thousand steps, and held to how they were rendered
they stayed so. They are only shown on the sheets.

In OUT, every few minutes and at the end: UNIT.pt (the averaged weights at several moments), UNIT.png (held-out people:
rendered, refined, real), UNIT.held_out (their portraits), UNIT.log, and UNIT.state, from which the same command goes on
for so many minutes more.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.eyes.augment import Augmentation, draw_remains
from training.eyes.networks import WIDTHS, Critic, Refiner
from training.eyes.pairs import PairArrays, load_pairs, split_people

HELD_OUT = 0.10
"""The fraction of people that are held out."""
SAME_PERSON_COSINE = 0.55

_RATE, _CRITIC_RATE = 3e-4, 8e-4
_COARSE_WEIGHT, _FINE_WEIGHT, _FEATURE_WEIGHT, _CRITIC_WEIGHT = 12.0, 2.0, 3.0, 1.0
# The critic joins in when the refiner no longer only blurs.
_STEPS_ALONE = 300
_HISTORY = 4096
# Seconds between two savings, and how many averaged weights are kept of them.
_SAVED_EVERY, _KEPT = 600.0, 6
_AVERAGING = 0.999
# How steep the critic may be at photographed eyes (R1 of Mescheder et al., 2018), looked at once in so many steps.
_STEEPNESS_WEIGHT, _STEEPNESS_EVERY = 0.5, 8
_SHOWN = 36
# No source makes up more of what is drawn than this times its number of eyes: many eyes of few kinds teach little.
_MOST_OF_ONE_SOURCE = 0.3


@dataclass(frozen=True, eq=False)
class Batch:
    """Patches (n, 3, h, w) -1 … 1 of the same eyes, rendered and photographed; mask (n, 1, h, w), maps."""

    rendered: Tensor
    real: Tensor
    mask: Tensor
    maps: Tensor


class Batches:
    """Draws augmented batches of some rows of the pairs, which lie on the device."""

    def __init__(self, pairs: PairArrays, rows: NDArray[np.int64], unit_px: int, device: torch.device) -> None:
        self._unit_px = unit_px

        def to_device(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array[rows])).to(device)

        self._pictures = [to_device(a.transpose(0, 3, 1, 2)) for a in (pairs.rendered, pairs.planned, pairs.real)]
        self._mask = to_device(pairs.mask[:, None])
        self._maps = [to_device(a.transpose(0, 3, 1, 2)) for a in (pairs.maps, pairs.planned_maps)]
        self._weights = torch.from_numpy(_weigh(pairs, rows, unit_px)).to(device)
        self._augment = Augmentation(torch.from_numpy(draw_remains(unit_px, 800, 1)).to(device))

    def draw(self, count: int) -> Batch:
        """Return a batch of `count` eyes, augmented."""
        rows = torch.multinomial(self._weights, count, replacement=True)
        rendered, _, real = (picture[rows].float() / 255 for picture in self._pictures)
        mask, maps = self._mask[rows].float() / 255, self._maps[0][rows].float()
        rendered, real, mask, maps = self._augment(rendered, real, mask, maps)
        # Nothing changes near the edges of a patch.
        inner = slice(self._unit_px // 3, -self._unit_px // 3)
        rendered, real, mask, maps = (x[..., inner, inner].contiguous() for x in (rendered, real, mask, maps))
        return Batch(rendered * 2 - 1, real * 2 - 1, mask, maps)

    def take(self, count: int) -> Batch:
        """Return the first `count` eyes as they are, every second one as planned."""
        true, planned, real = (picture[:count].float() / 127.5 - 1 for picture in self._pictures)
        is_true = (torch.arange(len(true), device=true.device) % 2 == 0)[:, None, None, None]
        maps = torch.where(is_true, self._maps[0][:count], self._maps[1][:count]).float()
        return Batch(torch.where(is_true, true, planned), real, self._mask[:count].float() / 255, maps)


def _weigh(pairs: PairArrays, rows: NDArray[np.int64], unit_px: int) -> NDArray[np.float64]:
    """How often each row is drawn: sharp eyes more often, no source too often."""
    weights = np.clip(pairs.half_width_px[rows] / unit_px, 0.5, 1.0).astype(np.float64)
    for source in np.unique(pairs.source[rows]):
        mine = pairs.source[rows] == source
        limit = _MOST_OF_ONE_SOURCE * weights.sum()
        weights[mine] *= min(1.0, limit / max(float(weights[mine].sum()), 1e-9))
    return weights / weights.sum()


def refine(refiner: torch.nn.Module, batch: Batch, noise: Tensor | None = None) -> Tensor:
    """Return the refined eyes (n, 3, h, w), -1 … 1."""
    if noise is None:
        noise = torch.randn_like(batch.mask)
    x = torch.cat([batch.rendered, batch.mask, batch.maps, noise], 1).contiguous(memory_format=torch.channels_last)
    refined: Tensor = batch.rendered + batch.mask * refiner(x).float()
    return refined


class Trainer:
    """The two networks, their optimizers, and what the critic was shown before."""

    def __init__(self, unit_px: int, device: torch.device) -> None:
        self.refiner = Refiner(WIDTHS[unit_px]).to(device, memory_format=torch.channels_last)
        self.critic = Critic(24, len(WIDTHS[unit_px])).to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.refiner)
        self._device = device
        self._optimizer = torch.optim.Adam(self.refiner.parameters(), _RATE, betas=(0.5, 0.99))
        self._critic_optimizer = torch.optim.Adam(self.critic.parameters(), _CRITIC_RATE, betas=(0.0, 0.99))
        self._history: list[Tensor] = []
        self.step_count = 0

    def _half_precision(self) -> AbstractContextManager[Any]:
        # Few processors compute faster with them.
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda")

    def step(self, batch: Batch, rate: float) -> dict[str, Tensor]:
        """Train both networks on one batch, the rates scaled by `rate`; return the losses."""
        for optimizer, base in ((self._optimizer, _RATE), (self._critic_optimizer, _CRITIC_RATE)):
            for group in optimizer.param_groups:
                group["lr"] = base * rate
        with self._half_precision():
            refined = refine(self.refiner, batch)
        losses = {"critic": self._train_critic(batch, refined.detach())}
        self.critic.requires_grad_(False)
        losses |= self._train_refiner(batch, refined)
        self.critic.requires_grad_(True)
        self.step_count += 1
        keep = min(_AVERAGING, 1 - 8 / (self.step_count + 8))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.refiner.parameters(), strict=True)
            for slow, fast in pairs:
                slow.lerp_(fast, 1 - keep)
        return losses

    def _train_critic(self, batch: Batch, refined: Tensor) -> Tensor:
        # The mask goes with what is remembered.
        shown = torch.cat([refined, batch.maps, batch.mask], 1)
        real = torch.cat([batch.real, batch.maps], 1)
        half = len(shown) // 2
        if len(self._history) * half >= _HISTORY:
            place = int(torch.randint(len(self._history), (1,)))
            old = self._history[place]
            self._history[place] = shown[:half].clone()
            shown = torch.cat([shown[half:], old])
        else:
            self._history.append(shown[:half].clone())
        shown, mask = shown[:, :-1], shown[:, -1:]
        real = real.contiguous(memory_format=torch.channels_last)
        is_steep_step = self.step_count % _STEEPNESS_EVERY == 0
        real.requires_grad_(is_steep_step)
        with self._half_precision():
            on_real, _ = self.critic(real)
            on_shown, _ = self.critic(shown.contiguous(memory_format=torch.channels_last))
        loss = _mean_answer(on_real, batch.mask, lambda x: functional.softplus(-x))
        loss = loss + _mean_answer(on_shown, mask, functional.softplus)
        told = loss.detach()
        if is_steep_step:
            (slope,) = torch.autograd.grad(_sum_answers(on_real, batch.mask), real, create_graph=True)
            steepness = slope[:, :3].square().sum(dim=(1, 2, 3)).mean()
            loss = loss + _STEEPNESS_EVERY * _STEEPNESS_WEIGHT / 2 * steepness
        self._critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._critic_optimizer.step()
        return told

    def _train_refiner(self, batch: Batch, refined: Tensor) -> dict[str, Tensor]:
        error = batch.mask * (refined - batch.real)
        size = max(3, error.shape[2] // 12)
        losses = {
            "coarse": functional.avg_pool2d(error, size, size // 2).abs().mean(),
            "fine": error.abs().mean(),
        }
        total = _COARSE_WEIGHT * losses["coarse"] + _FINE_WEIGHT * losses["fine"]
        if self.step_count >= _STEPS_ALONE:
            with self._half_precision():
                shown = torch.cat([refined, batch.maps], 1).contiguous(memory_format=torch.channels_last)
                answers, features = self.critic(shown)
                real = torch.cat([batch.real, batch.maps], 1)
                with torch.no_grad():
                    _, wanted = self.critic(real.contiguous(memory_format=torch.channels_last))
            believed = _mean_answer(answers, batch.mask, lambda x: functional.softplus(-x))
            matched = sum(
                (one.float() - other.float()).abs().mean() / (other.float().abs().mean() + 1e-3)
                for one, other in zip(features, wanted, strict=True)
            ) / len(features)
            assert isinstance(believed, Tensor) and isinstance(matched, Tensor)
            losses |= {"believed": believed, "matched": matched}
            total = total + _CRITIC_WEIGHT * believed + _FEATURE_WEIGHT * matched
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.refiner.parameters(), 5.0)
        self._optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def state(self) -> dict[str, Any]:
        """Return all from which training goes on, but for what the critic remembers."""
        return {
            "step_count": self.step_count,
            **{name: part.state_dict() for name, part in self._parts().items()},
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.step_count = state["step_count"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "refiner": self.refiner, "critic": self.critic, "average": self.average,
            "optimizer": self._optimizer, "critic_optimizer": self._critic_optimizer,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Tensor]:
        """Return the averaged weights in half precision."""
        return {name: value.detach().half().cpu().clone() for name, value in self.average.state_dict().items()}


def _mean_answer(answers: list[Tensor], mask: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean loss of answers (n, 1, h, w) where something may have been changed: elsewhere both pictures are the same."""
    total = torch.zeros((), device=mask.device)
    for answer in answers:
        weights = functional.adaptive_avg_pool2d(mask, answer.shape[2:])
        total = total + (loss(answer.float()) * weights).sum() / weights.sum()
    return total / len(answers)


def _sum_answers(answers: list[Tensor], mask: Tensor) -> Tensor:
    """Sum over the eyes of the mean answer to each of them."""
    return len(mask) * _mean_answer(answers, mask, lambda x: x)


def draw_sheet(refiner: torch.nn.Module, batch: Batch) -> NDArray[np.uint8]:
    """Return rendered, refined and real eyes side by side, three columns of them, enlarged: uint8 (h, w, 3) BGR."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(batch.mask.shape, generator=generator).to(batch.mask.device)
    with torch.no_grad():
        refined = refine(refiner, batch, noise)
    rows = torch.cat([batch.rendered, refined, batch.real], 3).permute(0, 2, 3, 1).float().cpu().numpy()
    pictures = np.clip((rows + 1) * 127.5, 0, 255).astype(np.uint8)
    across = min(3, len(pictures))
    columns = np.split(pictures[: len(pictures) // across * across], across)
    sheet = np.concatenate([np.concatenate(list(column)) for column in columns], 1)
    factor = 2 if sheet.shape[1] < 1500 else 1
    return np.asarray(cv2.resize(sheet[..., ::-1], None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)


def train(  # noqa: PLR0915 the settings of a run, and the run
    pairs: PairArrays, unit_px: int, out: Path, seconds: float, batch_size: int, apart: Any
) -> None:
    """Train for so many seconds, and write the results."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    split = split_people(pairs, HELD_OUT, apart, SAME_PERSON_COSINE)
    batches = Batches(pairs, np.flatnonzero(split == 0), unit_px, device)
    held_out = np.flatnonzero(split == 1)
    shown = Batches(pairs, np.random.default_rng(3).permutation(held_out)[:_SHOWN], unit_px, device).take(_SHOWN)
    trainer = Trainer(unit_px, device)
    snapshots: list[dict[str, Tensor]] = []
    kept = out / f"{unit_px}.state"
    if kept.exists():
        trainer.go_on_from(torch.load(kept, map_location=device))
        snapshots = torch.load(out / f"{unit_px}.pt")["weights"]
        torch.manual_seed(trainer.step_count)
    first_step, next_saving = trainer.step_count, _SAVED_EVERY
    sums: dict[str, Tensor] = {}
    log = (out / f"{unit_px}.log").open("a", encoding="utf-8")

    def say(text: str) -> None:
        print(text, file=log, flush=True)
        print(text, flush=True)

    def save() -> None:
        snapshots[:] = [*snapshots, trainer.snapshot()][-_KEPT:]
        torch.save(trainer.state(), kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
        torch.save({"unit_px": unit_px, "steps": trainer.step_count, "weights": snapshots}, out / f"{unit_px}.pt")
        cv2.imwrite(str(out / f"{unit_px}.png"), draw_sheet(trainer.average, shown))

    held_out_names = sorted({f"{pairs.source[row]}/{pairs.name[row]}" for row in held_out})
    (out / f"{unit_px}.held_out").write_text("\n".join(held_out_names) + "\n", encoding="utf-8")
    names = [len(np.unique(pairs.name[split == part])) for part in (0, 1)]
    say(
        f"{unit_px} px on {device}: {(split == 0).sum()} eyes of {names[0]} portraits, "
        f"held out {(split == 1).sum()} of {names[1]}"
    )
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        # Full speed at first, a tenth at the end.
        rate = min(1.0, (trainer.step_count - first_step) / 100 + 0.05) * min(1.0, 0.1 + 2.0 * (1 - passed / seconds))
        for name, loss in trainer.step(batches.draw(batch_size), rate).items():
            sums[name] = sums.get(name, torch.zeros((), device=device)) + loss
        if trainer.step_count % 200 == 0:
            shares = ", ".join(f"{name} {float(value) / 200:.4f}" for name, value in sums.items())
            say(f"step {trainer.step_count}, {passed:.0f} s: {shares}")
            sums.clear()
        if passed > next_saving:
            save()
            next_saving = passed + _SAVED_EVERY
    save()
    say(f"done: {trainer.step_count} steps of {batch_size}")
    log.close()


def main() -> int:
    """Train one scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("unit_px", type=int, choices=sorted(WIDTHS))
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--batch", type=int, default=64, metavar="COUNT")
    parser.add_argument("--apart", type=Path, metavar="FILE", help="embeddings (n, 192) of people to leave out, .npy")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    pairs = load_pairs(sorted(chosen.pairs.glob(f"*_{chosen.unit_px}.npz")))
    apart = np.load(chosen.apart) if chosen.apart is not None else np.zeros((0, 192), np.float32)
    train(pairs, chosen.unit_px, chosen.out, 60 * chosen.minutes, chosen.batch, apart)
    return 0


if __name__ == "__main__":
    sys.exit(main())
