"""What --doctor says of machines that are made up, and of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import main
from commands import doctor
from commands.doctor import Machine, advise, count_evaluations, judge_fit
from diffusion.families import FAMILIES
from diffusion.weights import Weights
from edit.options import DEFAULT_MODEL, DiffusionOptions
from photo.errors import MissingModel

ROOT = Path(doctor.__file__).parents[1]
FACTS = {model: facts for family in FAMILIES for model, facts in family.models.items()}
KLEIN, QWEN = "black-forest-labs/FLUX.2-klein-4B", "Qwen/Qwen-Image-Edit-2511"


@pytest.mark.parametrize(
    ("model", "machine", "words"),
    [
        (DEFAULT_MODEL, Machine("cuda", "card", 8.0, 32.0), "yes"),
        (KLEIN, Machine("cuda", "card", 24.0, 32.0), "yes"),
        (KLEIN, Machine("cuda", "card", 12.0, 32.0), "with --low_vram"),
        (KLEIN, Machine("cuda", "card", 12.0, 12.0), "no: too little memory"),
        (KLEIN, Machine("cuda", "card", 6.0, 32.0), "no: about 20 GB are needed"),
        (QWEN, Machine("cuda", "card", 80.0, 128.0), "yes"),
        (DEFAULT_MODEL, Machine("cpu", "processor", 16.0, 16.0), "yes, but in minutes for a face"),
        (KLEIN, Machine("cpu", "processor", 32.0, 32.0, is_half_fast=True), "yes, but in minutes for a face"),
        (KLEIN, Machine("cpu", "processor", 32.0, 32.0), "no: about 38 GB are needed"),
        (DEFAULT_MODEL, Machine("", "", None, 16.0), "needs its packages first"),
        (DEFAULT_MODEL, Machine("cpu", "processor", None, None), "unknown: the memory cannot be found out"),
    ],
)
def test_what_fits_is_estimated_from_sizes(model: str, machine: Machine, words: str) -> None:
    assert judge_fit(FACTS[model], machine) == words


def test_evaluations_are_those_of_the_defaults() -> None:
    counts = {family.name: count_evaluations(family) for family in FAMILIES}
    assert counts == {
        "Stable Diffusion 1": 26, "Stable Diffusion 2": 26, "Stable Diffusion XL": 26, "Stable Diffusion 3.5": 28,
        "FLUX.2 klein": 4, "FLUX.2 klein base": 28, "Z-Image-Turbo": 4, "Qwen-Image-Edit": 40,
    }  # fmt: skip


def test_the_next_step_is_the_one_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine, options = Machine("cpu", "processor", 32.0, 32.0), DiffusionOptions(model=QWEN)
    family = next(family for family in FAMILIES if family.name == "Qwen-Image-Edit")
    there = {"torch": None}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: there.get(name, object()))
    assert "pip install -r requirements_torch.txt" in advise(options, machine)
    there.clear()

    def refuse(_: str) -> None:
        raise MissingModel("there is none.")

    monkeypatch.setattr(doctor, "find_weights", refuse)
    assert advise(options, machine) == "Next: there is none."
    monkeypatch.setattr(doctor, "find_weights", lambda _: None)
    assert advise(options, machine).endswith(f"python main.py --download_model --model {QWEN}")
    monkeypatch.setattr(doctor, "find_weights", lambda _: Weights(tmp_path, family=family))
    there["torchvision"] = None
    assert advise(options, machine).endswith("pip install torchvision")
    there.clear()
    assert advise(options, machine).endswith(f"--engine stable-diffusion --model {QWEN}")


def test_one_table_says_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--doctor"]) == 0
    told = capsys.readouterr().out
    for words in ("packages", "machine", "memory", "fits here", DEFAULT_MODEL, QWEN, "Next: "):
        assert words in told
    assert max(map(len, told.splitlines())) < 160


def test_with_a_photo_it_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--doctor", "photo.jpg"]) == 2
    assert "fixes no photo" in capsys.readouterr().err


def test_no_code_of_the_hub_may_be_fetched() -> None:
    pytest.importorskip("diffusers")
    script = (
        "from diffusion.weights import set_up_hub\nset_up_hub()\n"
        "from diffusers.utils import constants\nfrom transformers.integrations import hub_kernels\n"
        "print(constants.DIFFUSERS_DISABLE_REMOTE_CODE, constants.DIFFUSERS_TRUST_REMOTE_KERNELS,"
        " constants.DIFFUSERS_ATTN_BACKEND, hub_kernels._kernels_enabled)"
    )
    asked = {"DIFFUSERS_TRUST_REMOTE_KERNELS": "1", "DIFFUSERS_ATTN_BACKEND": "sage_hub", "USE_HUB_KERNELS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, **asked},
    )  # fmt: skip
    assert done.stdout.split() == ["True", "False", "native", "False"]
