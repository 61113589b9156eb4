"""The contact sheet of a triage: one HTML file that holds all its pictures, asks nobody for anything and runs nothing.

Filters are plain CSS, so the page needs no script, and its policy forbids any, whatever a file name holds.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from photo.mark import OWN_NAMESPACE
from photo.names import show
from triage.tables import NAMES, count_verdicts, describe_blinks
from triage.verdict import FaceVerdict, PhotoVerdict, Verdict

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_COLORS = {
    Verdict.FINE: ("#1a7f4b", "#4cc38a"),
    Verdict.FIXABLE: ("#0b63c5", "#6cb2ff"),
    Verdict.UNSURE: ("#8a6100", "#e8b84a"),
    Verdict.CANNOT: ("#b3261e", "#ff8f86"),
    Verdict.NO_FACE: ("#5f6670", "#a3abb6"),
    Verdict.UNREADABLE: ("#5f6670", "#a3abb6"),
}
_STYLE = """
:root { color-scheme: light dark; --paper: #f6f6f4; --card: #fff; --ink: #1d2024; --soft: #5b626b; --line: #dcdeda; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171a; --card: #1f2226; --ink: #eceef0; --soft: #a3abb4; --line: #33383e; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 20px; margin: 0; }
header { padding: 20px 24px 4px; }
header p { margin: 4px 0 0; color: var(--soft); }
.filters { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 8px; padding: 12px 24px;
  background: var(--paper); border-bottom: 1px solid var(--line); }
.filters label { padding: 5px 12px; border: 1px solid var(--line); border-radius: 999px; background: var(--card);
  cursor: pointer; }
.filters label b { opacity: 0.7; font-weight: 500; }
input { position: absolute; opacity: 0; }
main { padding: 8px 24px 40px; }
section { margin: 15px -3px 0; padding: 3px; content-visibility: auto; contain-intrinsic-size: auto 320px; }
h2 { font-size: 14px; font-weight: 600; margin: 0 0 8px; }
h2 span { font-weight: 400; color: var(--soft); }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 14px; }
.photo { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; margin: 0; }
.photo.best { outline: 2px solid var(--ink); }
.photo > a, .blank { display: block; height: 190px; background: #0001; }
.photo > a img { width: 100%; height: 100%; object-fit: contain; display: block; }
figcaption { padding: 10px 12px 12px; }
.name { overflow-wrap: anywhere; font-weight: 600; }
.verdict { color: var(--tone); font-weight: 600; }
.mark { float: right; font-size: 12px; border: 1px solid currentColor; border-radius: 4px; padding: 0 6px; }
.faces { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 8px; }
.face { width: 84px; font-size: 12px; line-height: 1.3; color: var(--soft); }
.face img { width: 84px; height: 84px; object-fit: cover; border-radius: 8px; border: 3px solid var(--tone); }
.why { margin: 8px 0 0; padding-left: 18px; font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
"""


def make_sheet(verdicts: Sequence[PhotoVerdict], folder: Path) -> str:
    """Return the sheet as the text of an HTML file that is to lie in `folder`, from where it links to the photos."""
    filters = [("all", "all", len(verdicts))]
    for verdict in Verdict:
        if count := sum(one.verdict is verdict for one in verdicts):
            filters.append((verdict.value, NAMES[verdict], count))
    if count := sum(one.is_best for one in verdicts):
        filters.append(("best", "best of its scene", count))
    inputs = "".join(
        f'<input type="radio" name="show" id="show-{code}"{" checked" if code == "all" else ""}>'
        for code, _, _ in filters
    )
    labels = "".join(f'<label for="show-{code}">{escape(name)} <b>{count}</b></label>' for code, name, count in filters)
    scenes = [_make_scene(number, list(frames), folder) for number, frames in groupby(verdicts, lambda one: one.scene)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="{OWN_NAMESPACE}">\n<title>Triage</title>\n'
        f"<style>{_STYLE}{_make_tones()}{_make_filter_rules([code for code, _, _ in filters])}</style>\n</head>\n"
        f"<body>\n<header><h1>Triage</h1><p>{escape(count_verdicts(verdicts))}</p></header>\n"
        f'{inputs}\n<nav class="filters">{labels}</nav>\n<main>\n{"".join(scenes)}</main>\n</body>\n</html>\n'
    )


def _make_tones() -> str:
    """The colour of each verdict, on light and on dark paper."""
    light = "".join(f".{verdict.value} {{ --tone: {pair[0]}; }}\n" for verdict, pair in _COLORS.items())
    dark = "".join(f".{verdict.value} {{ --tone: {pair[1]}; }}\n" for verdict, pair in _COLORS.items())
    return f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _make_filter_rules(codes: Sequence[str]) -> str:
    """What each filter hides, and how the one that is chosen looks."""
    rules = [
        f"#show-{code}:checked ~ main .photo:not(.{code}), "
        f"#show-{code}:checked ~ main section:not(:has(.photo.{code})) {{ display: none; }}\n"
        for code in codes
        if code != "all"
    ]
    for code in codes:
        label = f'.filters label[for="show-{code}"]'
        rules.append(f"#show-{code}:checked ~ {label} {{ background: var(--ink); color: var(--paper); }}\n")
        rules.append(f"#show-{code}:focus-visible ~ {label} {{ outline: 3px solid #6cb2ff; }}\n")
    return "".join(rules)


def _make_scene(number: int, frames: Sequence[PhotoVerdict], folder: Path) -> str:
    head = f"Scene {number}, {len(frames)} frames" if len(frames) > 1 else ""
    blinks = describe_blinks(frames) if len(frames) > 1 else ""
    title = f"<h2>{head} <span>{escape(blinks)}</span></h2>" if head else ""
    cards = "".join(_make_card(one, folder) for one in frames)
    return f'<section>{title}<div class="frames">{cards}</div></section>\n'


def _make_card(one: PhotoVerdict, folder: Path) -> str:
    name = escape(show(one.path.name))
    picture = (
        f'<a href="{escape(_link(one.path, folder))}"><img src="{_embed(one.picture)}" alt="{name}"></a>'
        if one.picture
        else '<div class="blank"></div>'
    )
    words = escape(NAMES[Verdict.UNREADABLE] if one.error else one.words)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in ([one.error] if one.error else one.reasons))
    return (
        f'<figure class="photo {one.verdict.value}{" best" if one.is_best else ""}">{picture}<figcaption>'
        f'{"<span class=mark>best</span>" if one.is_best else ""}<div class="name">{name}</div>'
        f'<div class="verdict">{words}</div>'
        f'<div class="faces">{"".join(map(_make_face, one.faces))}</div>'
        f"{f'<ul class=why>{reasons}</ul>' if reasons else ''}</figcaption></figure>"
    )


def _make_face(face: FaceVerdict) -> str:
    eyes = face.eyes[0] if face.eyes[0] == face.eyes[1] else f"{face.eyes[0]}, {face.eyes[1]}"
    gaze = {None: "", True: "", False: ", looks away"}[face.looks_at_camera]
    smile = "smiles" if face.is_smiling else "no smile"
    return (
        f'<div class="face {face.verdict.value}"><img src="{_embed(face.picture)}" alt="face {face.number}">'
        f"{face.number}: eyes {escape(eyes)}{gaze}, {smile}, sharpness {face.sharpness:.2f}</div>"
    )


def _embed(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"


def _link(path: Path, folder: Path) -> str:
    """Where the photo is, seen from the sheet's folder."""
    try:
        relative = Path(os.path.relpath(path.resolve(), folder.resolve()))
    except ValueError:  # another drive of Windows
        return path.resolve().as_uri()
    return quote(os.fsencode(relative.as_posix()))
