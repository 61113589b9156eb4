"""Finds the weights of a model on this machine, or downloads them; it never loads them.

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

from diffusion.families import FAMILIES, NAMES, STABLE_DIFFUSION_1, Family, describe_model, find_family
from edit.options import DEFAULT_MODEL
from photo.errors import MissingModel, MissingPackage

PACKAGES = ("torch", "diffusers", "transformers", "accelerate")
INSTALL = "pip install -r requirements_torch.txt -r requirements.txt"

_HUB_ID = re.compile(r"(?!.*(--|\.\.|\.git$))[A-Za-z0-9][\w.-]{0,60}/[A-Za-z0-9][\w.-]{0,60}", re.ASCII)
_WEIGHTS = re.compile(r"(model|diffusion_pytorch_model)\..*|(model|diffusion_pytorch_model)(\.fp16)?-\d+-of-\d+\..*")
_NETWORKS = {network for family in FAMILIES for network in family.networks}
_DENOISERS = {family.denoiser for family in FAMILIES}
# Of no use for parts of a face: its false alarms are many, and it is larger than most of the rest.
_NOT_FETCHED = ("safety_checker", "feature_extractor", "image_encoder")
_UNET_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
_SETTINGS = (".json", ".txt", ".jinja", ".model")
# Which of several files holds which array, in full and in half precision.
_SHARD_LISTS = (".safetensors.index.json", ".safetensors.index.fp16.json")
_LONGEST_HEADER = 100_000_000
_ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Weights:
    """The place of a model's weights: a `folder` in the format of diffusers.

    `variant` is the ending of the names of its files such as fp16, None where they have none. With `file`, a single
    `.safetensors` file, the folder holds only the settings that belong to it. `family` is the kind of model.
    """

    folder: Path
    variant: str | None = None
    file: Path | None = None
    family: Family = STABLE_DIFFUSION_1


def check_packages(names: Sequence[str] = PACKAGES, needed_by: str = "Stable Diffusion") -> None:
    """Raise MissingPackage if a package that is `needed_by` something is not installed. None is imported."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        install = INSTALL if needed_by == "Stable Diffusion" else f"pip install {missing[0]}"
        raise MissingPackage(f"{needed_by} needs the package {missing[0]}, which is not installed; run: {install}")


def download_command(model: str) -> str:
    """Return the command line that downloads a model and does nothing else."""
    return "python main.py --download_model" + ("" if model == DEFAULT_MODEL else f" --model {model}")


def find_weights(model: str) -> Weights | None:
    """Return the weights of `model` if they are on this machine; None if it is a hub id and they are not.

    Raises MissingModel if `model` is neither a hub id nor a folder or file with a model of a known family.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return _check_folder(path)
    if path.is_file():
        return _find_file(path, offline=True)
    _check_hub_id(model)
    folder = _find_in_cache(model, "model_index.json")
    if folder is None or not _has_all_networks(folder, _read_index(folder)):
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
    networks: dict[str, list[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        if not folder or "/" in folder or folder in _NOT_FETCHED:
            continue
        if file.endswith(_SETTINGS) and not file.endswith(_SHARD_LISTS):
            wanted.append(name)
        elif folder in _NETWORKS and _WEIGHTS.fullmatch(file):
            networks.setdefault(folder, []).append(name)
    if not weights:
        return wanted
    for own in networks.values():
        half = [name for name in own if re.search(r"\.fp16(-\d+-of-\d+)?\.safetensors$", name)]
        full = [name for name in own if re.fullmatch(r"[^.]*\.safetensors", name)]
        if not (half or full):
            return []
        wanted += half or full
        lists = _SHARD_LISTS[1] if half else _SHARD_LISTS[0]
        wanted += [name for name in own if name.endswith(lists)]
    return wanted if networks.keys() & _DENOISERS else []


def set_up_hub(*, quiet: bool = False) -> None:
    """Keep the libraries from sending usage data, from fetching code and, with `quiet`, from drawing progress bars.

    Attention, quantization and layers may otherwise be code of the hub ("kernels"), fetched when a model runs.

    It does not prevent connections: only `fetch_weights` and `fetch_adapter` make any, none when called with `offline`,
    and models are always loaded with `local_files_only`.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DISABLE_TELEMETRY"] = "1"
    # The libraries read these when they are imported, which is later.
    os.environ.update(
        DIFFUSERS_DISABLE_REMOTE_CODE="1", DIFFUSERS_TRUST_REMOTE_KERNELS="0", DIFFUSERS_ATTN_BACKEND="native",
        DIFFUSERS_GGUF_CUDA_KERNELS="0", USE_HUB_KERNELS="0",
    )  # fmt: skip
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
    """The index of a model in the format of diffusers. Raises MissingModel if there is none."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingModel(f"{folder} is no model: its model_index.json is missing or damaged.") from error
    return index if isinstance(index, dict) else {}


def _choose_family(folder: Path, index: dict[str, object], name: object = None) -> Family:
    """The family of a model in the format of diffusers, called `name`. Raises MissingModel if it is of none."""
    family = find_family(index, folder)
    if family is None:
        raise MissingModel(f"{name or folder} holds a {index.get('_class_name')}; --model takes {NAMES}.")
    return family


def _has_all_networks(folder: Path, index: dict[str, object]) -> bool:
    """Whether every network in the model's index has all its weights in the folder."""
    networks = _choose_family(folder, index).networks
    used = [name for name in networks if isinstance(index.get(name), list) and index[name] != [None, None]]
    return all(_is_whole(folder / name) for name in used)


def _is_whole(network: Path) -> bool:
    """Whether the weights of one network are all there; several files are named in a list beside them."""
    files = {path.name for path in network.glob("*.safetensors")}
    for path in (path for ending in _SHARD_LISTS for path in network.glob(f"*{ending}")):
        try:
            listed = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        if not listed <= files and listed & files:
            return False
    return bool(files)


def _check_folder(folder: Path) -> Weights:
    """The weights in a folder in the format of diffusers. Raises MissingModel if a network is missing."""
    index = _read_index(folder)
    family = _choose_family(folder, index)
    if not _has_all_networks(folder, index):
        raise MissingModel(f"The model in {folder} is not whole: not every network has its .safetensors file.")
    has_half_alone = any(
        all(".fp16" in path.name for path in files)
        for files in ([*(folder / name).glob("*.safetensors")] for name in family.networks)
        if files
    )
    return Weights(folder, "fp16" if has_half_alone else None, family=family)


def _find_file(path: Path, offline: bool) -> Weights:
    """The weights in a single file, with the folder of settings that belongs to it."""
    if path.suffix != ".safetensors":
        raise MissingModel(f"{path} is no .safetensors file; other kinds may hold code and are not opened.")
    shapes = _read_shapes(path)
    channels = (shapes.get(_UNET_INPUT) or [0, 0])[1]
    kinds = [
        (family, mark.settings)
        for family in FAMILIES
        for mark in family.single_files
        if mark.channels == channels and any(name.startswith(mark.prefix) for name in shapes)
    ]
    if not kinds:
        raise MissingModel(
            f"{path} is no whole model of Stable Diffusion 1, 2 (inpainting) or XL, which a single file may hold; "
            "other models come as folders, and an adapter goes to --lora."
        )
    family, settings = kinds[0]
    beside = path.with_suffix("")
    if (beside / "model_index.json").is_file():
        _choose_family(beside, _read_index(beside))
        return Weights(beside, file=path, family=family)
    folder = _find_in_cache(settings, "model_index.json")
    if folder is None:
        if offline:
            raise MissingModel(
                f"The settings that belong to {path.name} are not on this machine; fetch them once by running "
                f"without --offline, or put the small files of {settings} into the folder {beside}."
            )
        folder = _download(settings, weights=False)
    return Weights(folder, file=path, family=family)


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
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download

        info = HfApi().model_info(model, timeout=_ANSWER_SECONDS)
        if weights and any(file.rfilename == "model_index.json" for file in info.siblings or []):
            # Before tens of gigabytes are fetched for nothing.
            index = Path(hf_hub_download(model, "model_index.json"))
            _choose_family(index.parent, _read_index(index.parent), model)
        names = choose_files([file.rfilename for file in info.siblings or []], weights=weights)
        if not names:
            raise MissingModel(f"{model} holds no model as .safetensors in the format of diffusers.")
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
