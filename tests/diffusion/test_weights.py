"""Finding and fetching weights; the hub of these tests is a small server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from diffusion import weights
from diffusion.families import describe_model
from diffusion.weights import (
    Weights,
    check_packages,
    choose_files,
    fetch_adapter,
    fetch_weights,
    find_weights,
)
from edit.options import DEFAULT_MODEL
from photo.errors import MissingModel, MissingPackage

ROOT = Path(weights.__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = {
    "_class_name": "StableDiffusionInpaintPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
}


def write_folder(folder: Path, files: dict[str, bytes] | None = None, index: object = INDEX) -> Path:
    contents = {
        "model_index.json": json.dumps(index).encode(),
        "scheduler/scheduler_config.json": b"{}",
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": b"unet",
        "vae/diffusion_pytorch_model.safetensors": b"vae",
        "text_encoder/model.safetensors": b"text",
    }
    for name, content in (contents | (files or {})).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_safetensors(path: Path, shapes: dict[str, list[int]]) -> Path:
    header = json.dumps({name: {"dtype": "F16", "shape": s, "data_offsets": [0, 0]} for name, s in shapes.items()})
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode())
    return path


# ---- what is on this machine -----------------------------------------------------------------------------


def test_a_folder_is_found(tmp_path: Path) -> None:
    assert find_weights(str(write_folder(tmp_path))) == Weights(tmp_path)


def test_half_precision_is_taken_only_where_nothing_else_is(tmp_path: Path) -> None:
    half = {"unet/diffusion_pytorch_model.fp16.safetensors": b"unet"}
    folder = write_folder(tmp_path, half)
    assert find_weights(str(folder)) == Weights(folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert find_weights(str(folder)) == Weights(folder, "fp16")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ([], "None"),
        ({"_class_name": "FluxPipeline"}, "FluxPipeline"),
        (
            {"_class_name": "FluxFillPipeline"},
            r"Stable Diffusion 1, 2, XL or 3\.5, FLUX\.2 klein, Z-Image-Turbo or Qwen-",
        ),
        ({"_class_name": "QwenImageEditPipeline"}, "Stable Diffusion 1, 2, XL"),
    ],
)
def test_a_folder_with_something_else_is_refused(tmp_path: Path, index: object, words: str) -> None:
    with pytest.raises(MissingModel, match=words):
        find_weights(str(write_folder(tmp_path, index=index)))


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match=r"model_index\.json"):
        find_weights(str(tmp_path))


def test_a_model_with_a_part_missing_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").rename(folder / "vae" / "diffusion_pytorch_model.bin")
    with pytest.raises(MissingModel, match="not whole"):
        find_weights(str(folder))


@pytest.mark.parametrize("name", ["./nothing", "no/such/folder", "nothing", "~/nothing", "a/b.safetensors", "a/b.ckpt"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(MissingModel, match="not there"):
        find_weights(name)


@pytest.mark.parametrize("content", [b"", b"no model", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(MissingModel, match=r"model\.safetensors"):
        find_weights(str(path))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"anything")
    with pytest.raises(MissingModel, match="may hold code"):
        find_weights(str(path))


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "lora.safetensors", {"lora_unet_down.lora_up.weight": [320, 4]})
    with pytest.raises(MissingModel, match="--lora"):
        find_weights(str(path))
    assert fetch_adapter(str(path), offline=True) == path


def test_a_single_file_takes_its_settings_from_the_folder_beside_it(tmp_path: Path) -> None:
    path = write_safetensors(
        tmp_path / "model.safetensors",
        {"model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3], "cond_stage_model.transformer.x": [1]},
    )
    with pytest.raises(MissingModel, match=DEFAULT_MODEL):
        find_weights(str(path))
    folder = write_folder(tmp_path / "model")
    assert find_weights(str(path)) == Weights(folder, file=path)


@pytest.mark.parametrize("name", ["nothing", "a/b/c.bin", "./lora.safetensors"])
def test_an_adapter_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(MissingModel, match="--lora"):
        fetch_adapter(name, offline=True)


def test_missing_packages_are_named_with_what_to_run() -> None:
    with pytest.raises(MissingPackage, match=r"not_a_package.*pip install -r requirements_torch\.txt"):
        check_packages(["numpy", "not_a_package"])


# ---- what is fetched -------------------------------------------------------------------------------------

REPOSITORY = [
    "README.md", "model_index.json", "sd-v1-5-inpainting.ckpt", "config.json", "scheduler/scheduler_config.json",
    "tokenizer/vocab.json", "tokenizer/merges.txt", "unet/config.json", "vae/config.json", "text_encoder/config.json",
    "unet/diffusion_pytorch_model.bin", "unet/diffusion_pytorch_model.fp16.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors",
    "vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.non_ema.safetensors",
    "text_encoder/model.safetensors", "safety_checker/config.json", "safety_checker/model.fp16.safetensors",
    "feature_extractor/preprocessor_config.json",
]  # fmt: skip


def test_only_what_is_needed_is_fetched() -> None:
    assert set(choose_files(REPOSITORY)) == {
        "model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt",
        "unet/config.json", "vae/config.json", "text_encoder/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.safetensors",
    }  # fmt: skip


def test_the_settings_alone_hold_no_weights() -> None:
    assert not [name for name in choose_files(REPOSITORY, weights=False) if name.endswith((".safetensors", ".bin"))]


def test_a_repository_of_pickles_is_not_fetched() -> None:
    assert choose_files([name for name in REPOSITORY if not name.endswith(".safetensors")]) == []
    assert choose_files(["README.md"]) == []


def test_the_default_model_is_described() -> None:
    assert "2.1 GB" in describe_model(DEFAULT_MODEL) and "OpenRAIL" in describe_model(DEFAULT_MODEL)


def test_offline_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(weights, "_find_in_cache", lambda *_: None)
    monkeypatch.setattr(weights, "_download", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(MissingModel, match=r"--download_model --model some/model"):
        fetch_weights("some/model", offline=True)
    with pytest.raises(MissingModel, match="--offline"):
        fetch_adapter("some/adapter", offline=True)


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for; `files` of the one repository `some/model`."""

    files: dict[str, bytes]
    asked: list[str]
    agents: list[str]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        self.agents.append(self.headers.get("User-Agent", ""))
        headers = {"X-Repo-Commit": COMMIT}
        if path.startswith("/api/models/some/model"):
            siblings = [{"rfilename": name} for name in self.files]
            body = json.dumps({"id": "some/model", "sha": COMMIT, "siblings": siblings}).encode()
            if "/tree/" in path:
                entries = [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in self.files.items()
                ]
                body = json.dumps(entries).encode()
        elif path.startswith("/some/model/resolve/") and path.split("/", 5)[5] in self.files:
            body = self.files[path.split("/", 5)[5]]
            headers["ETag"] = f'"{hashlib.sha1(body).hexdigest()}"'
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads a log here."""


@pytest.fixture
def hub(tmp_path: Path, tiny_model: Path) -> Iterator[tuple[str, type[Hub]]]:
    """The address of a hub that has the tiny model as `some/model`, and its records."""
    names = [path for path in tiny_model.rglob("*") if path.is_file()]
    files = {path.relative_to(tiny_model).as_posix(): path.read_bytes() for path in names}
    files |= {"README.md": b"a model", "unet/diffusion_pytorch_model.bin": b"a pickle"}
    handler = type("OwnHub", (Hub,), {"files": files, "asked": [], "agents": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


def download(tmp_path: Path, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, whose hub is at `address` and whose cache is below `tmp_path`."""
    hidden = {"HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, str(ROOT / "main.py"), "--download_model", *arguments]
    return subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_model_is_downloaded_once_and_then_found_offline(tmp_path: Path, hub: tuple[str, type[Hub]]) -> None:
    address, records = hub
    done = download(tmp_path, address, "--model", "some/model")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1].removeprefix("On this machine: "))
    assert find_weights(str(folder)) == Weights(folder)
    assert not list(folder.rglob("*.bin")) and not (folder / "README.md").exists()
    assert not [path for path in records.asked if "telemetry" in path]

    records.asked.clear()
    again = download(tmp_path, address, "--model", "some/model", "--offline", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert records.asked == []


def test_what_the_hub_does_not_have_gets_one_sentence(tmp_path: Path, hub: tuple[str, type[Hub]]) -> None:
    address, _ = hub
    done = download(tmp_path, address, "--model", "some/other")
    assert done.returncode == 2
    assert done.stderr == "error: The hub has no model some/other; check its name.\n"


def test_no_network_gets_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    done = download(tmp_path, "http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "Is there a network?" in done.stderr
    assert len(done.stderr.splitlines()) == 1
