"""The command line: turns arguments into `Options`, runs photos, bursts or the page, and says what was done.

Nothing heavy is imported before the arguments are understood, so `--help` and mistakes answer at once.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must be able to read this file, and say so
    print(f"error: Python 3.11 or newer is needed, and this is {sys.version.split()[0]}.", file=sys.stderr)
    sys.exit(2)

import argparse
import difflib
import io
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from edit.flags import list_flags
from edit.options import (
    DiffusionOptions,
    EyeOptions,
    Options,
    OutputOptions,
    ReferenceOptions,
    SmileOptions,
    Wish,
    options_from_flags,
)
from photo.errors import BadOption, FixError, MissingPackage
from photo.tool import read_version
from photo.writing import check_writable, write_whole

if TYPE_CHECKING:
    from photo.types import Progress
    from retouch.files import FileJob, PhotoFiles


_DONE, _UNEXPECTED, _STOPPED = 0, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 2 bad input or usage, 1 unexpected, 130 stopped."""
    # A service may have closed them; nobody reads then, but everybody writes to them.
    sys.stdout, sys.stderr = (stream or io.StringIO() for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old console may have no arrow
    parser = build_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(_explain_unknown(unknown[0], parser))
    # Before numpy is loaded: its second thread helps with no matrix this small, but keeps a processor busy waiting.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Nor do OpenCV's threads turn in circles between two pieces of work: MediaPipe works beside them.
    for name in ("MAIN", "WORKER"):
        os.environ.setdefault(f"OPENCV_THREAD_POOL_ACTIVE_WAIT_{name}", "0")
    try:
        code, complaint = _guard(lambda: _run(parsed), parsed.debug)
    except KeyboardInterrupt:
        code, complaint = _STOPPED, "stopped; no file was left half-written."
    if complaint:
        _say(complaint, sys.stderr)
    return code


def _guard(action: Callable[[], int], debug: bool) -> tuple[int, str]:
    """Run `action`; return its exit code and no words, or the code and the one line that tells what went wrong."""
    try:
        return action(), ""
    except FixError as error:
        return BAD_INPUT, f"error: {error}"
    except ModuleNotFoundError as error:
        return BAD_INPUT, f"error: {explain_missing_package(error.name or 'it needs')}"
    except Exception as error:  # the one place that may: a person gets a sentence, --debug the traceback
        if isinstance(error, ImportError) and (library := _find_missing_library(error)):
            return BAD_INPUT, f"error: {_explain_missing_library(library)}"
        if debug:
            raise
        reason = (str(error).strip().splitlines() or ["no further words"])[0]
        return _UNEXPECTED, (
            f"error: something unexpected went wrong ({type(error).__name__}: {reason}); "
            "run it again with --debug and report what it prints."
        )


def _say(text: str, stream: TextIO) -> None:
    """Print a line; above the progress bar, if there is one. When nobody reads any more the work goes on."""
    try:
        if "tqdm" in sys.modules:
            from tqdm import tqdm

            tqdm.write(text, file=stream)
        else:
            print(text, file=stream)
        stream.flush()
    except OSError:
        # What is still in the buffer would fail once more at the end.
        with Path(os.devnull).open("w") as nowhere, suppress(OSError, ValueError):
            os.dup2(nowhere.fileno(), stream.fileno())


def _run(parsed: argparse.Namespace) -> int:
    options = options_from_flags(vars(parsed))
    if parsed.gradio:
        return _show_page(options, parsed)
    if parsed.download_model:
        return _download_model(options.diffusion, parsed.quiet)
    if parsed.input_path is None and parsed.burst is None:
        raise BadOption("Name a photo with --input_path; --help lists every option.")
    if parsed.report is not None and (parsed.report.suffix.lower() != ".json" or parsed.report.is_dir()):
        raise BadOption(f"--report must name a file that ends in .json, not {parsed.report}.")
    if parsed.contact_sheet is not None and parsed.burst is None:
        raise BadOption("--contact_sheet shows who came from where; it goes with --burst.")
    from retouch.files import FileJob, JobFiles

    files = JobFiles(
        parsed.input_path, parsed.burst, tuple(parsed.reference_path or ()), parsed.output_path, parsed.masks_dir,
        parsed.overwrite,
    )  # fmt: skip
    warn = partial(_say, stream=sys.stderr)
    job = FileJob(files, options, warn, analyze=parsed.analyze, quiet=parsed.quiet)
    if parsed.report is not None:
        check_writable(parsed.report, job.originals.but_never_by("--report"))
    entries: list[dict[str, object]] = []
    if parsed.burst is not None:
        code = _run_burst(job, parsed, entries)
    elif parsed.input_path.is_dir():
        code = _run_folder(job, parsed, entries)
    else:
        code = _run_photo(job, job.plan_photo(parsed.input_path), parsed.quiet, entries)
    if parsed.report is not None:
        text = json.dumps({"photos": entries}, indent=2) + "\n"  # in ASCII: file names may hold what is no text
        write_whole(parsed.report, text.encode("ascii"), job.originals.but_never_by("--report"))
    return code


def _run_photo(job: FileJob, files: PhotoFiles, quiet: bool, entries: list[dict[str, object]]) -> int:
    """Fix or analyze one photo, and say what came of it."""
    with _progress_bar(quiet) as on_progress:
        text, entry = job.run_photo(files, on_progress)
    entries.append(entry)
    if not quiet:
        _say(text, sys.stdout)
    return _DONE


def _run_folder(job: FileJob, parsed: argparse.Namespace, entries: list[dict[str, object]]) -> int:
    """Run every photo of a folder; a bad one is reported and passed over."""
    from tqdm import tqdm

    from retouch.files import OUTPUT_FOLDER

    quiet, output = parsed.quiet, parsed.output_path or OUTPUT_FOLDER
    codes = []
    for files in tqdm(job.plan_folder(parsed.input_path, output), unit="photo", disable=quiet or None, leave=False):
        if not quiet:
            _say(f"{files.source}", sys.stdout)
        code, complaint = _guard(partial(_run_photo, job, files, quiet, entries), parsed.debug)
        codes.append(code)
        if complaint:
            _say(f"{complaint} ({files.source})" if quiet else complaint, sys.stderr)
            entries.append({"input": str(files.source), "output": None, "error": complaint.removeprefix("error: ")})
        if not quiet:
            _say("", sys.stdout)
    failed = sum(code != _DONE for code in codes)
    if not quiet:
        what = "1 photo" if len(codes) == 1 else f"{len(codes)} photos"
        _say(f"{what}: {len(codes) - failed} written to {output}, {failed} failed.", sys.stdout)
    return _UNEXPECTED if _UNEXPECTED in codes else max(codes)


def _run_burst(job: FileJob, parsed: argparse.Namespace, entries: list[dict[str, object]]) -> int:
    """Make the best of several photos of one group, and say what came of it."""
    from retouch.files import make_best_take

    for flag in ("analyze", "masks_dir", "reference_path"):
        if getattr(parsed, flag):
            raise BadOption(f"--{flag} does not go with --burst.")
    files = job.plan_burst(parsed.burst, parsed.contact_sheet)
    engine, why_draft = job.engine
    with _progress_bar(parsed.quiet) as on_progress:
        text, entry = make_best_take(files, job.options, engine, on_progress, partial(_say, stream=sys.stderr))
    entries.append(entry)
    if not parsed.quiet:
        _say("\n".join(filter(None, [text, why_draft])), sys.stdout)
    return _DONE


def _show_page(options: Options, parsed: argparse.Namespace) -> int:
    """Show the page in the browser until Ctrl+C, which is how it is meant to end."""
    if parsed.input_path is not None:
        raise BadOption("--gradio opens photos in the browser; leave --input_path away.")
    # Before gradio is imported, and by it what else may report how it is used: they read this only then.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    try:
        from page.server import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        text = "the package gradio is not installed; run: pip install -r requirements.txt"
        raise MissingPackage(text) from error

    with suppress(KeyboardInterrupt):
        serve(options, parsed.host, parsed.port, parsed.auth, lambda text: _say(text, sys.stderr))
    return _DONE


def _download_model(options: DiffusionOptions, quiet: bool) -> int:
    """Fetch the weights that the options name, and do nothing else."""
    from diffusion.weights import check_packages, describe_model, fetch_adapter, fetch_weights, find_weights, set_up_hub

    check_packages(["huggingface_hub"])
    set_up_hub(quiet=quiet)
    if find_weights(options.model) is None and not (quiet or options.offline):
        _say(f"Fetching {options.model}: {describe_model(options.model)}", sys.stdout)
    weights = fetch_weights(options.model, offline=options.offline)
    places = [weights.file or weights.folder]
    if options.lora is not None:
        places.append(fetch_adapter(options.lora, offline=options.offline))
    if not quiet:
        _say("\n".join(f"On this machine: {place}" for place in places), sys.stdout)
    return _DONE


@contextmanager
def _progress_bar(quiet: bool) -> Iterator[Progress]:
    from tqdm import tqdm

    # None: off unless a person is watching.
    with tqdm(total=100, disable=quiet or None, leave=False, bar_format="{desc} {percentage:3.0f} %|{bar}|") as bar:

        def on_progress(text: str, fraction: float) -> None:
            bar.set_description_str(text, refresh=False)
            bar.update(100 * fraction - bar.n)

        yield on_progress


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


def _explain_unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """What is wrong with a word of the command line that belongs to no flag."""
    if not word.startswith("-"):
        return f"{word} belongs to no flag: name a photo with --input_path, in quotes where its name holds a space"
    wrong = word.partition("=")[0]
    known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    # As people write them: a dash or an underscore, small letters or capitals, one dash or two.
    alike = {_simplify(name): name for name in known}
    near = difflib.get_close_matches(_simplify(wrong), alike, n=1)
    return f"there is no flag {wrong}; did you mean {alike[near[0]]}?" if near else f"there is no flag {wrong}"


def _simplify(flag: str) -> str:
    return flag.lower().lstrip("-").replace("-", "_")


class _ShowVersion(argparse.Action):
    """Shows the version; it is read only when somebody asks, so nothing else waits for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        try:
            version = read_version(ROOT)
        except OSError as error:
            parser.exit(BAD_INPUT, f"error: {error.filename}, which tells the version, cannot be read.\n")
        print(f"{parser.prog} {version}")
        parser.exit()


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


# Where Debian and Ubuntu keep the libraries that OpenCV takes from the system, by the beginnings of their names.
_LIBRARY_PACKAGES = {"libGL.": "libgl1", "libglib-": "libglib2.0-0", "libgthread-": "libglib2.0-0"}


def _find_missing_library(error: ImportError) -> str:
    """The shared library of the system that Linux could not load for a package, such as libGL.so.1, or nothing."""
    found = re.match(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file", str(error))
    return found[1] if found else ""


def _explain_missing_library(library: str) -> str:
    """What to do where the system lacks a shared library."""
    packages = (package for start, package in _LIBRARY_PACKAGES.items() if library.startswith(start))
    package = next(packages, None)
    if package is None:
        return f"this system lacks the library {library}; install the package of your system that holds it."
    return f"this system lacks the library {library}; on Debian or Ubuntu run: sudo apt-get install {package}"


def _quote(path: str, windows: bool) -> str:
    """As a shell takes it."""
    if windows:
        return f'"{path}"' if " " in path else path
    return shlex.quote(path)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line; what it knows of `Options` comes from their fields."""
    parser = _Parser(
        prog="main.py",
        description="Opens closed eyes and makes unsmiling mouths smile in a photo; all else stays as it is.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_files(parser.add_argument_group("files"))
    whole = parser.add_argument_group("the whole photo")
    whole.add_argument(
        "--analyze", action="store_true",
        help="change nothing: list the faces and what would be done, and draw numbered boxes",
    )  # fmt: skip
    _add_options(whole, Options)
    _add_options(parser.add_argument_group("eyes"), EyeOptions)
    _add_options(parser.add_argument_group("smiles"), SmileOptions)
    references = parser.add_argument_group("other photos of the same people")
    references.add_argument(
        "--reference_path", type=_path, nargs="+", action="extend", metavar="PHOTO",
        help="other photos of the same people, or a folder of them: closed eyes are opened with the person's own",
    )  # fmt: skip
    _add_options(references, ReferenceOptions)
    diffusion = parser.add_argument_group("Stable Diffusion")
    diffusion.add_argument(
        "--download_model", action="store_true", help="fetch the weights of --model, and do nothing else"
    )
    _add_options(diffusion, DiffusionOptions)
    _add_options(parser.add_argument_group("the file of the result"), OutputOptions)
    _add_page(parser.add_argument_group("the page in the browser"))
    output = parser.add_argument_group("what is said")
    output.add_argument("--quiet", action="store_true", help="print nothing but errors")
    output.add_argument("--debug", action="store_true", help="show where in the program an unexpected error arose")
    output.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    return parser


def _add_options(group: argparse._ArgumentGroup, options: type[object]) -> None:
    """Add the flag of every field of a dataclass; a wish has a second flag that says never."""
    for _, flag, default in list_flags(options):
        text = flag.describe(default)
        if isinstance(default, bool):
            group.add_argument(flag.name, action="store_true", help=text)
            continue
        is_wish = isinstance(default, Wish)
        group.add_argument(
            flag.name, type=flag.read, default=default, choices=flag.choices or None, metavar=flag.placeholder,
            nargs="?" if is_wish else None, const=Wish.AUTO if is_wish else None, help=text,
        )  # fmt: skip
        if is_wish:
            never = flag.name.replace("--", "--no-", 1)
            group.add_argument(
                never, dest=flag.dest, action="store_const", const=Wish.NEVER, default=default,
                help=f"the same as {flag.name} never",
            )  # fmt: skip


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-i", "--input_path", "--input", type=_path, metavar="PHOTO", help="a photo, or a folder of them"
    )
    group.add_argument(
        "-o", "--output_path", "--output", type=_path, metavar="PHOTO",
        help="the result; its ending names its format (default: data/outputs/final_NAME.png); "
        "a folder when the input is one",
    )  # fmt: skip
    group.add_argument(
        "--burst", type=_path, metavar="FOLDER",
        help="photos of one group, taken one after the other: the best one is kept, and each face that another one "
        "shows better is put right; --input_path names the one to keep",
    )  # fmt: skip
    group.add_argument(
        "--contact_sheet", type=_path, metavar="PHOTO", help="with --burst, also write a picture of who came from where"
    )
    group.add_argument("--overwrite", action="store_true", help="allow the result to replace a photo that was read")
    group.add_argument(
        "--masks_dir", type=_path, metavar="FOLDER", help="also write the masks and the engine's painting"
    )
    group.add_argument("--report", type=_path, metavar="FILE.json", help="also write all measured values as JSON")


def _add_page(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--gradio", action="store_true", help="show the page, until Ctrl+C")
    group.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="where it listens; 0.0.0.0 lets others in your network in (default: %(default)s, this computer alone)",
    )  # fmt: skip
    group.add_argument("--port", type=_port, default=7860, metavar="N", help="its port (default: %(default)s)")
    group.add_argument("--auth", type=_name_and_password, metavar="NAME:PASSWORD", help="let in only who gives these")


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


if __name__ == "__main__":
    sys.exit(main())
