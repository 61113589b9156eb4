"""Whatever the disk does, a result is there whole or not at all, and no photo that was read is lost to it."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import main
from photo.encode import Encoded, encode_photo, is_whole
from photo.errors import UnwritablePhoto
from photo.files import load_photo, save_photo
from photo.formats import BY_NAME, FORMATS
from photo.saving import Saving
from photo.types import Photo
from photo.writing import Originals, check_writable, write_whole

ROOT = Path(main.__file__).parent
NOISE = np.random.default_rng(5).integers(0, 256, (96, 128, 3), np.uint8)
DEEP = NOISE.astype(np.uint16) * np.uint16(257)
ALPHA = np.full(NOISE.shape[:2], 200, np.uint8)
ENDINGS = {format_name: ending for ending, format_name in FORMATS.items()}
# By the ending: a photo of 10 to 100 KB in every way there is to write it; plain ones in every format of the program.
WAYS = {
    **{f"plain{ending}": Photo(NOISE) for ending in ENDINGS.values()},
    "alpha.png": Photo(NOISE, alpha=ALPHA),
    "gray.tif": Photo(NOISE, native=NOISE[..., 0]),
    "deep.png": Photo(NOISE, native=DEEP),
    "deep.tif": Photo(NOISE, native=DEEP),
    "deep_alpha.tif": Photo(NOISE, native=DEEP, alpha=ALPHA),
}
every_way = pytest.mark.parametrize("name", WAYS)


def encode(name: str) -> bytes:
    return encode_photo(FORMATS[Path(name).suffix], NOISE, WAYS[name]).data


def cut_points(name: str) -> list[int]:
    """Where a file of so many bytes may be cut: at both ends, and anywhere between."""
    size = len(encode(name))
    return [0, 1, size - 1, *np.random.default_rng(len(name)).integers(2, size - 1, 4).tolist()]


# ---- a disk that fails -----------------------------------------------------------------------------------


class _Disk(io.FileIO):
    """A file on a disk that goes wrong after so many bytes."""

    def __init__(self, path: Path, fault: str, good: int) -> None:
        super().__init__(path, "xb")
        self.fault, self.good = fault, good

    def write(self, data: Any) -> int:
        block = bytes(data)
        room = max(self.good - self.tell(), 0)
        if self.fault == "takes little at a time":
            return super().write(block[:997])
        if self.fault == "is full":
            if not room:
                raise OSError(28, "No space left on device")
            return super().write(block[:room])
        if self.fault == "forgets the rest":
            super().write(block[:room])
            return len(block)
        if self.fault == "turns a bit" and 0 <= room < len(block):
            block = block[:room] + bytes([block[room] ^ 4]) + block[room + 1 :]
        return super().write(block)


@pytest.fixture
def break_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Has every new file go wrong from now on, in one way and after so many bytes."""
    really_open = Path.open

    def break_it(fault: str, good: int) -> None:
        def open_(path: Path, mode: str = "r", *arguments: Any) -> Any:
            if mode == "xb":
                return io.BufferedWriter(_Disk(path, fault, good))
            return really_open(path, mode, *arguments)

        monkeypatch.setattr(Path, "open", open_)

    return break_it


@every_way
@pytest.mark.parametrize("fault", ["is full", "forgets the rest", "turns a bit"])
def test_a_disk_that_fails_anywhere_leaves_the_old_file(
    tmp_path: Path, break_disk: Callable[[str, int], None], name: str, fault: str
) -> None:
    target = tmp_path / name
    target.write_bytes(b"old")
    for good in cut_points(name):
        break_disk(fault, good)
        with pytest.raises(UnwritablePhoto, match="cannot be written: ") as caught:
            save_photo(NOISE, WAYS[name], target)
        assert str(target) in str(caught.value) and "\n" not in str(caught.value)
        assert ("no space left" if fault == "is full" else "reads back otherwise") in str(caught.value)
        assert target.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [target]


@every_way
def test_a_disk_that_takes_little_at_a_time_gets_all(
    tmp_path: Path, break_disk: Callable[[str, int], None], name: str
) -> None:
    break_disk("takes little at a time", 0)
    save_photo(NOISE, WAYS[name], tmp_path / name)
    assert (tmp_path / name).read_bytes() == encode(name)


def test_a_disk_that_cannot_store_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    target = tmp_path / "plain.jpg"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UnwritablePhoto, match="input/output error"):
        save_photo(NOISE, WAYS["plain.jpg"], target)
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@every_way
def test_the_system_stops_a_write_short(tmp_path: Path, name: str) -> None:
    """The limit of a process for its files does to every writer, Pillow's own included, what a full disk does."""
    resource = pytest.importorskip("resource")
    target = tmp_path / name
    target.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for size in cut_points(name)[1:]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
            with pytest.raises(UnwritablePhoto, match="cannot be written: file too large"):
                save_photo(NOISE, WAYS[name], target)
            assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.fixture(params=["ext2", "tmpfs"])
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The folder of a file system of 400 KB; only root may make one."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mkfs.ext2") is None:
        pytest.skip("only root makes a file system, and only with mkfs.ext2")
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(folder)]
    if request.param == "ext2":
        image.write_bytes(bytes(400 * 1024))
        subprocess.run(["mkfs.ext2", "-q", "-m", "0", str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@every_way
def test_a_full_disk_leaves_the_photo(small_disk: Path, name: str) -> None:
    photo = small_disk / name
    photo.write_bytes(encode(name))
    before = photo.read_bytes()
    allowed = Originals(overwrite=True)
    refused = 0
    loaded = load_photo(photo)
    edited = loaded.pixels ^ np.uint8(1)
    for free in (4, 8, 20, 36, 44):
        if free * 1024 >= len(before):
            continue
        filler = small_disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(1024)):
                pass
        os.truncate(filler, filler.stat().st_size - free * 1024)
        with pytest.raises(UnwritablePhoto, match="no space left"):
            save_photo(edited, loaded, photo, allowed)
        refused += 1
        assert photo.read_bytes() == before
        assert sorted(path.name for path in small_disk.iterdir() if path.name != "lost+found") == sorted(
            ["filler", name]
        )
        filler.unlink()
    assert refused
    save_photo(edited, loaded, photo, allowed)
    assert photo.read_bytes() != before


# ---- an encoder that stops ---------------------------------------------------------------------------------


@every_way
def test_what_an_encoder_left_out_is_noticed(name: str) -> None:
    data, format_name = encode(name), FORMATS[Path(name).suffix]
    assert is_whole(format_name, data)
    for size in cut_points(name):
        assert not is_whole(format_name, data[:size])


def test_an_encoder_that_stops_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(_: object, file: io.BytesIO, *arguments: object, **extras: object) -> None:
        file.write(encoded[:5000])

    encoded = encode("plain.jpg")
    target = tmp_path / "plain.jpg"
    target.write_bytes(b"old")
    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(UnwritablePhoto, match="encoder stopped before the end"):
        save_photo(NOISE, Photo(NOISE), target)
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


EXACT = [name for name in WAYS if BY_NAME[FORMATS[Path(name).suffix]].is_exact]
SHADES = np.add.outer(np.arange(96) * 2, np.arange(128)).astype(np.uint8)[..., None] // np.array([1, 2, 3], np.uint8)


def give(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Let the encoder make these bytes of any photo."""

    def encode_edited(format_name: str, pixels: Any, photo: Photo, _: Saving) -> Encoded:
        return replace(encode_photo(format_name, pixels, photo), data=data)

    monkeypatch.setattr("photo.files.encode_edited", encode_edited)


def refuses(photo: Photo, target: Path, words: str) -> None:
    target.write_bytes(b"old")
    with pytest.raises(UnwritablePhoto, match=words):
        save_photo(photo.pixels, photo, target)
    assert target.read_bytes() == b"old" and list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("name", [name for name in WAYS if name.endswith(".png")])
def test_what_cannot_be_decoded_replaces_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(name)
    damaged = data[: len(data) // 2] + bytes(len(data) // 4) + data[len(data) // 2 + len(data) // 4 :]
    assert is_whole("PNG", damaged)  # the end alone tells nothing
    give(monkeypatch, damaged)
    refuses(WAYS[name], tmp_path / name, "encoder made (a file that cannot be decoded|another picture)")


@pytest.mark.parametrize("ending", ENDINGS.values())
def test_a_picture_of_another_size_replaces_nothing(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smaller = np.ascontiguousarray(NOISE[:64])
    give(monkeypatch, encode_photo(FORMATS[ending], smaller, Photo(smaller)).data)
    refuses(Photo(NOISE), tmp_path / f"photo{ending}", "encoder made a picture of another size")


@every_way
def test_a_picture_that_lacks_a_part_replaces_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, lacking = SHADES.astype(np.uint8), SHADES.astype(np.uint8)
    lacking[80:] = 128  # what decoders put where nothing is
    kind = WAYS[name]
    photos = [
        Photo(
            pixels, alpha=kind.alpha, native=None if kind.native is None else pixels.astype(np.uint16) * np.uint16(257)
        )
        for pixels in (whole, lacking)
    ]
    give(monkeypatch, encode_photo(FORMATS[Path(name).suffix], lacking, photos[1]).data)
    refuses(photos[0], tmp_path / name, "encoder made another picture")


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("where", ["colour", "alpha"])
def test_a_single_wrong_bit_replaces_nothing_where_none_may_change(
    name: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, format_name = WAYS[name], FORMATS[Path(name).suffix]
    if where == "alpha" and kind.alpha is None:
        return
    pixels, alpha = NOISE, None if kind.alpha is None else kind.alpha.copy()
    native = None if kind.native is None else kind.native.copy()
    if where == "alpha" and alpha is not None:
        alpha[-1, -1] ^= 1
    elif native is not None:
        native[-1, -1] ^= 1
    else:
        pixels = NOISE.copy()
        pixels[-1, -1, 1] ^= 1
    give(monkeypatch, encode_photo(format_name, pixels, Photo(pixels, alpha=alpha, native=native)).data)
    refuses(kind, tmp_path / name, "encoder made another picture")


@pytest.mark.parametrize(
    "pixels", [NOISE, SHADES.astype(np.uint8), NOISE[:1, :1], NOISE[:3, :90]], ids=["noise", "shades", "dot", "strip"]
)
@pytest.mark.parametrize("ending", ENDINGS.values())
def test_what_the_encoders_make_passes(ending: str, pixels: Any, tmp_path: Path) -> None:
    pixels = np.ascontiguousarray(pixels)
    save_photo(pixels, Photo(pixels), tmp_path / f"photo{ending}")
    gray = np.ascontiguousarray(pixels[..., :1].repeat(3, axis=2))
    save_photo(gray, Photo(gray, native=gray[..., 0]), tmp_path / f"gray{ending}", saving=Saving(quality=1))


@pytest.mark.parametrize("ending", [ending for name, ending in ENDINGS.items() if BY_NAME[name].has_quality])
@pytest.mark.parametrize("kind", ["plain", "deep"])
def test_a_quality_decides_how_large_the_file_is(ending: str, kind: str, tmp_path: Path) -> None:
    if ending in (".heic", ".hif"):
        pytest.importorskip("pillow_heif")
    pixels = SHADES.astype(np.uint8) + NOISE // 16
    native = pixels.astype(np.uint16) * np.uint16(257) if kind == "deep" else None
    photo = Photo(pixels, native=native, format="HEIF" if kind == "deep" else "PNG")
    target, sizes = tmp_path / f"photo{ending}", {}
    for quality in (20, 60, 90):
        save_photo(pixels, photo, target, saving=Saving(quality=quality))
        sizes[quality] = target.stat().st_size
        assert np.abs(load_photo(target).pixels.astype(int) - pixels).mean() < 16
    assert sizes[20] < sizes[60] < sizes[90]


# ---- a run that was killed ---------------------------------------------------------------------------------


WRITE_AND = """
import os, signal, sys, time
from pathlib import Path
from photo.writing import Originals, write_whole

fsync = os.fsync

def stop(descriptor):
    os.kill(os.getpid(), signal.SIGKILL)

def wait(descriptor):
    print("writing", flush=True)
    sys.stdin.readline()
    os.fsync = fsync

os.fsync = {then}
write_whole(Path(sys.argv[1]), b"of the other run", Originals())
"""


def start_writing(target: Path, then: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITE_AND.format(then=then), str(target)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def parts(folder: Path) -> list[Path]:
    return list(folder.glob(".*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_what_a_killed_run_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    target = tmp_path / "target.png"
    with start_writing(target, "stop"):
        pass
    (left,) = parts(tmp_path)
    assert left.read_bytes() == b"of the other run" and not target.exists()
    others = [tmp_path / name for name in (".of-somebody-else.part", f"{left.name}.old", f"x{left.name}")]
    for other in others:
        other.write_bytes(b"not ours")
    write_whole(tmp_path / "another.png", b"new", Originals())
    assert not left.exists() and all(other.exists() for other in others)
    assert (tmp_path / "another.png").read_bytes() == b"new" and not target.exists()


def test_what_a_running_process_writes_is_left_to_it(tmp_path: Path) -> None:
    target = tmp_path / "target.png"
    with start_writing(target, "wait") as other:
        assert other.stdout is not None and other.stdout.readline() == "writing\n"
        (own,) = parts(tmp_path)
        write_whole(target, b"new", Originals())
        assert parts(tmp_path) == [own] and target.read_bytes() == b"new"
        other.communicate("go on\n", timeout=30)
    assert other.returncode == 0
    assert target.read_bytes() == b"of the other run" and not parts(tmp_path)


@pytest.mark.posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_told_to_end_while_it_writes_ends_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    def fsync(_: int) -> None:
        signal.raise_signal(signal.Signals[name])

    before = signal.signal(signal.Signals[name], stop)
    monkeypatch.setattr(os, "fsync", fsync)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_whole(tmp_path / "target.png", b"new", Originals())
    finally:
        signal.signal(signal.Signals[name], before)
    assert (tmp_path / "target.png").read_bytes() == b"new" and not parts(tmp_path)


# ---- the photos that were read -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "link.png"])
def test_a_photo_that_another_program_changed_meanwhile_stays_as_that_left_it(tmp_path: Path, name: str) -> None:
    photo = tmp_path / name.replace("link", "photo")
    Image.fromarray(NOISE).save(photo)
    loaded = load_photo(photo)
    if name.startswith("link"):
        (tmp_path / name).symlink_to(photo)
    changed = photo.read_bytes() + b"by another program"
    photo.write_bytes(changed)
    with pytest.raises(UnwritablePhoto, match="changed by another program meanwhile"):
        save_photo(loaded.pixels ^ np.uint8(1), loaded, tmp_path / name, Originals(overwrite=True))
    assert photo.read_bytes() == changed and not parts(tmp_path)
    save_photo(loaded.pixels ^ np.uint8(1), loaded, tmp_path / "result.png")
    photo.unlink()
    save_photo(loaded.pixels ^ np.uint8(1), loaded, photo)  # nothing is lost then


def test_a_photo_that_was_read_is_found_by_every_name(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"read")
    (tmp_path / "inner").mkdir()
    (tmp_path / "soft.png").symlink_to(photo)
    os.link(photo, tmp_path / "hard.png")
    originals = Originals((("a reference photo", photo), ("a reference photo", tmp_path / "gone.png")))
    names = [photo, tmp_path / "soft.png", tmp_path / "hard.png", tmp_path / "inner" / ".." / "photo.png"]
    if (tmp_path / "PHOTO.png").exists():  # a file system that does not tell them apart
        names.append(tmp_path / "PHOTO.png")
    for name in names:
        for refuse in (check_writable, lambda path, known: write_whole(path, b"new", known)):
            with pytest.raises(UnwritablePhoto, match=r"is a reference photo; .*--overwrite"):
                refuse(name, originals)
            with pytest.raises(UnwritablePhoto, match="which --report never replaces"):
                refuse(name, Originals(originals.photos, overwrite=True).but_never_by("--report"))
        assert photo.read_bytes() == b"read"
    write_whole(tmp_path / "other.png", b"new", originals)
    write_whole(photo, b"new", Originals(originals.photos, overwrite=True))
    assert photo.read_bytes() == b"new"


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, the current one, with photos without a face in it, and links to them."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "refs/draft.png", "refs/eyes_mask.png", "burst/1.png", "burst/2.png", "values.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(NOISE + np.uint8(len(name))).save(path, "PNG")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").symlink_to(tmp_path / "refs" / "draft.png")
    os.link(tmp_path / "refs" / "draft.png", tmp_path / "hard.png")
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(tmp_path / name, tmp_path / "in" / name)
    (tmp_path / "in" / "c.png").symlink_to(tmp_path / "kept.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "kept.png")
    (tmp_path / "masks" / "b.png").mkdir(parents=True)
    (tmp_path / "masks" / "b.png" / "mouth_mask.png").symlink_to(tmp_path / "in" / "a.png")
    return tmp_path


def look(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


REFS = ("--reference_path", "refs")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-i", "a.png", "-o", "a.png"), "a.png is the input photo itself; name another file, or allow --overwrite"),
        (("-i", "a.png", "-o", "refs/draft.png", *REFS), "is a reference photo; name another file, or allow"),
        (("-i", "a.png", "-o", "b.png", "--reference_path", "b.png"), "b.png is a reference photo"),
        (("-i", "a.png", "-o", "refs/../b.png", "--reference_path", "b.png"), "is a reference photo"),
        (("-i", "a.png", "-o", "hard.png", *REFS), "hard.png is a reference photo"),
        (("-i", "a.png", "-o", "c.png", "--masks_dir", "refs", *REFS), "which --masks_dir never replaces"),
        (("-i", "a.png", "-o", "c.png", "--masks_dir", "refs", "--overwrite", *REFS), "which --masks_dir never"),
        (("-i", "refs/draft.png", "-o", "c.png", "--masks_dir", "refs"), "the input photo itself, which --masks_dir"),
        (("-i", "a.png", "-o", "c.png", "--report", "values.json", "--reference_path", "values.json"), "--report nev"),
        (("-i", "a.png", "-o", "hard.png", "--analyze", "--overwrite", *REFS), "which --analyze never replaces"),
        (("--burst", "burst", "-o", "burst/2.png"), "2.png is the input photo itself"),
        (("--burst", "burst", "-i", "a.png", "-o", "a.png"), "a.png is the input photo itself"),
        (("--burst", "burst", "-o", "c.png", "--contact_sheet", "burst/../burst/1.png", "--overwrite"), "_sheet never"),
        (("--burst", "burst", "-i", "a.png", "-o", "c.png", "--contact_sheet", "a.png"), "--contact_sheet never"),
        (("-i", "in", "-o", "out", *REFS), "out/b.png is a reference photo; name another file, or allow"),
        (("-i", "in", "-o", "new", "--masks_dir", "masks"), "mouth_mask.png is the input photo itself, which --masks"),
    ],
)  # fmt: skip
def test_nothing_that_is_read_is_written_and_that_is_said_before_any_work(
    album: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    def work(*_: object) -> None:
        raise AssertionError("work began")

    before = look(album)
    monkeypatch.setattr("retouch.files.load_photo", work)
    assert main.main([*arguments, "--engine", "draft"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and len(shown.err.splitlines()) == 1
    assert re.match(f"error: .*{re.escape(words)}", shown.err)
    assert look(album) == before


def test_a_result_of_an_earlier_run_is_no_original(album: Path) -> None:
    (album / "out" / "b.png").unlink()
    arguments = ["-i", "in", "-o", "out", "--quiet", "--masks_dir", "new", "--engine", "draft", "--report", "r.json"]
    for _ in range(2):
        assert main.main([*arguments, "--copy_unchanged", *REFS]) == 0


def test_overwrite_lets_the_result_replace_a_reference(album: Path) -> None:
    arguments = ["-i", "a.png", "-o", "b.png", "--reference_path", "b.png", "--overwrite", "--engine", "draft"]
    assert main.main([*arguments, "--quiet"]) == 0
    assert (album / "b.png").read_bytes() == (album / "a.png").read_bytes()
