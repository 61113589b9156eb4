"""The command line, as a person meets it: mostly the real program in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import main
from benchmark.synthetic_blink import close_eyes
from edit.command_line import build_parser
from edit.flags import list_flags
from edit.options import (
    EYE_COLORS,
    GROUPS,
    DiffusionOptions,
    EyeOptions,
    Options,
    ReferenceOptions,
    SmileOptions,
    Wish,
    options_from_flags,
)
from face.search import find_faces
from library.store import Library, PhotoRecord
from photo.errors import UnreadablePhoto
from photo.files import load_photo
from photo.missing import explain_missing_package
from photo.types import Photo
from render.eyeball import IRIS_COLORS
from tests.support.donor_photos import make_moments
from tests.support.photos import PORTRAITS

ROOT = Path(main.__file__).parent
SAMPLE = ROOT / "data" / "inputs" / "image_1.jpg"
"""The sample with closed eyes and an unsmiling mouth."""

# No test of this file asks a hub, or finds weights that happen to be on this machine.
NO_HUB = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(Path(tempfile.gettempdir()) / "no-such-hub")}

HEAVY = ("cv2", "numpy", "PIL", "mediapipe", "torch", "diffusers", "transformers", "accelerate", "gradio", "tqdm")


def run(*arguments: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line and check its exit code, and that no traceback is ever shown."""
    command = [sys.executable, str(ROOT / "main.py"), *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **NO_HUB}, capture_output=True, text=True, encoding="utf-8", timeout=120,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    return done


def fail(*arguments: object, cwd: Path) -> str:
    """Run the command line on bad input; return its one sentence. Nothing may be written."""
    before = sorted(cwd.rglob("*"))
    done = run(*arguments, cwd=cwd, code=2)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert sorted(cwd.rglob("*")) == before
    return lines[0]


def save_scene(path: Path, height: int = 120, width: int = 160) -> Path:
    """A photo without a face: a soft gradient."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def read_rgb(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(path).convert("RGB"))


# ---- help and usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    script = (
        "import sys, main\n"
        f"try: main.main([{flag!r}])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_the_defaults_are_those_of_options() -> None:
    parsed = vars(build_parser().parse_args([]))
    default = Options()
    for group in (default, *(getattr(default, name) for name in GROUPS)):
        flags = {name: flag for name, flag, _ in list_flags(group)}
        single_faces_and_groups = {"choices", *GROUPS}  # these have no flag of their own
        assert set(flags) == {field.name for field in fields(group)} - single_faces_and_groups
        assert {name: parsed[flag.dest] for name, flag in flags.items()} == {
            name: getattr(group, name) for name in flags
        }
    assert options_from_flags(parsed) == default


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("--eyes", Options(eyes=EyeOptions(Wish.AUTO))),
        ("--eyes always --smile Never", Options(eyes=EyeOptions(Wish.ALWAYS), smile=SmileOptions(Wish.NEVER))),
        ("--eyes auto --no-smile", Options(smile=SmileOptions(Wish.NEVER))),
        ("--smile always --no-eyes", Options(eyes=EyeOptions(Wish.NEVER), smile=SmileOptions(Wish.ALWAYS))),
        ("--no-eyes --eyes --seed 3", Options(seed=3)),
        ("--eye_opening 1 --eye_color Blue", Options(eyes=EyeOptions(opening=1.0, color="blue"))),
        ("--faces 3,1,3 --smile_from_reference", Options(faces=(1, 3), smile=SmileOptions(from_reference=True))),
        ("--reference_face 2 --min_resemblance 0", Options(reference=ReferenceOptions(2), min_resemblance=0.0)),
        ("--strength 0.7 --offline", Options(diffusion=DiffusionOptions(strength=0.7, offline=True))),
    ],
)
def test_each_flag_sets_its_own_option(arguments: str, options: Options) -> None:
    parsed = build_parser().parse_args(arguments.split())
    assert options_from_flags(vars(parsed)) == options


def test_the_eye_colors_are_those_that_can_be_painted() -> None:
    assert set(EYE_COLORS) == set(IRIS_COLORS)


@pytest.mark.parametrize(("text", "color"), [("Brown", "brown"), ("gray", "grey"), ("#6B4A2F", "#6b4a2f")])
def test_eye_colors_are_taken_as_people_write_them(text: str, color: str) -> None:
    assert build_parser().parse_args(["--eye_color", text]).eye_color == color


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name a photo, such as: python main.py photo.jpg"),
        (("--input_path", ""), "names no file"),
        (("--nonsense",), "there is no flag --nonsense"),
        (("--qqq",), "there is no flag --qqq (--help lists every option)"),
        (("--input-path", "scene.png"), "there is no flag --input-path; did you mean --input_path?"),
        (("-i", "scene.png", "--smile_strenght=0.3"), "no flag --smile_strenght; did you mean --smile_strength?"),
        (("-i", "scene.png", "--no_smile"), "did you mean --no-smile?"),
        (("-i", "scene.png", "-Analyse"), "there is no flag -Analyse; did you mean --analyze?"),
        (("my", "scene.png"), "my does not exist; check the name, and put it in quotes where it holds a space"),
        (("-i", "my", "scene.png"), "in quotes where it holds a space"),
        (("scene.png", "--smile_strenght", "0.3"), "no flag --smile_strenght; did you mean --smile_strength?"),
        (("scene.png", "--faces", "3-1"), "such as 1,3 or 1-3"),
        (("scene.png", "--faces", "1-99999999999"), "such as 1,3 or 1-3"),
        (("scene.png", "--format", "jpx"), "--format must be one of avif, bmp, "),
        (("scene.png", "-o", "out.png", "--format", "jpg"), "--format has no effect: the ending of out.png"),
        (("scene.png", "--recursive"), "--recursive has no effect without a folder"),
        (("scene.png", "--workers", "2"), "--workers has no effect without a folder, or several photos"),
        (("scene.png", "--workers", "0"), "takes a number from 1 to 64"),
        (("scene.png", "--retry_failed"), "--retry_failed has no effect without a folder, or several photos"),
        (("no_photos", "scene.png", "--retry_failed"), "--retry_failed finds no journal in data"),
        (("scene.png", "scene.png", "-o", "out.png"), "out.png names one photo; --output_path must be a folder"),
        ((".", "-o", "out.jpg"), "out.jpg names one photo; --output_path must be a folder"),
        ((".", "-o", "scene.png"), "scene.png is a file; --output_path must be a folder"),
        (("scene.png", "--smile_from_reference"), "--smile_from_reference has no effect without other photos"),
        (("scene.png", "--reference_face", "1"), "--reference_face has no effect without other photos"),
        (("scene.png", "--engine", "draft", "--steps", "25"), "--steps has no effect with --engine draft"),
        (("scene.png", "--engine", "draft", "--strength", "0.5"), "--strength has no effect with --engine draft"),
        (("scene.png", "--analyze", "--lora", "x"), "--lora has no effect with --analyze"),
        (("scene.png", "--analyze", "--format", "jpg"), "--format has no effect with --analyze"),
        (("scene.png", "--no-smile", "--smile_strength", "1"), "has no effect where nobody is made to smile"),
        (("scene.png", "--no-eyes", "--eye_color", "blue"), "has no effect where no eyes are opened"),
        (("scene.png", "--library", "nowhere"), "There is no library at nowhere; make one with --index FOLDER"),
        (("scene.png", "--library", "text.jpg"), "text.jpg is no photo library, or it is damaged"),
        (("scene.png", "--library", "nowhere", "--no-library"), "--library has no effect with --no-library"),
        (("--index", "nowhere", "--library", "new"), "nowhere is no folder; name one that holds photos"),
        (("--index", "scene.png", "--library", "new"), "scene.png is no folder; name one that holds photos"),
        (("--index", ".", "--library", "text.jpg"), "text.jpg is no photo library, or it is damaged"),
        (("--index", ".", "--library", "no_photos"), "The library no_photos cannot be used"),
        (("scene.png", "--index", "no_photos"), "fix no photo; leave the photo away"),
        (("--library_info", "--library", "nowhere"), "There is no library at nowhere"),
        (("--forget", ".", "--library", "nowhere"), "There is no library at nowhere"),
        (("--forget", ".", "--library", "text.jpg"), "text.jpg is no photo library, or it is damaged"),
        (("scene.png", "--port", "7860"), "--port has an effect with --gradio alone"),
        (("--gradio", "-o", "x.png"), "--output_path does not go with --gradio"),
        (("--engine", "magic"), "magic"),
        (("--input_path", "scene.png", "--strength", "0"), "--strength must be above 0"),
        (("--input_path", "scene.png", "--strength", "1.1"), "--strength must lie between 0 and 1"),
        (("--input_path", "scene.png", "--steps", "0"), "--steps must lie between 1"),
        (("--input_path", "scene.png", "--guidance", "nan"), "--guidance must lie between 0"),
        (("--input_path", "scene.png", "--scheduler", "magic"), "magic"),
        (("--input_path", "scene.png", "--tile_size", "100"), "--tile_size must be a multiple of 8"),
        (("--input_path", "scene.png", "--tile_size", "512", "--overlap", "300"), "half of --tile_size"),
        (("--input_path", "scene.png", "--retries", "-1"), "--retries must lie between 0"),
        (("--input_path", "scene.png", "--device", "toaster"), "--device must be auto"),
        (("--gradio", "--port", "0"), "between 1 and 65535"),
        (("--gradio", "--auth", "nobody"), "a name and a password"),
        (("--gradio", "--input_path", "scene.png"), "leave --input_path away"),
        (("--input_path", "scene.png", "--smile_strength", "1.5"), "--smile_strength must lie between 0 and 1"),
        (("scene.png", "--quality", "80"), "--quality has no effect on .png files"),
        (("cut.jpg", "--format", "tif", "--quality", "80"), "--quality has no effect on .tif files"),
        (("--burst", ".", "--quality", "80"), "--quality has no effect on .png files"),
        (("--input_path", "scene.png", "--eye_opening", "-0.1"), "--eye_opening must lie between 0 and 1"),
        (("--input_path", "scene.png", "--min_resemblance", "2"), "--min_resemblance must lie between 0 and 1"),
        (("--input_path", "scene.png", "--eye_opening", "nan"), "--eye_opening must lie between 0 and 1"),
        (("--input_path", "scene.png", "--smile_strength", "much"), "much"),
        (("--input_path", "scene.png", "--eye_color", "pink"), "--eye_color must be brown"),
        (("--input_path", "scene.png", "--eye_color", "#12345"), "--eye_color must be brown"),
        (("--input_path", "scene.png", "--faces", "one"), "such as 1,3"),
        (("--input_path", "scene.png", "--eyes", "sometimes"), "takes auto, always or never, not 'sometimes'"),
        (("--input_path", "scene.png", "--smile", ""), "takes auto, always or never"),
        (("--input_path", "scene.png", "--reference_face", "0"), "--reference_face takes the number of a face"),
        (("--input_path", "scene.png", "--model", " "), "--model names no model"),
        (("--input_path", "scene.png", "--faces", "0"), "counted from 1"),
        (("--input_path", "scene.png", "--faces", "2"), "--faces names face 2, but scene.png has 0"),
        (("--input_path", "scene.png", "--report", "values.txt"), "ends in .json"),
        (("--input_path", "missing.jpg"), "missing.jpg"),
        (("--input_path", "no/such/folder/"), "no/such/folder"),
        (("--input_path", "text.jpg"), "text.jpg"),
        (("--input_path", "empty.jpg"), "empty.jpg"),
        (("--input_path", "cut.jpg"), "cut.jpg"),
        (("--input_path", "scene.png", "--output_path", "scene.png"), "--overwrite"),
        (("--input_path", "scene.png", "--output_path", "out.xyz"), "out.xyz"),
        (("--input_path", "scene.png", "--output_path", "text.jpg/out.png"), "text.jpg"),
        (("--input_path", "scene.png", "--report", "text.jpg/report.json"), "report.json"),
        (("--input_path", "no_photos"), "no photo in the folder no_photos"),
        (("--input_path", ".", "--output_path", "scene.png"), "must be a folder"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    save_scene(tmp_path / "scene.png")
    (tmp_path / "text.jpg").write_text("this is no photo\n")
    (tmp_path / "empty.jpg").touch()
    whole = save_scene(tmp_path / "cut.jpg", 400, 400).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no_photos").mkdir()
    assert words in fail(*arguments, cwd=tmp_path).replace(os.sep, "/")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_gets_one_sentence(tmp_path: Path) -> None:
    save_scene(tmp_path / "scene.png")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "locked" in fail("--input_path", "scene.png", "--output_path", "locked/out.png", cwd=tmp_path)


def test_something_unexpected_is_one_line_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("by zero\nsecond line")

    monkeypatch.setattr("retouch.files.load_photo", break_down)
    arguments = ["--input_path", str(save_scene(tmp_path / "scene.png"))]
    assert main.main(arguments) == 1
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1 and "ZeroDivisionError: by zero" in shown[0] and "--debug" in shown[0]
    with pytest.raises(ZeroDivisionError):
        main.main([*arguments, "--debug"])


def test_a_missing_package_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "retouch.files", None)
    assert main.main(["--input_path", str(tmp_path / "scene.png")]) == 2
    sentence = f"error: {explain_missing_package('retouch.files')}\n"  # test_project.py reads what it says
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize(
    ("library", "advice"),
    [
        ("libGL.so.1", "sudo apt-get install libgl1"),
        ("libgthread-2.0.so.0", "sudo apt-get install libglib2.0-0"),
        ("libfancy.so.7", "install the package of your system that holds it."),
    ],
)
def test_a_missing_library_of_the_system_says_what_to_install(
    library: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def miss(*_: object) -> None:
        raise ImportError(f"{library}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("retouch.files.load_photo", miss)
    assert main.main(["--input_path", str(save_scene(tmp_path / "scene.png"))]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1 and shown[0].startswith(f"error: this system lacks the library {library}; ")
    assert shown[0].endswith(advice)


def test_another_import_error_stays_unexpected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def miss(*_: object) -> None:
        raise ImportError("cannot import name 'nothing' from 'photo'")

    monkeypatch.setattr("retouch.files.load_photo", miss)
    assert main.main(["--input_path", str(save_scene(tmp_path / "scene.png"))]) == 1
    assert "ImportError: cannot import name" in capsys.readouterr().err


def test_stopping_is_one_line_and_exit_code_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("retouch.files.load_photo", stop)
    monkeypatch.chdir(tmp_path)
    assert main.main(["--input_path", str(save_scene(tmp_path / "scene.png"))]) == 130
    assert capsys.readouterr().err == "stopped; no file was left half-written.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["scene.png"]


@pytest.mark.posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_folder_that_is_stopped_says_how_far_it_came_and_writes_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    stops = signal.Signals[name]
    for file in ("a.png", "b.png", "c.png"):
        save_scene(tmp_path / file)

    def stop(path: Path) -> Photo:
        if path.name == "b.png":
            signal.raise_signal(stops)
        return load_photo(path)

    monkeypatch.setattr("retouch.files.load_photo", stop)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(stops)
    assert main.main([".", "-o", "out", "--copy_unchanged", "--report", "report.json", "-q"]) == 130
    assert capsys.readouterr().err == "stopped: 1 of 3 photos are done; no file was left half-written.\n"
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [Path(entry["input"]).name for entry in report["photos"]] == ["a.png"]
    assert report["stopped"] == {"done": 1, "of": 3}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "open_eyes_journal.jsonl"]
    assert signal.getsignal(stops) is before


@pytest.mark.parametrize("kind", [ImportError, RuntimeError, UnreadablePhoto])
def test_a_library_that_takes_ctrl_c_for_an_error_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: type[Exception]
) -> None:
    def swallow(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise kind("it could not be loaded") from error

    monkeypatch.setattr("retouch.files.load_photo", swallow)
    assert main.main([str(save_scene(tmp_path / "scene.png"))]) == 130
    assert capsys.readouterr().err == "stopped; no file was left half-written.\n"


@pytest.mark.posix
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8])
def test_ctrl_c_in_the_first_moments_shows_no_traceback(tmp_path: Path, seconds: float) -> None:
    save_scene(tmp_path / "scene.png")
    # It begins to count when the program itself runs: what Python says while it starts is not ours.
    script = (
        "import os, runpy, signal, sys, threading, time\n"
        "def stop(seconds):\n"
        "    while signal.getsignal(signal.SIGINT) is signal.default_int_handler: time.sleep(0.001)\n"
        "    time.sleep(seconds)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "timer = threading.Thread(target=stop, args=[float(sys.argv.pop(1))])\n"
        "timer.daemon = True\n"
        "sys.argv[0] = sys.argv.pop(1)\n"
        "sys.path.insert(0, sys.argv[0].rpartition('/')[0])\n"
        "timer.start()\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-c", script, str(seconds), str(ROOT / "main.py"), "scene.png", "-o", "out.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert done.returncode in (0, 130)
    assert done.returncode == 0 or done.stderr == "stopped; no file was left half-written.\n"
    assert not list(tmp_path.glob(".*"))


# ---- one photo -------------------------------------------------------------------------------------------


def test_a_photo_without_a_face_is_kept_and_the_words_say_why(tmp_path: Path) -> None:
    scene = save_scene(tmp_path / "scene.png")
    done = run("--input_path", scene, "--copy_unchanged", cwd=tmp_path)
    result = tmp_path / "data" / "outputs" / "scene.png"
    assert done.stdout.splitlines() == [
        "Found no face.",
        "Nothing was changed: the photo stays as it was.",
        f"Written: {result.relative_to(tmp_path)}",
    ]
    assert done.stderr == ""
    np.testing.assert_array_equal(read_rgb(result), read_rgb(scene))


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    done = run("-i", save_scene(tmp_path / "scene.png"), "-o", "out.png", "--quiet", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "out.png").is_file()


def test_overwrite_lets_the_input_be_replaced(tmp_path: Path) -> None:
    scene = save_scene(tmp_path / "scene.png")
    run("--input_path", scene, "--output_path", scene, "--overwrite", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.png"]


def test_an_output_folder_gets_the_result_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    scene = save_scene(tmp_path / "scene.jpg")
    run("--input_path", scene, "--output_path", "results", "--copy_unchanged", cwd=tmp_path)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["scene.jpg"]
    assert (tmp_path / "results" / "scene.jpg").read_bytes() == scene.read_bytes()
    run(scene, "--output_path", "new/", "--format", "PNG", "--copy_unchanged", cwd=tmp_path)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["scene.png"]
    np.testing.assert_array_equal(read_rgb(tmp_path / "new" / "scene.png"), read_rgb(scene))


def test_the_sample_is_fixed_with_masks_and_report(tmp_path: Path) -> None:
    done = run(
        "--input_path", SAMPLE, "--output_path", "fixed.png", "--masks_dir", "masks", "--report", "report.json",
        cwd=tmp_path,
    )  # fmt: skip
    assert "opened both eyes" in done.stdout
    assert "made the mouth smile" in done.stdout
    assert "and touched no other" in done.stdout

    before, after = read_rgb(SAMPLE), read_rgb(tmp_path / "fixed.png")
    eyes, mouth = (Image.open(tmp_path / "masks" / f"{name}_mask.png") for name in ("eyes", "mouth"))
    assert eyes.mode == mouth.mode == "L"
    masked = np.maximum(np.asarray(eyes), np.asarray(mouth)) > 0
    changed = (before != after).any(axis=-1)
    assert changed.any()
    # A mask rounds to 8 bits, so a trace of it may be written as 0.
    grown = cv2.dilate(masked.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert not (changed & ~grown).any()
    assert read_rgb(tmp_path / "masks" / "draft.png").shape == before.shape

    (photo,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["photos"]
    assert photo["input"] == str(SAMPLE) and photo["output"] == "fixed.png"
    assert photo["changed_pixels"] == changed.sum() and photo["changed_outside"] == 0
    assert {change["feature"] for change in photo["changes"] if change["kept"]} >= {"right eye", "left eye", "mouth"}


def test_the_switches_choose_what_is_changed(tmp_path: Path) -> None:
    words = run("-i", SAMPLE, "-o", "a.png", "--no-smile", cwd=tmp_path).stdout
    assert "opened both eyes" in words and "made the mouth smile" not in words
    words = run("-i", SAMPLE, "-o", "b.png", "--no-eyes", cwd=tmp_path).stdout
    assert "opened" not in words and "made the mouth smile" in words
    assert "Nothing was changed" in run("-i", SAMPLE, "-o", "c.png", "--no-eyes", "--no-smile", cwd=tmp_path).stdout


def test_only_the_chosen_faces_are_changed(tmp_path: Path) -> None:
    """In the sample the first face has closed eyes and the second an unsmiling mouth."""
    words = run("-i", SAMPLE, "-o", "a.png", "--faces", "2", "--report", "a.json", cwd=tmp_path).stdout
    assert "opened" not in words and "made the mouth smile" in words
    (photo,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["photos"]
    assert {change["face"] for change in photo["changes"]} == {2} and len(photo["faces"]) == 2


def test_analyze_lists_the_faces_and_changes_nothing(tmp_path: Path) -> None:
    done = run("--input_path", SAMPLE, "--analyze", "--report", "report.json", cwd=tmp_path)
    assert "would be done" in done.stdout and "open both eyes" in done.stdout
    picture = read_rgb(tmp_path / "data" / "outputs" / f"analysis_{SAMPLE.stem}.png")
    photo = read_rgb(SAMPLE)
    assert picture.shape[1] / picture.shape[0] == pytest.approx(photo.shape[1] / photo.shape[0], rel=0.02)
    (entry,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["photos"]
    assert len(entry["faces"]) == len(find_faces(photo)) and entry["edits"]


def test_an_analysis_never_replaces_the_photo(tmp_path: Path) -> None:
    save_scene(tmp_path / "scene.png")
    words = fail("--input_path", "scene.png", "--analyze", "--output_path", "scene.png", cwd=tmp_path)
    assert "--overwrite" in words


def test_the_same_seed_gives_the_same_result(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        run("-i", SAMPLE, "-o", name, "--seed", 7, cwd=tmp_path)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# ---- Stable Diffusion ------------------------------------------------------------------------------------


def test_stable_diffusion_goes_the_whole_way_from_the_command_line(tmp_path: Path, tiny_model: Path) -> None:
    done = run(
        "-i", SAMPLE, "-o", "fixed.png", "--engine", "stable-diffusion", "--model", tiny_model, "--offline",
        "--device", "cpu", "--steps", 2, "--retries", 0, "--report", "report.json", "--masks_dir", "masks",
        cwd=tmp_path,
    )  # fmt: skip
    assert "and touched no other" in done.stdout and "draft engine" not in done.stdout
    assert done.stderr == ""
    (photo,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["photos"]
    assert photo["engine"] == "stable-diffusion" and photo["changed_outside"] == 0
    assert photo["seconds"]["refine"] > 0
    assert read_rgb(tmp_path / "masks" / "draft.png").shape == read_rgb(SAMPLE).shape


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input_path", "scene.png", "--engine", "stable-diffusion", "--model", "./no_model"), "./no_model is not"),
        (("--input_path", "scene.png", "--engine", "stable-diffusion"), "forbids to fetch"),
        (("--input_path", "scene.png", "--model", "text.jpg"), "text.jpg is no .safetensors file"),
        (("--download_model", "--model", "./no_model"), "./no_model is not"),
        (("--download_model",), "--offline forbids"),
    ],
)
def test_a_model_that_is_not_there_gets_one_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    pytest.importorskip("torch")
    save_scene(tmp_path / "scene.png")
    (tmp_path / "text.jpg").write_text("this is no model\n")
    assert words in fail(*arguments, "--offline", cwd=tmp_path)


def test_without_weights_the_draft_engine_paints_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("retouch.engines.find_weights", lambda _: None)
    monkeypatch.setenv("XDG_STATE_HOME" if sys.platform != "win32" else "LOCALAPPDATA", str(tmp_path / "state"))
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(SAMPLE.read_bytes())
    arguments = ["-i", str(folder), "-o", str(tmp_path / "out"), "--offline", "--faces", "1"]
    assert main.main([*arguments, "--quiet"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
    assert main.main(arguments) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "draft engine" in line]
    assert len(lines) == 1 and "--download_model" in lines[0] and "2.1 GB" in lines[0]
    # It was read once on this machine, and who wants details gets it again.
    assert main.main(arguments) == 0
    assert "draft engine" not in capsys.readouterr().out
    assert main.main([*arguments, "--verbose"]) == 0
    assert capsys.readouterr().out.count("draft engine") == 2
    assert main.main([*arguments, "--steps", "5"]) == 2
    assert "error: --steps has no effect: painted by the draft engine" in capsys.readouterr().err


def test_the_draft_engine_asked_for_says_nothing_of_another(tmp_path: Path) -> None:
    assert "Stable Diffusion" not in run("-i", SAMPLE, "-o", "a.png", "--engine", "draft", cwd=tmp_path).stdout


# ---- a folder --------------------------------------------------------------------------------------------


def test_a_folder_is_done_photo_by_photo_and_a_bad_one_does_not_stop_it(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    save_scene(folder / "a.png")
    (folder / "b.jpg").write_text("this is no photo\n")
    save_scene(folder / "c.jpg")
    (folder / "notes.txt").write_text("not looked at\n")
    (folder / ".hidden.jpg").write_text("not looked at\n")
    (folder / "clip.gif").write_bytes(b"GIF89a")
    (folder / "more").mkdir()
    done = run("--input_path", "in", "-o", "out", "--report", "report.json", "--copy_unchanged", cwd=tmp_path, code=2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.jpg", "open_eyes_journal.jsonl"]
    assert done.stdout.splitlines()[-1] == "3 photos: 2 written to out, 1 failed."
    assert len(done.stderr.strip().splitlines()) == 1 and "b.jpg" in done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    entries = report["photos"]
    assert [entry["output"] for entry in entries] == [f"out{os.sep}a.png", None, f"out{os.sep}c.jpg"]
    assert "b.jpg" in entries[1]["error"]
    # What is no photo to work on is named with its reason, for people and for programs.
    reasons = {Path(file["input"]).name: file["reason"] for file in report["passed_over"]}
    assert set(reasons) == {"notes.txt", ".hidden.jpg", "clip.gif", "more"}
    assert "GIF" in reasons["clip.gif"] and "--recursive" in reasons["more"] and reasons["notes.txt"] == "no photo"
    assert "Passed over 4:" in done.stdout and all(reason in done.stdout for reason in reasons.values())


def test_a_photo_that_needs_nothing_is_not_copied_into_a_folder(tmp_path: Path) -> None:
    save_scene(tmp_path / "in.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".0123abcd-0123456789abcdef.part").write_bytes(b"of a killed run")
    done = run("in.png", "-o", "out", "--report", "report.json", cwd=tmp_path)
    assert "Nothing was written; --copy_unchanged copies such photos, too." in done.stdout
    assert not list((tmp_path / "out").iterdir()), "what a killed run left is removed, too"
    (entry,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["photos"]
    assert entry["output"] is None and "error" not in entry
    # A result that is named is asked for.
    run("in.png", "-o", "out/in.png", cwd=tmp_path)
    assert (tmp_path / "out" / "in.png").read_bytes() == (tmp_path / "in.png").read_bytes()


def test_photos_of_data_inputs_become_final_pngs_in_data_outputs(tmp_path: Path) -> None:
    inputs = tmp_path / "data" / "inputs"
    inputs.mkdir(parents=True)
    save_scene(inputs / "image_1.jpg")
    save_scene(inputs / "image_2.png")
    run(*inputs.iterdir(), cwd=tmp_path)
    run(inputs, cwd=tmp_path)
    run(inputs / "image_1.jpg", "-o", "data/outputs", cwd=tmp_path)
    outputs = sorted(path.name for path in (tmp_path / "data" / "outputs").iterdir())
    assert outputs == ["final_image_1.png", "final_image_2.png"]


def test_folders_keep_their_folders_and_several_inputs_go_together(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/deep/er/a.png", "in/out/old.png", "else/a.png", "else/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save_scene(tmp_path / name)
    arguments = ("--copy_unchanged", "--report", "report.json")
    done = run("in", "else/a.png", "else/a.png", "-o", "in/out", "--recursive", *arguments, cwd=tmp_path)
    outputs = tmp_path / "in" / "out"
    written = {path.relative_to(outputs).as_posix() for path in outputs.rglob("*.png")}
    assert written == {"old.png", "a.png", "deep/er/a.png", "a_2.png"}
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    reasons = {file["input"]: file["reason"] for file in report["passed_over"]}
    assert reasons == {
        str(Path("in/out")): "the folder that results go to",
        str(Path("else/a.png")): f"the same photo as {Path('else/a.png')}",
    }
    assert "Photo 2 of 3: " in done.stdout


def test_photos_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "a.jpg", "b.png"):
        save_scene(folder / name)
    save_scene(folder / "a.jpg.png", 90)
    for _ in range(2):
        run("--input_path", "in", "--output_path", "out", "--format", "png", "--copy_unchanged", cwd=tmp_path)
        sizes = {path.name: read_rgb(path).shape[0] for path in (tmp_path / "out").iterdir()}
        assert sizes == {"a.png": 120, "a.jpg.png": 90, "a.jpg_2.png": 120, "b.png": 120}
    run("--input_path", "in", "--output_path", "own", "--copy_unchanged", cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["a.jpg", "a.jpg.png", "a.png", "b.png"]


def test_results_that_are_one_file_by_a_link_are_refused(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_scene(tmp_path / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").symlink_to("a.png")
    assert "are the same file" in fail("in", "-o", "out", "--copy_unchanged", cwd=tmp_path)
    assert "--masks_dir would make a folder" in fail("in", "-o", "new", "--masks_dir", "new", cwd=tmp_path)


def test_a_folder_is_fixed_into_itself_only_where_that_is_allowed(tmp_path: Path) -> None:
    scene = save_scene(tmp_path / "a.png")
    shutil.copy(SAMPLE, tmp_path / "b.jpg")
    save_scene(tmp_path / "final_old.png")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert "is the input photo itself" in fail(".", "-o", ".", cwd=tmp_path)
    done = run(".", "-o", ".", "--overwrite", cwd=tmp_path)
    assert "final_old.png: a result of an earlier run" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.jpg", "final_old.png"]
    assert scene.read_bytes() == before[scene] and (tmp_path / "b.jpg").read_bytes() != before[tmp_path / "b.jpg"]


def test_quiet_names_a_bad_photo_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.jpg").write_text("this is no photo\n")
    save_scene(tmp_path / "in" / "a.png")
    words = run("in", "-o", "out", "-q", "--faces", "1", "--copy_unchanged", cwd=tmp_path, code=2).stderr
    assert words.count("bad.jpg") == 1 and words.count("a.png") == 1


@pytest.mark.posix
def test_control_characters_in_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    name = "evil\x1b[31mred\nline.png"
    save_scene(tmp_path / "plain.png").rename(tmp_path / name)
    (tmp_path / "bad\x1b.jpg").write_text("no photo")
    (tmp_path / "x\x1b.txt").touch()
    for arguments in (
        (".", "-o", "out", "--copy_unchanged"),
        (name, "-o", "new\x1b.png"),
        (f"{name}no",),
        ("--x\x1b",),
    ):
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *arguments], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, **NO_HUB}, check=False,
        )  # fmt: skip
        assert "\x1b" not in done.stdout + done.stderr
        assert "\\x1b" in done.stdout + done.stderr
    assert (tmp_path / "out" / name).is_file()


# ---- nothing is lost -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_only_what_the_program_wrote_is_replaced(tmp_path: Path, ending: str) -> None:
    photo = shutil.copy(SAMPLE, tmp_path / "in.jpg")
    other = save_scene(tmp_path / f"other{ending}")
    before = other.read_bytes()
    arguments = ("--engine", "draft", "--no-eyes")
    assert "nothing in it says that this program wrote it" in fail(photo, "-o", other, *arguments, cwd=tmp_path)
    run(photo, "-o", other, "--overwrite", *arguments, cwd=tmp_path)
    assert other.read_bytes() != before
    # It knows its own by their mark, for which BMP has no place.
    run(photo, "-o", other, *arguments, cwd=tmp_path, code=2 if ending == ".bmp" else 0)


def test_reports_sheets_and_masks_of_others_stay_too(tmp_path: Path) -> None:
    photo = save_scene(tmp_path / "in.png")
    (tmp_path / "values.json").write_text('{"photos": [{"name": "of somebody else"}]}')
    assert "values.json is there already" in fail(photo, "-o", "out.png", "--report", "values.json", cwd=tmp_path)
    (tmp_path / "masks").mkdir()
    save_scene(tmp_path / "masks" / "eyes_mask.png", 50)
    assert "eyes_mask.png is there already" in fail(photo, "-o", "out.png", "--masks_dir", "masks", cwd=tmp_path)
    save_scene(tmp_path / "analysis_in.png", 50)
    assert "analysis_in.png is there already" in fail(photo, "--analyze", "-o", ".", cwd=tmp_path)
    for _ in range(2):
        run(photo, "-o", "new.png", "--report", "new.json", "--masks_dir", "new", cwd=tmp_path)
        run(photo, "--analyze", "-o", "new_analysis.png", cwd=tmp_path)


def test_masks_are_never_written_over_the_result_or_the_photo(tmp_path: Path) -> None:
    photo = save_scene(tmp_path / "eyes_mask.png")
    before = photo.read_bytes()
    assert "--masks_dir" in fail("-i", photo, "-o", "other.png", "--masks_dir", ".", cwd=tmp_path)
    plain = save_scene(tmp_path / "photo.png")
    assert "--masks_dir" in fail("-i", plain, "-o", "masks/draft.png", "--masks_dir", "masks", cwd=tmp_path)
    assert photo.read_bytes() == before
    assert not (tmp_path / "masks").exists() and not (tmp_path / "other.png").exists()


def test_a_masks_folder_that_cannot_be_is_found_out_before_the_work(tmp_path: Path) -> None:
    photo = save_scene(tmp_path / "photo.png")
    fail("-i", photo, "-o", "result.png", "--masks_dir", photo, cwd=tmp_path)
    assert not (tmp_path / "result.png").exists()


def test_a_report_never_replaces_the_photo(tmp_path: Path) -> None:
    photo = save_scene(tmp_path / "photo.png").rename(tmp_path / "photo.json")
    before = photo.read_bytes()
    assert "--report" in fail("-i", photo, "-o", "result.png", "--report", photo, cwd=tmp_path)
    assert photo.read_bytes() == before


def test_a_report_on_a_name_that_is_no_text(tmp_path: Path) -> None:
    try:
        name = os.fsdecode(b"bad\xff.png")
        save_scene(tmp_path / "photo.png").rename(tmp_path / name)
    except (OSError, UnicodeDecodeError):
        pytest.skip("the file system takes no such names")
    run("-i", name, "-o", "result.png", "--report", "report.json", cwd=tmp_path)
    (entry,) = json.loads((tmp_path / "report.json").read_text())["photos"]
    assert entry["input"] == name


def test_a_name_that_is_too_long_gets_one_sentence(tmp_path: Path) -> None:
    photo = save_scene(tmp_path / "photo.png")
    fail("-i", photo, "-o", f"{300 * 'a'}.png", cwd=tmp_path)


@pytest.mark.posix
@pytest.mark.parametrize("redirect", ["| true", "2>&-", ">&- 2>&- <&-", "> /dev/full"])
def test_the_work_is_done_although_nobody_reads(tmp_path: Path, redirect: str) -> None:
    if "/dev/full" in redirect and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    save_scene(tmp_path / "photo.png")
    command = f"'{sys.executable}' '{ROOT / 'main.py'}' -i photo.png -o result.png --report report.json {redirect}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    assert (tmp_path / "result.png").exists() and (tmp_path / "report.json").exists()


# ---- bursts ----------------------------------------------------------------------------------------------


def save_burst(folder: Path) -> Path:
    """Two photos without people."""
    folder.mkdir()
    save_scene(folder / "a.png")
    save_scene(folder / "b.png", 130)
    return folder


def test_the_best_take_goes_the_whole_way_from_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "burst"
    folder.mkdir()
    pixels = read_rgb(ROOT / "data" / "inputs" / "image_2.jpg")
    (face,) = find_faces(pixels)
    Image.fromarray(close_eyes(pixels, face)).save(folder / "closed.png")
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    Image.fromarray(pixels).save(folder / "open.png", exif=exif)
    arguments = ("--no-smile", "--engine", "draft", "--contact_sheet", "who.png", "--report", "values.json")
    best = run("--burst", "burst", "--output_path", "best.png", *arguments, cwd=tmp_path)
    assert "Kept open.png of 2 photos." in best.stdout
    # Nothing had to be changed: the result is the file itself.
    assert (tmp_path / "best.png").read_bytes() == (folder / "open.png").read_bytes()
    assert min(read_rgb(tmp_path / "who.png").shape[:2]) > 100
    entry = json.loads((tmp_path / "values.json").read_text())["photos"][0]
    assert entry["burst"]["kept"] == "open.png" and entry["input"].endswith("open.png")

    run("--burst", "burst", "--input_path", "burst/closed.png", "--output_path", "best.png", *arguments, cwd=tmp_path)
    entry = json.loads((tmp_path / "values.json").read_text())["photos"][0]
    assert entry["burst"]["kept"] == "closed.png"
    assert entry["burst"]["faces"][0]["from"] == "open.png"
    assert entry["changed_outside"] == 0
    eye = next(iter(find_faces(read_rgb(tmp_path / "best.png")))).landmarks.left_eye
    assert eye.aspect_ratio > 0.2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--burst", "nowhere"), "nowhere is none"),
        (("--burst", "burst", "--analyze"), "--analyze does not go with --burst"),
        (("--burst", "burst", "--masks_dir", "masks"), "--masks_dir does not go with --burst"),
        (("--burst", "burst", "--reference_path", "x.png"), "--reference_path does not go with --burst"),
        (("--burst", "burst", "--output_path", "burst/b.png"), "is the input photo itself"),
        (("--burst", "burst", "--contact_sheet", "burst/a.png"), "is the input photo itself"),
        (("--burst", "burst", "--output_path", "c.png", "--contact_sheet", "c.png"), "name the same file"),
        (("--burst", "burst", "--output_path", "c.xyz"), "c.xyz"),
        (("--burst", "burst"), "no face in any of the photos"),
        (("--burst", "burst", "--input_path", "missing.png"), "missing.png"),
        (("--burst", "lonely"), "two photos or more"),
        (("--input_path", "burst/a.png", "--contact_sheet", "who.png"), "it goes with --burst"),
    ],
)  # fmt: skip
def test_a_mistake_with_a_burst_gets_one_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    save_burst(tmp_path / "burst")
    (tmp_path / "lonely").mkdir()
    save_scene(tmp_path / "lonely" / "a.png")
    assert words in fail(*arguments, cwd=tmp_path)


def test_a_damaged_photo_of_a_burst_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "burst"
    folder.mkdir()
    pixels = read_rgb(ROOT / "data" / "inputs" / "image_2.jpg")
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no photo")
    arguments = ("--engine", "draft", "--output_path", "best.png", "--report", "values.json")
    done = run("--burst", "burst", *arguments, cwd=tmp_path)
    (warning,) = (line for line in done.stderr.splitlines() if line.startswith("warning:"))
    assert "broken.jpg" in warning and warning.endswith("It is left out.")
    assert "of 2 photos" in done.stdout
    entry = json.loads((tmp_path / "values.json").read_text())["photos"][0]
    assert [Path(path).name for path in entry["left_out"]] == ["broken.jpg"]

    assert "broken.jpg" in fail("--burst", "burst", "--input_path", "burst/broken.jpg", *arguments, cwd=tmp_path)
    (folder / "b.png").unlink()
    assert "only one of these" in run("--burst", "burst", *arguments, cwd=tmp_path, code=2).stderr


def test_bursts_are_found_and_the_best_take_of_each_is_made(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    (photos / "walls").mkdir(parents=True)
    pixels = read_rgb(ROOT / "data" / "inputs" / "image_2.jpg")
    (face,) = find_faces(pixels)
    for name, frame in (("1.png", close_eyes(pixels, face)), ("2.png", pixels)):
        Image.fromarray(frame).save(photos / name)
    save_scene(photos / "3.png")
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:00:03"
    for name in ("a.png", "b.png"):  # at one moment, but nobody is there
        Image.open(photos / "3.png").save(photos / "walls" / name, exif=exif)
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    arguments = ("--recursive", "--no-smile", "--engine", "draft", "-o", "best/", "--report", "values.json")
    done = run(photos, "--burst", "auto", *arguments, "--contact_sheet", "who.png", cwd=tmp_path, code=2)
    assert f"Burst 1 of 2, in {photos}: 1.png, 2.png" in done.stdout and "Kept 2.png of 2 photos." in done.stdout
    assert "no face in any of the photos" in done.stderr
    assert [path.name for path in (tmp_path / "best").rglob("*.*")] == ["best_1.png"]
    assert (tmp_path / "best" / "best_1.png").read_bytes() == (photos / "2.png").read_bytes()
    assert min(read_rgb(tmp_path / "who.png").shape[:2]) > 100
    first, second = json.loads((tmp_path / "values.json").read_text())["photos"]
    assert first["burst"]["photos"] == ["1.png", "2.png"] and "no face" in second["error"]
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--burst", "auto"), "--burst auto looks through photos; name their folder"),
        (("burst", "--burst", "auto", "--output_path", "best.jpg"), "--output_path must be a folder"),
        (("burst/a.png", "--burst", "auto"), "found no two photos"),
        (("burst", "--burst", "auto", "--analyze"), "--analyze does not go with --burst"),
        (("burst", "--burst", "./auto"), "auto is none"),  # the folder of that name
    ],
)
def test_a_mistake_with_bursts_gets_one_sentence(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    save_burst(tmp_path / "burst")
    assert words in fail(*arguments, cwd=tmp_path)


# ---- reference photos ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `blinking.png`, and in `others/` another photo of the person and one that is none."""
    folder = tmp_path_factory.mktemp("album")
    (folder / "others").mkdir()
    moments = make_moments(lambda name: read_rgb(ROOT / "data" / "inputs" / name))
    Image.fromarray(moments.blinking).save(folder / "blinking.png")
    Image.fromarray(moments.other).save(folder / "others" / "open.png")
    (folder / "others" / "broken.jpg").write_text("no photo\n")
    return folder


def test_own_eyes_come_from_a_folder_of_photos(album: Path, tmp_path: Path) -> None:
    done = run(
        "-i", album / "blinking.png", "-o", "fixed.png", "--reference_path", album / "others", album / "blinking.png",
        "--report", "report.json", "--engine", "draft", "--no-smile", "--verbose", cwd=tmp_path,
    )  # fmt: skip
    assert "broken.jpg" in done.stderr
    assert "opened both eyes from open.png, face 1, distance 0." in done.stdout
    changes = json.loads((tmp_path / "report.json").read_text(encoding="ascii"))["photos"][0]["changes"]
    assert {change["donor"]["photo"] for change in changes} == {"open.png"}
    assert all(0 < change["donor"]["distance"] < 0.85 for change in changes)


def test_a_reference_that_cannot_be_read_is_an_error(album: Path, tmp_path: Path) -> None:
    assert "broken.jpg" in fail(
        "-i", album / "blinking.png", "--reference_path", album / "others" / "broken.jpg", cwd=tmp_path
    )
    assert "nowhere" in fail("-i", album / "blinking.png", "--reference_path", "nowhere", cwd=tmp_path)


def test_a_folder_without_a_readable_reference_is_an_error(album: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.jpg").write_text("no photo\n")
    done = run("-i", album / "blinking.png", "--analyze", "--reference_path", "bad", cwd=tmp_path, code=2).stderr
    assert "broken.jpg" in done and "None of the reference photos can be read" in done


# ---- the photo library -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library, made from the command line, of the folder `others/` of the album."""
    place = tmp_path_factory.mktemp("library")
    said = run("--index", album / "others", "--library", "new/faces.sqlite", cwd=place).stdout
    assert "2 photos read, with 1 face." in said and "1 cannot be read:" in said and "broken.jpg is no photo" in said
    again = run("--index", album / "others", "--library", "new/faces.sqlite", cwd=place).stdout
    assert "0 photos read, with 0 faces; 2 unchanged." in again
    return place / "new" / "faces.sqlite"


@pytest.fixture
def copied(library: Path, tmp_path: Path) -> Path:
    """A copy of the library to be changed."""
    return Path(shutil.copy(library, tmp_path / "copied.sqlite"))


def test_own_eyes_are_found_in_the_library_and_its_photos_stay(album: Path, library: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in album.rglob("*.*")}
    arguments = (album / "blinking.png", "--engine", "draft", "--no-smile", "-v", "--library", library)
    done = run(*arguments, "-o", "fixed.png", "--report", "report.json", cwd=tmp_path)
    source = album / "others" / "open.png"
    assert done.stderr == "" and f"opened both eyes from {source}, face 1, distance 0." in done.stdout
    changes = json.loads((tmp_path / "report.json").read_text(encoding="ascii"))["photos"][0]["changes"]
    assert {change["donor"]["photo"] for change in changes} == {str(source)}
    # The same as if a person had found it.
    named = run(*arguments[:-2], "-o", "named.png", "--reference_path", source, cwd=tmp_path)
    assert "opened both eyes from open.png" in named.stdout
    assert np.array_equal(read_rgb(tmp_path / "fixed.png"), read_rgb(tmp_path / "named.png"))
    assert {path: path.read_bytes() for path in album.rglob("*.*")} == before


def test_analyze_names_the_photo_of_the_library(album: Path, library: Path, tmp_path: Path) -> None:
    said = run(album / "blinking.png", "--analyze", "--no-smile", "--library", library, cwd=tmp_path).stdout
    assert f"would come from {album / 'others' / 'open.png'}" in said


def test_the_library_of_the_user_is_asked_unless_it_is_switched_off(
    album: Path, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "data" / "open-eyes").mkdir(parents=True)
    shutil.copy(library, tmp_path / "data" / "open-eyes" / "library.sqlite")
    arguments = (album / "blinking.png", "--engine", "draft", "--no-smile", "--overwrite", "-o", "fixed.png")
    assert "open.png" in run(*arguments, cwd=tmp_path).stdout
    said = run(*arguments, "--no-library", cwd=tmp_path).stdout
    assert "opened both eyes" in said and "open.png" not in said
    # For a face that is not to be changed no photo is read.
    assert "open.png" not in run(*arguments, "--analyze", "--no-eyes", cwd=tmp_path).stdout


def test_a_frame_beside_the_photo_gives_its_eyes_by_itself(album: Path, tmp_path: Path) -> None:
    for name, second in (("others/open.png", 3), ("blinking.png", 1)):
        exif = Image.Exif()
        exif[0x0110] = "a camera"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:00:0{second}"
        Image.open(album / name).save(tmp_path / f"IMG_{second}.png", exif=exif)
    arguments = ("IMG_1.png", "--engine", "draft", "--no-smile", "-o", "fixed.png", "--overwrite")
    assert "opened both eyes from IMG_3.png, face 1" in run(*arguments, cwd=tmp_path).stdout
    said = run(*arguments, "--no-library", cwd=tmp_path).stdout
    assert "opened both eyes" in said and "IMG_3.png" not in said
    # What this program wrote gives no eyes, whoever asks.
    (tmp_path / "IMG_3.png").unlink()
    (tmp_path / "fixed.png").rename(tmp_path / "IMG_2.png")
    assert "IMG_2.png" not in run(*arguments, cwd=tmp_path).stdout


def test_a_photo_of_the_library_is_never_replaced_by_anything_but_a_result(album: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.open(album / "others" / "open.png").save(folder / "open.tif")
    run("--index", folder, "--library", "faces.sqlite", cwd=tmp_path)
    arguments = (album / "blinking.png", "--engine", "draft", "--library", "faces.sqlite", "-o", "fixed.png")
    before = (folder / "open.tif").read_bytes()
    said = run(*arguments, "--layers", folder / "open.tif", "--overwrite", cwd=tmp_path, code=2).stderr
    assert "from which eyes may come, which --layers never replaces" in said
    assert (folder / "open.tif").read_bytes() == before and not (tmp_path / "fixed.png").exists()


def test_the_library_says_what_it_holds_and_forgets_it(album: Path, copied: Path, tmp_path: Path) -> None:
    said = run("--library_info", "--library", copied, cwd=tmp_path).stdout
    assert "knows 2 photos, 1 of which cannot be read, and 1 face in them." in said
    assert str(album / "others") in said
    assert "knows no photo below elsewhere" in fail("--forget", "elsewhere", "--library", copied, cwd=tmp_path)
    said = run("--forget", album / "others", "--library", copied, cwd=tmp_path).stdout
    assert "Forgot 2 photos." in said and "knows 0 photos, and 0 faces in them." in said
    said = run(
        album / "blinking.png", "--engine", "draft", "--no-smile", "--library", copied, "-o", "x.png", cwd=tmp_path
    ).stdout
    assert "opened both eyes" in said and "open.png" not in said


def test_people_are_listed_named_fixed_alone_and_corrected(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("edwards.jpg", "edwards_again.jpg", "takano.jpg", "takano_again.jpg", "waters.jpg"):
        shutil.copy(PORTRAITS / name, photos)
    with_library = ("--library", tmp_path / "faces.sqlite")
    run("--index", photos, *with_library, cwd=tmp_path)
    said = run("--people", "people.html", *with_library, cwd=tmp_path).stdout
    assert "knows 2 people by 4 faces." in said and "2 photos, such as face 1 of" in said and "waters" not in said
    page = (tmp_path / "people.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    number = next(line.split(":")[0].strip() for line in said.splitlines() if "edwards" in line)
    assert (
        f"Person {number} is called Ada now." in run("--name_person", number, "Ada", *with_library, cwd=tmp_path).stdout
    )
    assert f"  {number}: Ada: 2 photos, such as face 1 of" in run("--people", *with_library, cwd=tmp_path).stdout

    fix = ("--engine", "draft", "--no-smile", "--copy_unchanged", *with_library)
    said = run(PORTRAITS / "edwards_blink.jpg", "--person", "ada", "-o", "a.png", *fix, cwd=tmp_path).stdout
    assert "Face 1 is ada." in said and "opened" in said
    said = run(PORTRAITS / "takano_blink.jpg", "--person", "Ada", "-o", "b.png", *fix, cwd=tmp_path).stdout
    assert "No face is Ada for sure." in said and "Nothing was changed" in said
    assert "knows no person Eve; --people" in fail(PORTRAITS / "edwards.jpg", "--person", "Eve", *fix, cwd=tmp_path)

    said = run("--not_person", "Ada", photos / "edwards.jpg", *with_library, cwd=tmp_path).stdout
    assert said.strip() == "1 photo taken out of Ada."
    assert (
        f"  {number}: Ada: 1 photo, such as face 1 of {photos / 'edwards_again.jpg'}"
        in run("--people", *with_library, cwd=tmp_path).stdout
    )
    assert "takes a person, and the photos" in fail("--not_person", "Ada", *with_library, cwd=tmp_path)


def test_a_damaged_library_gets_one_sentence(copied: Path, tmp_path: Path) -> None:
    content = bytearray(copied.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    copied.write_bytes(content)
    assert "damaged" in fail("--library_info", "--library", copied, cwd=tmp_path)
    assert "--index again" in fail("--forget", ".", "--library", copied, cwd=tmp_path)


def test_indexing_that_is_stopped_says_so_and_keeps_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save_scene(tmp_path / name)
    add = Library.add

    def stop(library: Library, photo: PhotoRecord) -> None:
        if not library.list_files():
            add(library, photo)
        else:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.chdir(tmp_path)
    arguments = ["--index", ".", "--library", "faces.sqlite"]
    with monkeypatch.context() as patch:
        patch.setattr(Library, "add", stop)
        assert main.main(arguments) == 130
    output = capsys.readouterr()
    assert output.err == "stopped; the next run with --index reads the rest.\n"
    assert "1 photo read, with 0 faces; 2 left to read." in output.out
    assert "2 photos read, with 0 faces; 1 unchanged." in run(*arguments, cwd=tmp_path).stdout
