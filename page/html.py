"""The pieces of HTML and the sentences that the page shows, made from what was found in the photos."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import cv2
import numpy as np

from edit.options import FaceChoice, Options, Wish
from edit.plan import Skip
from edit.reasons import Cause, Reason
from eyes_mask import eyes_mask
from face.types import EYES, Face, Feature
from mouth_mask import mouth_mask
from page.session import DonorPreview, OpenPhoto, References, Session, shrink
from page.theme import EDIT_COLOR
from photo.preview import encode_jpeg
from photo.types import Box, Pixels
from retouch.engines import DiffusionState
from retouch.pipeline import plan_edits
from retouch.report import describe, explain

PREVIEW_PX = 1600
"""Longest side of the photo as the page shows it: sharp on a large screen, quick to send."""
_CARD_PX = 96
# Closer to the upper edge than this fraction of the photo's height, the number of a face stands inside its box.
_LABEL_ROOM = 0.1
_SAMPLE_HEIGHT_PX = 232
_THUMBNAIL_PX = 132
# Where a mask is full this fraction of its tint is seen over the photo.
_TINT_ALPHA = 0.62
# How long a photo takes, measured on two cores with photos of 12 megapixels …
_DRAFT_SECONDS, _DRAFT_SECONDS_PER_FACE = 0.6, 0.3
# … and with 13 steps of Stable Diffusion 1.5, on a graphics card and on a processor.
_CARD_SECONDS_PER_FACE, _CPU_SECONDS_PER_FACE = 5.0, 150.0

# Such as "; --eyes always opens it".
_FLAG_CLAUSE = re.compile(r"; --[^;.]*")

ENGINE_NAMES = [("Automatic", "auto"), ("Draft", "draft"), ("Stable Diffusion", "stable-diffusion")]
"""The engines as people read them, and by the name that the options have for them."""

TOP = """
<header class="top"><h1>Open eyes, gentle smiles</h1>
<p>Photos stay on the computer that runs this page.</p></header>
"""

INTRODUCTION = """
<h2>Somebody blinked?</h2>
<p>Drop the photo here. Closed eyes open, glum mouths smile a little, and every other pixel stays as it is.</p>
"""

OVERLAY = """
<div class="overlay">
<div class="view" tabindex="0" role="group" aria-label="The photo: plus and minus zoom, the arrow keys move it"></div>
<div class="strokes"></div>
<span class="side is-before" aria-hidden="true">Before</span><span class="side is-after" aria-hidden="true">After</span>
<div class="handle" tabindex="0" role="slider" aria-label="Where before ends and after begins" aria-valuemin="0"
aria-valuemax="100" aria-valuenow="50"><i></i></div>
</div>
"""
"""What lies over the photo; `canvas.js` moves it."""

TOOLS = """
<div class="tools">
<div class="group">
<button type="button" data-do="fit">Whole<span> photo</span></button>
<button type="button" data-do="out" aria-label="Zoom out">&minus;</button>
<output class="percent" aria-label="Zoom">100 %</output>
<button type="button" data-do="in" aria-label="Zoom in">+</button>
</div>
<button type="button" data-do="peek" aria-pressed="false"><span>Hold for </span>before</button>
<div class="group">
<button type="button" data-do="masks" aria-pressed="false"><span>What </span>changes</button>
<button type="button" data-do="brush" aria-pressed="false">Brush</button>
<button type="button" data-do="help" aria-label="Keys and help">?</button>
</div>
</div>
<div class="tools brushes" hidden>
<div class="group" role="radiogroup" aria-label="What the brush does">
<button type="button" data-paint="keep" role="radio" aria-checked="true">Keep as it is</button>
<button type="button" data-paint="edit" role="radio" aria-checked="false">Edit too</button>
<button type="button" data-paint="erase" role="radio" aria-checked="false">Erase</button>
</div>
<label>Size <input type="range" min="6" max="90" value="30" class="size"></label>
<div class="group">
<button type="button" data-do="undo">Undo</button>
<button type="button" data-do="clear">Clear</button>
<button type="button" data-do="brush">Done</button>
</div>
</div>
<dialog class="help" aria-labelledby="help-title">
<h2 id="help-title">Keys and help</h2>
<dl>
<div><dt><kbd>F</kbd></dt><dd>the next face, with <kbd>Shift</kbd> the one before</dd></div>
<div><dt><kbd>[</kbd> <kbd>]</kbd></dt><dd>the photo before, the next photo</dd></div>
<div><dt><kbd>B</kbd></dt><dd>hold it to see the photo as it was; so does a long press on the picture</dd></div>
<div><dt><kbd>+</kbd> <kbd>&minus;</kbd> <kbd>0</kbd></dt>
<dd>zoom in, out, whole photo; so do the wheel and two fingers</dd></div>
<div><dt><kbd>M</kbd></dt><dd>tint what changes</dd></div>
<div><dt><kbd>P</kbd></dt><dd>paint with the brush</dd></div>
<div><dt><kbd>Ctrl</kbd> <kbd>Enter</kbd></dt><dd>fix</dd></div>
<div><dt><kbd>Esc</kbd></dt><dd>leave the brush, else the whole photo</dd></div>
<div><dt><kbd>?</kbd></dt><dd>this sheet</dd></div>
</dl>
<p><b class="edit"></b>is edited <b class="keep"></b>stays as it is <b class="ask"></b>is for you to decide</p>
<label><input type="checkbox" class="keys-on" checked> Keys of one letter do something</label>
<form method="dialog"><button>Close</button></form>
</dialog>
"""
"""The buttons below the photo, those of the brush, and the sheet of keys; `canvas.js` and `brush.js` answer them."""


def draw_samples(samples: Mapping[str, Pixels]) -> str:
    """The sample photos, each uint8 (h, w, 3) RGB by its name, as a row of buttons."""
    items = []
    for number, (name, pixels) in enumerate(samples.items(), 1):
        small = shrink(pixels, round(_SAMPLE_HEIGHT_PX * max(pixels.shape[1] / pixels.shape[0], 1.0)))
        label = f"Open sample photo {number}"
        items.append(
            f'<li><button type="button" data-group="sample" data-pick="{html.escape(name)}" aria-label="{label}">'
            f'<img src="{embed(small)}" alt="Sample photo {number}"></button></li>'
        )
    return f'<section class="samples"><h2>Or try one of these</h2><ul>{"".join(items)}</ul></section>'


def draw_demo(before: Pixels, after: Pixels) -> str:
    """A sample photo before and after, both uint8 (h, w, 3) RGB, with a line that moves across once."""
    height, width = before.shape[:2]
    pictures = "".join(
        f'<img class="{name}" src="{embed(pixels)}" alt="A sample photo {name}" width="{width}" height="{height}">'
        for name, pixels in (("before", before), ("after", after))
    )
    return f'<figure class="demo">{pictures}<i></i><span>Before</span><span>After</span></figure>'


def draw_photos(session: Session, options: Options) -> str:
    """The open photos as buttons, each with one that puts it away; the photo that was put away last can be put back.

    `data-unsaved` holds what would be lost with the page, and is empty where nothing would.
    """
    chips = []
    for number, photo in enumerate(session.photos):
        name = html.escape(photo.name)
        kind, state = _describe_state(session, photo, options)
        chips.append(
            f'<span class="chip {kind}"><button type="button" data-group="photo" data-pick="{number}" '
            f'aria-pressed="{str(number == session.current).lower()}" title="{name}">'
            f'<img src="{_draw_thumbnail(photo)}" alt=""><span class="name">{name}</span>'
            f"<small>{state}</small></button>"
            f'<button type="button" class="remove" data-pick="remove-{number}" aria-label="Remove {name}">×</button>'
            "</span>"
        )
    undo = draw_undo(session.removed[1].name) if session.removed else ""
    unsaved = " ".join(
        photo.saved.parent.name if photo.saved else "changed" for photo in session.photos if _is_worked_on(photo)
    )
    return f'<nav class="photos" aria-label="Open photos" data-unsaved="{unsaved}">{"".join(chips)}{undo}</nav>'


def _describe_state(session: Session, photo: OpenPhoto, options: Options) -> tuple[str, str]:
    """What became of a photo so far: a word for the style sheet, and words for people."""
    if session.work is not None and session.work.photo is photo:
        return "busy", "Being fixed …"
    if photo.is_finished(options):
        return "done", "✓ Done"
    if session.work is not None:
        return "", "Waits"
    if photo.saved is not None:
        return "old", "Changed since"
    if not photo.is_searched:
        return "", "Not fixed yet"
    count = len(photo.faces)
    return "", {0: "No face", 1: "1 face"}.get(count, f"{count} faces")


def _draw_thumbnail(photo: OpenPhoto) -> str:
    if not photo.thumbnail:
        photo.thumbnail = embed(shrink(photo.photo.pixels, _THUMBNAIL_PX))
    return photo.thumbnail


def draw_references(references: References) -> str:
    """The other photos of the same people, each with a button that puts it away."""
    items = "".join(
        f'<li><span>{html.escape(reference.name)}</span><button type="button" data-pick="remove-{number}" '
        f'aria-label="Remove {html.escape(reference.name)}">×</button></li>'
        for number, reference in enumerate(references.photos)
    )
    return f'<ul class="references">{items}</ul>' if items else ""


def draw_undo(name: str | None) -> str:
    """The button that puts back the photo of this name; nothing where there is none."""
    if name is None:
        return ""
    return f'<button type="button" class="undo" data-pick="undo">Put {html.escape(name)} back</button>'


def _is_worked_on(photo: OpenPhoto) -> bool:
    return bool(photo.saved or photo.choices or photo.strokes)


def draw_stage(opened: OpenPhoto, options: Options, *, shows_masks: bool = False) -> str:
    """The photo with all that lies on it: its result, or the faces that were painted so far, and a box for each face.

    The result counts while it fits the `options`. With `shows_masks` what is repainted is tinted.
    """
    height, width = opened.photo.pixels.shape[:2]
    name = html.escape(opened.name)
    count = {0: "no face found", 1: "1 face found"}.get(len(opened.faces), f"{len(opened.faces)} faces found")
    # The size keeps the place while the picture is on its way, so that the boxes never jump.
    size = f'width="{width}" height="{height}"'
    sharp = str(opened.is_sharp).lower()
    before = (
        f'<img src="{address(opened.shown or "")}" {size} data-sharp="{sharp}" '
        f'alt="{name}{f", {count}" if opened.is_searched else ""}">'
    )
    after = ""
    has_result = opened.is_finished(options) and opened.shown_result is not None
    if has_result:
        after = f'<img src="{address(opened.shown_result or "")}" {size} data-sharp="{sharp}" alt="{name}, after">'
    else:
        # Both sides get the picture of the face, so that one is as sharp as the other.
        for number, picture in sorted(opened.pictures.items()):
            start = f'<img class="face" style="{_place(picture.box, width, height)}" data-face="{number}" '
            start += f'data-sharp="{str(picture.is_sharp).lower()}"'
            before += f'{start} src="{address(picture.before)}" alt="Face {number}, before">'
            after += f'{start} src="{address(picture.after)}" alt="Face {number}, after">'
    marks = "".join(_draw_mark(opened, face, options) for face in (opened.faces if opened.is_searched else ()))
    masks = draw_masks(opened, options) if shows_masks and opened.is_searched else ""
    return (
        f'<div class="sheet" data-photo="{opened.key}" data-width="{width}" data-height="{height}" '
        f'data-result="{str(has_result).lower()}"><div class="before">{before}</div><div class="after">{after}</div>'
        f'<div class="tint">{masks}</div><div class="marks" role="group" aria-label="Faces in the photo">{marks}</div>'
        "</div>"
    )


def _draw_mark(opened: OpenPhoto, face: Face, options: Options) -> str:
    """The numbered box around a face: a button."""
    height, width = opened.photo.pixels.shape[:2]
    box = face.box.clipped(width, height) or face.box
    kind = f"mark {_kind(opened, face, options)}" + (" top" if box.top < _LABEL_ROOM * height else "")
    return (
        f'<button type="button" class="{kind}" style="{_place(box, width, height)}" data-group="face" '
        f'data-pick="{face.number}" aria-pressed="{str(face.number == opened.selected).lower()}" '
        f'aria-label="Face {face.number}: {html.escape(_found(opened, face))}"><b>{face.number}</b></button>'
    )


def _place(box: Box, width: int, height: int) -> str:
    """Where a box lies on a photo of this size, by its middle, as a style."""
    x, y = box.center
    return f"left:{x / width:.4%};top:{y / height:.4%};width:{box.width / width:.4%};height:{box.height / height:.4%}"


def draw_cards(opened: OpenPhoto, options: Options) -> str:
    """The faces as a list of buttons: a picture, what was found, what will be done."""
    if not opened.is_searched:
        return '<p class="doing" role="status">Looking for faces …</p>'
    if not opened.faces:
        return (
            '<section class="kind"><h2>No face found here</h2><p>Faces can be missed when they are very small, turned '
            "away, covered or out of focus.</p><p>Your photo is fine as it is; try another one, or a larger "
            "version of it.</p></section>"
        )
    cards = []
    donors = opened.preview_donors(options)
    for face in opened.faces:
        choice = opened.choice(face.number, options)
        donor_text, donor_picture = _draw_donor(donors.get(face.number))
        kind = _kind(opened, face, options)
        will = "For you to decide" if kind == "ask" else _will(choice)
        cards.append(
            f'<div class="card"><button type="button" data-group="face" data-pick="{face.number}" '
            f'aria-pressed="{str(face.number == opened.selected).lower()}">'
            f'<img src="{embed(_portrait(opened.photo.pixels, face))}" alt="">'
            f"<span><b>{will}</b>"
            f"<small>Face {face.number}: {html.escape(_found(opened, face))}</small>{donor_text}</span>"
            f'{donor_picture}<i class="{kind}"></i></button>{_draw_offer(opened, face, options)}</div>'
        )
    return f'<div class="cards" role="group" aria-label="Faces">{"".join(cards)}</div>'


def _draw_offer(opened: OpenPhoto, face: Face, options: Options) -> str:
    """A button that edits a face of which it is not sure that it needs it; nothing for other faces."""
    offer = opened.offer(face.number, options)
    if offer is None:
        return ""
    words = " and ".join(
        text for text, wish in (("open the eyes", offer.eyes), ("smile", offer.smile)) if wish is Wish.ALWAYS
    )
    return (
        f'<button type="button" class="offer" data-pick="offer-{face.number}" '
        f'aria-label="Face {face.number}: {words}">{_capitalize(words)}</button>'
    )


def _kind(opened: OpenPhoto, face: Face, options: Options) -> str:
    """Whether a face is edited, or kept as it is, or that is for the visitor to decide: a word for the style sheet."""
    if _is_edited(opened.choice(face.number, options)):
        return "edit"
    return "keep" if opened.offer(face.number, options) is None else "ask"


def _draw_donor(preview: DonorPreview | None) -> tuple[str, str]:
    """What a face gets from another photo, or why it gets nothing: a line of text, and a picture or nothing."""
    if preview is None:
        return "", ""
    if preview.picture is None:
        return f"<small>{html.escape(_capitalize(preview.why_not))}</small>", ""
    name = html.escape(preview.name)
    picture = f'<img class="donor" src="{embed(shrink(preview.picture, 2 * _CARD_PX), 90)}" alt="From {name}">'
    return f"<small>With their own, from {name}</small>", picture


def draw_masks(opened: OpenPhoto, options: Options) -> str:
    """All that may be repainted as a tint to be laid over the photo, and a sentence about it."""
    shape = opened.photo.pixels.shape
    plan = plan_edits(opened.analyses, opened.final_options(options), strokes=opened.strokes)
    if not plan.edits:
        return "<p>Nothing is repainted: every pixel stays as it is.</p>"
    scale = min(1.0, PREVIEW_PX / max(shape[:2]))
    size = max(round(shape[1] * scale), 1), max(round(shape[0] * scale), 1)
    alpha = np.maximum(eyes_mask(shape, plan.edits), mouth_mask(shape, plan.edits))
    tint = np.empty((size[1], size[0], 4), np.uint8)
    tint[..., :3] = EDIT_COLOR[::-1]
    tint[..., 3] = np.rint(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) * _TINT_ALPHA)
    source = "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", tint)[1].tobytes()).decode("ascii")
    return (
        f'<img src="{source}" alt="What is repainted">'
        "<p>Orange is repainted. Every other pixel stays as it is, to the last bit.</p>"
    )


def describe_findings(opened: OpenPhoto, face: Face, features: Sequence[Feature]) -> str:
    """What was found of the eyes or of the mouth, for the line under a switch."""
    edits = [edit for edit in opened.planned(face.number) if edit.feature in features]
    if edits:
        if features == [Feature.MOUTH]:
            return "Not smiling"
        return "Both closed" if len(edits) == len(EYES) else f"The {edits[0].feature.value} is closed"
    reasons = dict.fromkeys(say(skip.cause) for skip in _skips(opened, face, features))
    return _capitalize("; ".join(reasons))


def describe_result(opened: OpenPhoto, *, is_finished: bool = True) -> str:
    """What was done, as one sentence, and all of it in a fold; one that is not `is_finished` was made otherwise."""
    if opened.result is None:
        return ""
    report = opened.result.report
    changed = len({change.face.number for change in report.changes if change.kept})
    count = "the face" if len(report.faces) == 1 else f"{changed} of {len(report.faces)} faces"
    headline = f"Done: {count} changed." if changed else "Nothing was changed: the photo stays as it was."
    if not is_finished:
        headline = "The settings were changed since this was made: fix the photo again."
    why_draft = "The draft engine painted this, as Stable Diffusion is not ready on this computer."
    lines = [leave_out_flags(line) for line in describe(report).splitlines()]
    lines += [text for text in (opened.note, why_draft if opened.why_draft else "") if text]
    body = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    details = f"<details><summary>What was done</summary>{body}</details>"
    return f'<div class="report" role="status"><p>{headline}</p>{details}</div>'


def draw_progress(text: str, fraction: float) -> str:
    """What is being done, and a bar of which `fraction`, 0 … 1, is full."""
    percent = round(100 * min(max(fraction, 0.0), 1.0))
    return (
        f'<p class="doing" role="status">{html.escape(_capitalize(text))} …</p><div class="bar" '
        f'role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-label="Progress"><div style="width:{percent}%"></div></div>'
    )


def describe_engine(engine: str, state: DiffusionState, faces_to_edit: int) -> str:
    """Whether an engine can paint here, and about how long this photo will take."""
    count = max(faces_to_edit, 1)
    uses_diffusion = engine == "stable-diffusion" or (engine == "auto" and state.is_ready)
    if uses_diffusion:
        seconds = count * (_CARD_SECONDS_PER_FACE if state.has_card else _CPU_SECONDS_PER_FACE)
    else:
        seconds = _DRAFT_SECONDS + _DRAFT_SECONDS_PER_FACE * count
    takes = f"About {_duration(seconds)} for this photo."
    if not uses_diffusion:
        return f'<p class="state">The draft engine paints. {takes}</p>'
    if not state.is_ready:
        return '<p class="state"><b>Stable Diffusion cannot paint here yet;</b> see Engine and details.</p>'
    where = "on the graphics card" if state.has_card else "without a graphics card"
    return f'<p class="state">Stable Diffusion paints {where}. {takes}</p>'


def describe_diffusion(state: DiffusionState) -> str:
    """Whether Stable Diffusion is there, and how to get it."""
    if state.is_ready:
        where = "on the graphics card" if state.has_card else "without a graphics card, so a face takes minutes"
        return f'<p class="state">Draft: ready. Stable Diffusion: <b>ready</b>, {where}.</p>'
    return (
        '<p class="state">Draft: ready. Stable Diffusion: <b>not on this computer</b>; docs/use.md, which comes with '
        "the program, says how to add it.</p>"
    )


def say(cause: Cause) -> str:
    """The sentence of a cause as the page says it: without what was measured, and without flags of the command line."""
    return leave_out_flags(explain(cause, numbers=False))


def leave_out_flags(sentence: str) -> str:
    """A sentence without the clause that names a flag of the command line: here there is a switch for it."""
    return _FLAG_CLAUSE.sub("", sentence)


def address(file: str) -> str:
    """Where the browser finds a file of the page's own folder."""
    return html.escape(f"gradio_api/file={quote(file)}")


def embed(pixels: Pixels, quality: int = 85) -> str:
    """`pixels`, uint8 (h, w, 3) RGB, as the address of an <img>: no file is needed to show it."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(pixels, quality)).decode("ascii")


def _capitalize(text: str) -> str:
    """With a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def _duration(seconds: float) -> str:
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{round(seconds)} seconds"
    return f"{round(seconds / 60)} minutes"


def _is_edited(choice: FaceChoice) -> bool:
    return Wish.ALWAYS in (choice.eyes, choice.smile)


def _will(choice: FaceChoice) -> str:
    edits = [text for text, wish in (("opens the eyes", choice.eyes), ("smiles", choice.smile)) if wish is Wish.ALWAYS]
    return " and ".join(edits).capitalize() or "Stays as it is"


def _skips(opened: OpenPhoto, face: Face, features: Sequence[Feature]) -> list[Skip]:
    return [skip for skip in opened.plan.skips if skip.face.number == face.number and skip.feature in features]


def _found(opened: OpenPhoto, face: Face) -> str:
    """What was found, in a few words: the reasons of the plan, cut before their figures."""
    planned = {edit.feature for edit in opened.planned(face.number)}
    texts = []
    if planned - {Feature.MOUTH}:
        texts.append("eyes closed" if len(planned - {Feature.MOUTH}) == len(EYES) else "one eye closed")
    else:
        texts += [_shorten(skip.cause) for skip in _skips(opened, face, EYES)[:1]]
    if Feature.MOUTH in planned:
        texts.append("not smiling")
    else:
        texts += [_shorten(skip.cause) for skip in _skips(opened, face, [Feature.MOUTH])]
    return ", ".join(dict.fromkeys(texts))


_SHORT = {
    Reason.OPEN: "eyes open",
    Reason.OPEN_BESIDE_CLOSED: "eyes open",
    Reason.SMILING: "smiling",
    Reason.SMILING_A_LITTLE: "smiling",
    Reason.TOO_SMALL: "too small",
}
"""The few words of reasons whose sentence is too long for a card; of the others it is cut before its figures."""


def _shorten(cause: Cause) -> str:
    if cause.reason.is_unsure:
        return "not sure"
    return _SHORT.get(cause.reason) or say(cause).partition(":")[0].partition(" (")[0]


def _portrait(pixels: Pixels, face: Face) -> Pixels:
    """The face alone, uint8 (_CARD_PX, _CARD_PX, 3) RGB."""
    x, y = face.box.center
    reach = 0.62 * max(face.box.width, face.box.height)
    around = Box(int(x - reach), int(y - reach), int(x + reach) + 1, int(y + reach) + 1)
    box = around.clipped(pixels.shape[1], pixels.shape[0]) or face.box
    return np.asarray(cv2.resize(pixels[box.slices], (_CARD_PX, _CARD_PX), interpolation=cv2.INTER_AREA), np.uint8)
