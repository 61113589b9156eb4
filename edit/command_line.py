"""The flags of the command line, in groups; those of `Options` are made from its fields."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from edit.arguments import (
    BAD_USAGE,
    Parser,
    add_options,
    read_burst,
    read_count,
    read_ending,
    read_name,
    read_name_and_password,
    read_path,
    read_port,
)
from edit.options import DiffusionOptions, EyeOptions, Options, OutputOptions, ReferenceOptions, SmileOptions
from photo.missing import ROOT
from photo.tool import read_version

_EXAMPLES = """examples:
  python main.py group.jpg --output_path group_fixed.jpg
  python main.py group.jpg --analyze
  python main.py group.jpg --faces 1,3 --no-smile
  python main.py holiday/ beach.jpg --output_path fixed/
  python main.py wedding/ --triage --output_path sorted/
  python main.py --burst burst/ --output_path best.jpg --contact_sheet who.png
"""


class _ShowVersion(argparse.Action):
    """Shows the version; it is read only when somebody asks, so nothing else waits for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        try:
            version = read_version(ROOT)
        except OSError as error:
            parser.exit(BAD_USAGE, f"error: {error.filename}, which tells the version, cannot be read.\n")
        sys.stdout.write(f"{parser.prog} {version}\n")
        parser.exit()


def build_parser() -> Parser:
    """Return the parser of the command line; what it knows of `Options` comes from their fields."""
    parser = Parser(
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
    add_options(whole, Options)
    _add_sorting(parser.add_argument_group("many photos"))
    add_options(parser.add_argument_group("eyes"), EyeOptions)
    add_options(parser.add_argument_group("smiles"), SmileOptions)
    references = parser.add_argument_group("other photos of the same people")
    references.add_argument(
        "--reference_path", type=read_path, nargs="+", action="extend", metavar="PHOTO",
        help="other photos of the same people, or a folder of them: closed eyes are opened with the person's own",
    )  # fmt: skip
    add_options(references, ReferenceOptions)
    _add_library(parser.add_argument_group("the photo library"))
    diffusion = parser.add_argument_group("Stable Diffusion")
    diffusion.add_argument(
        "--download_model", action="store_true", help="fetch the weights of --model, and do nothing else"
    )
    add_options(diffusion, DiffusionOptions)
    add_options(parser.add_argument_group("the file of the result"), OutputOptions)
    _add_page(parser.add_argument_group("the page in the browser"))
    output = parser.add_argument_group("what is said")
    output.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    output.add_argument("-v", "--verbose", action="store_true", help="also print what was measured")
    output.add_argument("--debug", action="store_true", help="show where in the program an unexpected error arose")
    output.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    return parser


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument("photos", type=read_path, nargs="*", metavar="PHOTO", help="photos, or folders of them")
    group.add_argument(
        "-i", "--input_path", "--input", type=read_path, metavar="PHOTO", help="the same for a single photo or folder"
    )
    group.add_argument(
        "-o", "--output_path", "--output", type=read_name, metavar="PHOTO",
        help="the result, whose ending names its format, or a folder for results (default: data/outputs); a name that "
        "ends in a slash is a folder, and made where it is missing",
    )  # fmt: skip
    group.add_argument(
        "--format", type=read_ending, metavar="ENDING",
        help="the format of results that are not named, such as png (default: that of the photo)",
    )  # fmt: skip
    group.add_argument("--recursive", action="store_true", help="of a folder also take the folders in it")
    group.add_argument(
        "--copy_unchanged", action="store_true", help="also write a result where nothing had to be changed"
    )
    group.add_argument(
        "--burst", type=read_burst, metavar="FOLDER",
        help="photos of one group, taken one after the other: the best one is kept, and each face that another one "
        "shows better is put right; --input_path names the one to keep; auto: find such photos among those that are "
        "named, and do so for each group",
    )  # fmt: skip
    group.add_argument(
        "--contact_sheet",
        type=read_path,
        metavar="PHOTO",
        help="with --burst, also write a picture of who came from where",
    )
    group.add_argument(
        "--overwrite", action="store_true",
        help="allow results to replace photos that were read, and files that this program did not write",
    )  # fmt: skip
    group.add_argument(
        "--masks_dir", type=read_path, metavar="FOLDER", help="also write the masks and the engine's painting"
    )
    group.add_argument(
        "--layers", type=read_path, metavar="FILE.psd",
        help="also write the untouched photo with every edit as a layer with its mask above it; .psd or .tif",
    )  # fmt: skip
    group.add_argument(
        "--sign", type=read_path, nargs=2, metavar=("CERT", "KEY"),
        help="sign results with Content Credentials that name the edited regions: files of a certificate chain and of "
        "its key, both PEM",
    )  # fmt: skip
    group.add_argument("--report", type=read_path, metavar="FILE.json", help="also write all measured values as JSON")


def _add_sorting(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--triage", action="store_true",
        help="change nothing: say of every photo whether it is fine, can be fixed and from where, or cannot and why, "
        "and write triage.csv, triage.json and a contact sheet, triage.html, into the folder of --output_path",
    )  # fmt: skip
    group.add_argument(
        "--sidecars", nargs="?", const="adobe", choices=("adobe", "darktable"),
        help="with --triage, also write rating, label and keywords into XMP sidecars beside the photos, called "
        "IMG_1.xmp (adobe, the default) or IMG_1.CR3.xmp (darktable, digiKam)",
    )  # fmt: skip
    group.add_argument(
        "--workers", type=read_count, metavar="N",
        help="work in so many processes (default: what cores and memory allow)",
    )  # fmt: skip
    group.add_argument(
        "--watch", action="store_true",
        help="after the photos that are there, do those that come into the folder, as from a tethered camera, until "
        "Ctrl+C",
    )  # fmt: skip
    group.add_argument(
        "--retry_failed", action="store_true",
        help="do those photos again that failed, as the journal in the folder of results tells, and what was not done",
    )  # fmt: skip


def _add_library(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--index", type=read_path, nargs="+", action="extend", metavar="FOLDER",
        help="read all photos in and below these folders into the library, those that are new or changed, and do "
        "nothing else; it holds faces as numbers, and never leaves this computer",
    )  # fmt: skip
    group.add_argument(
        "--library", type=read_path, metavar="FILE",
        help="the file of the library (default: one in your user folder); photos with closed eyes are fixed with the "
        "person's own, where it knows a photo that shows them open",
    )  # fmt: skip
    group.add_argument(
        "--no-library", dest="no_library", action="store_true",
        help="look for the person's own eyes neither in the library nor in photos beside this one",
    )  # fmt: skip
    group.add_argument(
        "--library_info", action="store_true", help="check the library, say what it holds, and do nothing else"
    )
    group.add_argument(
        "--forget", type=read_path, nargs="+", action="extend", metavar="FOLDER",
        help="delete all that the library knows of the photos in and below these folders, and do nothing else",
    )  # fmt: skip
    group.add_argument(
        "--people", type=read_path, nargs="?", const=True, metavar="FILE.html",
        help="list the people that the library has found in two photos or more, with their numbers and an example of "
        "each; a page with their pictures goes to FILE.html",
    )  # fmt: skip
    group.add_argument(
        "--name_person", nargs=2, metavar=("NUMBER", "NAME"),
        help="name a person of the library; a name that somebody has already makes the two one",
    )  # fmt: skip
    group.add_argument(
        "--not_person", nargs="+", metavar=("NUMBER", "PHOTO"),
        help="these photos do not show this person of the library, by number or name: take them out for good",
    )  # fmt: skip
    group.add_argument(
        "--person", metavar="NAME",
        help="edit only the face of this person of the library, by name or number, and with their own eyes alone",
    )  # fmt: skip


def _add_page(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--gradio", action="store_true", help="show the page, until Ctrl+C")
    group.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS",
        help="where it listens; 0.0.0.0 lets others in your network in (default: %(default)s, this computer alone)",
    )  # fmt: skip
    group.add_argument("--port", type=read_port, default=7860, metavar="N", help="its port (default: %(default)s)")
    group.add_argument(
        "--auth", type=read_name_and_password, metavar="NAME:PASSWORD",
        help="let in only who gives these; NAME: asks for the password, so that no list of processes shows it",
    )  # fmt: skip
    group.add_argument(
        "--auth_file", type=read_path, metavar="FILE",
        help="read NAME:PASSWORD from a file; without either flag the variable OPEN_EYES_AUTH may hold them",
    )  # fmt: skip
    group.add_argument(
        "--names", type=read_name, nargs="+", metavar="HOST",
        help="further names that the page is reached by, such as that of a proxy; under others it does not answer",
    )  # fmt: skip
