"""The arguments of the command line, and what it says about them; it imports nothing heavy."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from options import (
    DEFAULT_MODEL,
    ENGINES,
    EYE_COLORS,
    SCHEDULERS,
    TILE_SCHEMES,
    Options,
)

ROOT = Path(__file__).resolve().parent
"""The folder that the program runs from."""

BAD_INPUT = 2
"""The exit code when the input or a flag is wrong."""

_EXAMPLES = """examples:
  python main.py --input_path group.jpg --output_path group_fixed.jpg
  python main.py --input_path group.jpg --analyze
  python main.py --input_path group.jpg --faces 1,3 --no-smile
  python main.py --input_path holiday/ --output_path holiday_fixed/
  python main.py --burst burst/ --output_path best.jpg --contact_sheet who.png
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"error: {message} (--help lists every option)\n")


class _ShowVersion(argparse.Action):
    """Shows the version; it is read only when somebody asks, so nothing else waits for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        try:
            version = read_version()
        except OSError as error:
            parser.exit(BAD_INPUT, f"error: {error.filename}, which tells the version, cannot be read.\n")
        sys.stdout.write(f"{parser.prog} {version}\n")
        parser.exit()


def read_version() -> str:
    """Return the program's version, such as 0.2.0, from the one place where it is written: pyproject.toml."""
    import tomllib

    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return version


def explain_missing_package(name: str, root: Path = ROOT, windows: bool = os.name == "nt") -> str:
    """Return what to do where Python lacks the package `name`, one that every run needs, without a full stop.

    Mostly it is installed, but in the environment `.venv` in the folder `root`, which is not active. Packages that
    only Stable Diffusion or the page needs are not for here: those say themselves what to install.
    """
    here = Path.cwd() == root
    environment = Path(".venv") if here else root / ".venv"
    if Path(sys.prefix).resolve() == (root / ".venv").resolve():
        requirements = "requirements_draft.txt" if here else str(root / "requirements_draft.txt")
        return f"{environment} lacks the package {name}; run: pip install -r {_quote(requirements, windows)}"
    activate = f"{environment}\\Scripts\\activate" if windows else f"{environment}/bin/activate"
    activate = ("" if windows else "source ") + _quote(activate, windows)
    if (root / ".venv").is_dir():
        return f"this Python lacks the package {name}; activate the program's environment first: {activate}"
    if windows:
        steps = f"python -m venv .venv, then {activate}, then pip install -r requirements_draft.txt"
    else:
        steps = f"make {'' if here else f'-C {shlex.quote(str(root))} '}demo, and after that {activate}"
    return f"this Python lacks the package {name}; make the program's environment first: {steps}"


def _quote(path: str, windows: bool) -> str:
    """As a shell takes it."""
    if windows:
        return f'"{path}"' if " " in path else path
    return shlex.quote(path)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; its defaults are those of `Options`."""
    default = Options()
    parser = _Parser(
        prog="main.py",
        description="Opens closed eyes and makes unsmiling mouths smile in a photo; all else stays as it is.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "-i", "--input_path", "--input", type=_path, metavar="PHOTO", help="a photo, or a folder of them"
    )
    files.add_argument(
        "-o", "--output_path", "--output", type=_path, metavar="PHOTO",
        help="the result; its ending names its format (default: data/outputs/final_NAME.png); "
        "a folder when the input is one",
    )  # fmt: skip
    files.add_argument(
        "--reference_path", type=_path, nargs="+", action="extend", metavar="PHOTO",
        help="other photos of the same people, or a folder of them: closed eyes are opened with the person's own",
    )  # fmt: skip
    files.add_argument(
        "--burst", type=_path, metavar="FOLDER",
        help="photos of one group, taken one after the other: the best one is kept, and each face that another one "
        "shows better is put right; --input_path names the one to keep",
    )  # fmt: skip
    files.add_argument(
        "--contact_sheet", type=_path, metavar="PHOTO", help="with --burst, also write a picture of who came from where"
    )
    files.add_argument("--overwrite", action="store_true", help="allow the result to replace the input photo")
    files.add_argument(
        "--masks_dir", type=_path, metavar="FOLDER", help="also write the masks and the engine's painting"
    )
    files.add_argument("--report", type=_path, metavar="FILE.json", help="also write all measured values as JSON")

    edits = parser.add_argument_group("what to change")
    edits.add_argument(
        "--analyze", action="store_true",
        help="change nothing: list the faces and what would be done, and draw numbered boxes",
    )  # fmt: skip
    edits.add_argument("--faces", type=_face_numbers, metavar="1,3", help="only these faces, numbered as in --analyze")
    edits.add_argument(
        "--reference_face", type=int, default=default.reference_face, metavar="N",
        help="only this face of the reference photos (default: whoever is the same person)",
    )  # fmt: skip
    edits.add_argument(
        "--smile_from_reference", action="store_true", default=default.smile_from_reference,
        help="take the smile, too, from a reference photo in which the person smiles",
    )  # fmt: skip
    edits.add_argument(
        "--eyes", action=argparse.BooleanOptionalAction, default=default.eyes, help="open closed eyes (default: yes)"
    )
    edits.add_argument(
        "--smile", action=argparse.BooleanOptionalAction, default=default.smile,
        help="make unsmiling mouths smile (default: yes)",
    )  # fmt: skip
    edits.add_argument(
        "--eye_opening", type=float, default=default.eye_opening, metavar="0-1",
        help="how wide closed eyes open (default: %(default)s)",
    )  # fmt: skip
    edits.add_argument(
        "--smile_strength", type=float, default=default.smile_strength, metavar="0-1",
        help="how broad the smile is (default: %(default)s)",
    )  # fmt: skip
    edits.add_argument(
        "--eye_color", type=_eye_color, default=default.eye_color, metavar="COLOR",
        help=f"{', '.join(EYE_COLORS)}, or #rrggbb (default: as the other eye, else dark)",
    )  # fmt: skip
    edits.add_argument(
        "--min_resemblance", type=float, default=default.min_resemblance, metavar="0-1",
        help="put a face back that resembles itself less than this after an edit (default: %(default)s)",
    )  # fmt: skip

    how = parser.add_argument_group("how")
    how.add_argument(
        "--engine", choices=ENGINES, default=default.engine, help="what paints the edits (default: %(default)s)"
    )
    _add_diffusion(parser.add_argument_group("Stable Diffusion"), default)
    how.add_argument("--seed", type=int, default=default.seed, help="the same seed gives the same result")
    _add_page(parser.add_argument_group("the page in the browser"))
    how.add_argument("--quiet", action="store_true", help="print nothing but errors")
    how.add_argument("--debug", action="store_true", help="show where in the program an unexpected error arose")
    how.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    return parser


def _add_page(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--gradio", action="store_true", help="show the page, until Ctrl+C")
    group.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="where it listens; 0.0.0.0 lets others in your network in (default: %(default)s, this computer alone)",
    )  # fmt: skip
    group.add_argument("--port", type=_port, default=7860, metavar="N", help="its port (default: %(default)s)")
    group.add_argument("--auth", type=_name_and_password, metavar="NAME:PASSWORD", help="let in only who gives these")


def _add_diffusion(group: argparse._ArgumentGroup, default: Options) -> None:
    group.add_argument(
        "--model", default=default.model, metavar="MODEL",
        help=f"a folder, a .safetensors file, or an id of the Hugging Face hub (default: {DEFAULT_MODEL})",
    )  # fmt: skip
    group.add_argument(
        "--download_model", action="store_true", help="fetch the weights of --model, and do nothing else"
    )
    group.add_argument("--offline", action="store_true", help="connect to nothing")
    group.add_argument(
        "--device",
        default=default.device,
        metavar="DEVICE",
        help="auto, cuda, cuda:1, mps or cpu (default: %(default)s)",
    )
    group.add_argument(
        "--steps",
        type=int,
        default=default.steps,
        help="counted from pure noise (default: 25; 6 for few-step schedulers)",
    )
    group.add_argument(
        "--guidance", type=float, default=default.guidance,
        help="how closely to follow the prompt (default: 6; 1, which is none, for few-step schedulers)",
    )  # fmt: skip
    group.add_argument(
        "--strength", type=float, default=default.strength, metavar="0-1",
        help="how much noise to start with; 1 leaves nothing of the draft (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--scheduler", choices=SCHEDULERS, default=default.scheduler,
        help="lcm, tcd and lightning need few steps and mostly an adapter (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--lora", default=default.lora, metavar="FILE", help="an adapter: a .safetensors file or a hub id"
    )
    group.add_argument("--prompt", default=default.prompt, metavar="WORDS", help="instead of the program's own")
    group.add_argument("--negative_prompt", default=default.negative_prompt, metavar="WORDS", help="what not to paint")
    group.add_argument(
        "--tile_scheme", choices=TILE_SCHEMES, default=default.tile_scheme,
        help="a tile for each face, or a fixed grid over the photo (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--tile_size",
        type=int,
        default=default.tile_size,
        metavar="PX",
        help="side of a tile (default: the model's own)",
    )
    group.add_argument(
        "--overlap", type=int, default=default.overlap, metavar="PX", help="of tiles (default: half of their side)"
    )
    group.add_argument(
        "--retries", type=int, default=default.retries, metavar="N",
        help="other seeds for a face that came out wrong (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--low_vram", action="store_true", help="for graphics cards with little memory; slower")
    group.add_argument("--compile", action="store_true", help="compile the networks; pays off for many photos only")


def _path(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("names no file")
    return Path(text)


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"takes a port between 1 and 65535, not {text!r}")


def _name_and_password(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise argparse.ArgumentTypeError("takes a name and a password with a colon between them")
    return name, password


def _eye_color(text: str) -> str:
    """As people write it: Brown, gray."""
    lower = text.strip().lower()
    return "grey" if lower == "gray" else lower


def _face_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"takes numbers of faces such as 1,3, not {text!r}") from error
