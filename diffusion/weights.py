"""Finds the weights of Stable Diffusion on this machine, or downloads them; it never loads them.

A model is a folder in the format of diffusers, a single `.safetensors` file, or an id of the Hugging Face hub such as
`owner/name`. Only the files of the hub that are needed are downloaded: no pickles, no second precision.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edit.options import DEFAULT_MODEL
from photo.errors import MissingModel, MissingPackage

PACKAGES = ("torch", "diffusers", "transformers", "accelerate")
INSTALL = "pip install -r requirements_torch.txt -r requirements.txt"

_HUB_ID = re.compile(r"(?!.*(--|\.\.|\.git$))[A-Za-z0-9][\w.-]{0,60}/[A-Za-z0-9][\w.-]{0,60}", re.ASCII)
_SD2_MODEL = "sd2-community/stable-diffusion-2-inpainting"
_SDXL_MODEL = "diffusers/stable-diffusion-xl-1.0-inpainting-0.1"
# The size of the download of each, in half precision, and its licence; those of other models are on their pages.
_FACTS = {
    DEFAULT_MODEL: "about 2.1 GB, licence CreativeML OpenRAIL-M",
    _SD2_MODEL: "about 2.6 GB, licence CreativeML Open RAIL++-M",
    _SDXL_MODEL: "about 7 GB, licence CreativeML Open RAIL++-M",
}
_PIPELINES = re.compile(r"StableDiffusion(XL)?(Inpaint|Img2Img)?Pipeline")
_NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2")
# Of no use for parts of a face: its false alarms are many, and it is larger than most of the rest.
_NOT_FETCHED = ("safety_checker", "feature_extractor", "image_encoder")
# In a single file, by how its text encoder's weights are named and how many channels its U-Net takes: the model whose
# settings (some small text files) belong to it.
_SETTINGS_OF = {
    ("conditioner.embedders.1.", 9): _SDXL_MODEL,
    ("conditioner.embedders.1.", 4): "stabilityai/stable-diffusion-xl-base-1.0",
    ("cond_stage_model.model.", 9): _SD2_MODEL,
    ("cond_stage_model.transformer.", 9): DEFAULT_MODEL,
    ("cond_stage_model.transformer.", 4): "stable-diffusion-v1-5/stable-diffusion-v1-5",
}
_UNET_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
_LONGEST_HEADER = 100_000_000
_ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Weights:
    """The place of a model's weights: a `folder` in the format of diffusers.

    `variant` is the ending of the names of its files such as fp16, None where they have none. With `file`, a single
    `.safetensors` file, the folder holds only the settings that belong to it.
    """

    folder: Path
    variant: str | None = None
    file: Path | None = None


def check_packages(names: Sequence[str] = PACKAGES) -> None:
    """Raise MissingPackage if a package that Stable Diffusion needs is not installed. None is imported."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPackage(f"Stable Diffusion needs the package {missing[0]}, which is not installed; run: {INSTALL}")


def describe_model(model: str) -> str:
    """Return the size of the download of a model, and its licence, as text."""
    return _FACTS.get(model, "size and licence: see its page on the Hugging Face hub")


def download_command(model: str) -> str:
    """Return the command line that downloads a model and does nothing else."""
    return "python main.py --download_model" + ("" if model == DEFAULT_MODEL else f" --model {model}")


def find_weights(model: str) -> Weights | None:
    """Return the weights of `model` if they are on this machine; None if it is a hub id and they are not.

    Raises MissingModel if `model` is neither a hub id nor a folder or file with a Stable Diffusion model.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return _check_folder(path)
    if path.is_file():
        return _find_file(path, offline=True)
    _check_hub_id(model)
    folder = _find_in_cache(model, "model_index.json")
    if folder is None or not _has_all_networks(folder):
        return None
    return _check_folder(folder)


def fetch_weights(model: str, *, offline: bool) -> Weights:
    """Return the weights of `model`, downloaded if they are not on this machine and `offline` is false.

    Raises MissingModel.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return _find_file(path, offline)
    found = find_weights(model)
    if found is not None:
        return found
    if offline:
        raise MissingModel(
            f"The weights of {model} are not on this machine, and --offline forbids to fetch them; "
            f"run once: {download_command(model)} ({describe_model(model)})."
        )
    return _check_folder(_download(model, weights=True))


def fetch_adapter(adapter: str, *, offline: bool) -> Path:
    """Return the file of an adapter (LoRA), downloaded if it is not on this machine and `offline` is false.

    `adapter` is a `.safetensors` file, a hub id, or a file in one (`owner/name/file.safetensors`). Raises MissingModel.
    """
    path = Path(adapter).expanduser()
    if path.is_file():
        _read_shapes(path)
        return path
    parts = adapter.split("/", 2)
    owner_and_name = "/".join(parts[:2])
    file = parts[2] if len(parts) > 2 else "pytorch_lora_weights.safetensors"
    if path.is_dir() or not _HUB_ID.fullmatch(owner_and_name) or not file.endswith(".safetensors"):
        raise MissingModel(f"--lora {adapter} is neither a .safetensors file nor an adapter of the hub (owner/name).")
    folder = _find_in_cache(owner_and_name, file)
    if folder is not None:
        return folder / file
    if offline:
        raise MissingModel(f"The adapter {adapter} is not on this machine, and --offline forbids to fetch it.")
    with _hub_errors(owner_and_name):
        from huggingface_hub import HfApi, hf_hub_download

        HfApi().model_info(
            owner_and_name, timeout=_ANSWER_SECONDS
        )  # without a network this fails at once, a download only after long
        return Path(hf_hub_download(owner_and_name, file))


def choose_files(names: Sequence[str], *, weights: bool = True) -> list[str]:
    """Return the files to download from a hub repository in the format of diffusers; `names` are all its files.

    They are the settings and, with `weights`, the networks as safetensors, in half precision where there is a choice.
    Empty if these make no complete model.
    """
    wanted = [name for name in names if name == "model_index.json"]
    for name in names:
        folder, _, file = name.rpartition("/")
        if folder and "/" not in folder and folder not in _NOT_FETCHED and file.endswith((".json", ".txt")):
            wanted.append(name)
    if not weights:
        return wanted
    for network in _NETWORKS:
        own = [name for name in names if re.fullmatch(rf"{network}/(model|diffusion_pytorch_model)\.[^/]*", name)]
        half = [name for name in own if name.endswith(".fp16.safetensors")]
        full = [name for name in own if re.fullmatch(r"[^.]*\.safetensors", name)]
        if own and not (half or full):
            return []
        wanted += half or full
    return wanted if any(name.startswith("unet/") and name.endswith(".safetensors") for name in wanted) else []


def set_up_hub(*, quiet: bool = False) -> None:
    """Keep the hub's library from sending usage data and, with `quiet`, from drawing progress bars.

    It does not prevent connections: only `fetch_weights` and `fetch_adapter` make any, none when called with `offline`,
    and models are always loaded with `local_files_only`.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if quiet:
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def _check_hub_id(model: str) -> None:
    """Raise MissingModel if `model` has not the form of a hub id."""
    if _HUB_ID.fullmatch(model) and not model.endswith((".safetensors", ".ckpt")):
        return
    raise MissingModel(f"The model {model} is not there: no such folder or file, and no id of the hub (owner/name).")


def _find_in_cache(model: str, file: str) -> Path | None:
    """The folder of the hub's cache that holds `file` of a model; None if there is none."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, file)
    return Path(found).parents[file.count("/")] if isinstance(found, str) else None


def _read_index(folder: Path) -> dict[str, object]:
    """The index of a model in the format of diffusers. Raises MissingModel if it is none of Stable Diffusion."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingModel(f"{folder} is no model: its model_index.json is missing or damaged.") from error
    if not isinstance(index, dict) or not _PIPELINES.fullmatch(str(index.get("_class_name"))):
        kind = index.get("_class_name") if isinstance(index, dict) else None
        raise MissingModel(f"{folder} holds a {kind}; --model takes Stable Diffusion 1, 2 or XL.")
    return index


def _has_all_networks(folder: Path) -> bool:
    """Whether every network in the model's index has its weights in the folder."""
    index = _read_index(folder)
    networks = [name for name in _NETWORKS if isinstance(index.get(name), list) and index[name] != [None, None]]
    return all(any((folder / name).glob("*.safetensors")) for name in networks)


def _check_folder(folder: Path) -> Weights:
    """The weights in a folder in the format of diffusers. Raises MissingModel if a network is missing."""
    if not _has_all_networks(folder):
        raise MissingModel(f"The model in {folder} is not whole: not every network has its .safetensors file.")
    names = [path.name for path in (folder / "unet").glob("*.safetensors")]
    return Weights(folder, None if any(".fp16." not in name for name in names) else "fp16")


def _find_file(path: Path, offline: bool) -> Weights:
    """The weights in a single file, with the folder of settings that belongs to it."""
    if path.suffix != ".safetensors":
        raise MissingModel(f"{path} is no .safetensors file; other kinds may hold code and are not opened.")
    shapes = _read_shapes(path)
    channels = (shapes.get(_UNET_INPUT) or [0, 0])[1]
    kinds = [
        settings
        for (prefix, wanted), settings in _SETTINGS_OF.items()
        if wanted == channels and any(name.startswith(prefix) for name in shapes)
    ]
    if not kinds:
        raise MissingModel(
            f"{path} is no whole model of Stable Diffusion 1, 2 (inpainting) or XL; an adapter goes to --lora."
        )
    beside = path.with_suffix("")
    if (beside / "model_index.json").is_file():
        _read_index(beside)
        return Weights(beside, file=path)
    folder = _find_in_cache(kinds[0], "model_index.json")
    if folder is None:
        if offline:
            raise MissingModel(
                f"The settings that belong to {path.name} are not on this machine; fetch them once by running "
                f"without --offline, or put the small files of {kinds[0]} into the folder {beside}."
            )
        folder = _download(kinds[0], weights=False)
    return Weights(folder, file=path)


def _read_shapes(path: Path) -> dict[str, list[int]]:
    """The names and shapes of the arrays in a `.safetensors` file, from its header alone."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length) if length <= _LONGEST_HEADER else b"")
        return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise MissingModel(f"{path} cannot be read as a .safetensors file: it is damaged or something else.") from error


def _download(model: str, *, weights: bool) -> Path:
    """The folder of the hub's cache into which a model, or its settings alone, was downloaded."""
    with _hub_errors(model):
        from huggingface_hub import HfApi, snapshot_download

        info = HfApi().model_info(model, timeout=_ANSWER_SECONDS)
        names = choose_files([file.rfilename for file in info.siblings or []], weights=weights)
        if not names:
            raise MissingModel(f"{model} holds no Stable Diffusion model as .safetensors in the format of diffusers.")
        return Path(snapshot_download(model, allow_patterns=names))


@contextmanager
def _hub_errors(model: str) -> Iterator[None]:
    """Turn the errors of the hub and of the network into MissingModel."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,  # of the library that connects, whichever it is
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise MissingModel(f"{model} is only given to people who accepted its terms on its page of the hub.") from error
    except RepositoryNotFoundError as error:
        raise MissingModel(f"The hub has no model {model}; check its name.") from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise MissingModel(f"{model} cannot be fetched: the hub does not answer. Is there a network?") from error
    except EntryNotFoundError as error:
        raise MissingModel(f"{model} on the hub holds no such file.") from error
    except HTTPError as error:
        if not isinstance(error, HfHubHTTPError):
            raise MissingModel(f"{model} cannot be fetched: the hub does not answer. Is there a network?") from error
        raise MissingModel(f"{model} cannot be fetched: the hub says {_first_line(error)}") from error
    except OSError as error:
        raise MissingModel(f"{model} cannot be fetched: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no further words"])[0]
