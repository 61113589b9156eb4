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
from page.session import DonorPreview, FaceView, OpenPhoto, Session, encode_jpeg, shrink
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
# The masks over the photo: orange for eyes, blue for mouths, RGB; where a mask is full this fraction of it is seen.
_EYES_TINT, _MOUTH_TINT, _TINT_ALPHA = (240, 140, 20), (75, 159, 225), 0.62
# How long a photo takes, measured on two cores with photos of 12 megapixels …
_DRAFT_SECONDS, _DRAFT_SECONDS_PER_FACE = 0.6, 0.3
# … and with 13 steps of Stable Diffusion 1.5, on a graphics card and on a processor.
_CARD_SECONDS_PER_FACE, _CPU_SECONDS_PER_FACE = 5.0, 150.0

# Such as "; --eyes always opens it".
_FLAG_CLAUSE = re.compile(r"; --[^;.]*")

TOP = """
<header class="top"><h1>Open eyes, gentle smiles</h1>
<p>Photos stay on the computer that runs this page.</p></header>
"""


BRUSH_HINT = """
<p class="hint"><b class="blue">Blue</b> keeps what you paint over as it is, <b class="orange">orange</b> asks to edit
it too. The palette at the left changes the colour.</p>
"""


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


def draw_photos(session: Session, options: Options) -> str:
    """The open photos as buttons, each with one that puts it away; the photo that was put away last can be put back.

    `data-unsaved` holds what would be lost with the page, and is empty where nothing would.
    """
    chips = []
    for number, photo in enumerate(session.photos):
        name = html.escape(photo.name)
        state = "done" if photo.is_finished(options) else ""
        chips.append(
            f'<span class="chip {state}"><button type="button" data-group="photo" data-pick="{number}" '
            f'aria-pressed="{str(number == session.current).lower()}">{name}</button>'
            f'<button type="button" class="remove" data-pick="remove-{number}" aria-label="Remove {name}">×</button>'
            "</span>"
        )
    undo = draw_undo(session.removed[1].name) if session.removed else ""
    unsaved = " ".join(
        photo.saved.parent.name if photo.saved else "changed" for photo in session.photos if _is_worked_on(photo)
    )
    return f'<nav class="photos" aria-label="Open photos" data-unsaved="{unsaved}">{"".join(chips)}{undo}</nav>'


def draw_undo(name: str | None) -> str:
    """The button that puts back the photo of this name; nothing where there is none."""
    if name is None:
        return ""
    return f'<button type="button" class="undo" data-pick="undo">Put {html.escape(name)} back</button>'


def _is_worked_on(photo: OpenPhoto) -> bool:
    return bool(photo.saved or photo.choices or photo.strokes)


def draw_stage(opened: OpenPhoto, options: Options) -> str:
    """The photo, from the file in `opened.shown`, with a numbered box around each face that can be clicked."""
    height, width = opened.photo.pixels.shape[:2]
    marks = []
    for face in opened.faces if opened.is_searched else ():
        box = face.box.clipped(width, height) or face.box
        place = (
            f"left:{box.left / width:.4%};top:{box.top / height:.4%};"
            f"width:{box.width / width:.4%};height:{box.height / height:.4%}"
        )
        kind = "mark edit" if _is_edited(opened.choice(face.number, options)) else "mark"
        kind += " top" if box.top < _LABEL_ROOM * height else ""
        marks.append(
            f'<button type="button" class="{kind}" style="{place}" data-group="face" data-pick="{face.number}" '
            f'aria-pressed="{str(face.number == opened.selected).lower()}" '
            f'aria-label="Face {face.number}: {html.escape(_found(opened, face))}"><b>{face.number}</b></button>'
        )
    count = {0: "no face found", 1: "1 face found"}.get(len(opened.faces), f"{len(opened.faces)} faces found")
    alt = html.escape(f"{opened.name}, {count}" if opened.is_searched else opened.name)
    # The size keeps the place while the picture is on its way, so that the boxes never jump.
    picture = f'<img src="{address(opened.shown or "")}" width="{width}" height="{height}" alt="{alt}">'
    return f'<figure class="frame">{picture}{"".join(marks)}</figure>'


def draw_loupe(before: str, after: str, view: FaceView, number: int) -> str:
    """The files of one face, before and after, in a view that can be moved about and first shows the change.

    A slider moves the line between the two.
    """
    across, down = view.size
    pictures = "".join(
        f'<img src="{address(file)}" alt="{alt}">' for file, alt in ((before, "before"), (after, "after"))
    )
    return (
        f'<div class="loupe"><div class="pan" tabindex="0" role="group" aria-label="Face {number} at 100 %">'
        f'<div class="sheet" data-focus="{view.focus:.2f}" style="--across:{across};--down:{down}">{pictures}</div>'
        "</div><i></i>"
        '<input type="range" min="0" max="100" value="50" aria-label="Where before ends and after begins"></div>'
    )


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
        kind = ' class="edit"' if _is_edited(choice) else ""
        cards.append(
            f'<button type="button" data-group="face" data-pick="{face.number}" '
            f'aria-pressed="{str(face.number == opened.selected).lower()}">'
            f'<img src="{embed(_portrait(opened.photo.pixels, face))}" alt="">'
            f"<span><b>{_will(choice)}</b>"
            f"<small>Face {face.number}: {html.escape(_found(opened, face))}</small>{donor_text}</span>"
            f"{donor_picture}<i{kind}></i></button>"
        )
    return f'<div class="cards" role="group" aria-label="Faces">{"".join(cards)}</div>'


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
    """The photo with everything that may be repainted tinted."""
    pixels = opened.photo.pixels
    plan = plan_edits(opened.analyses, opened.final_options(options), strokes=opened.strokes)
    picture = shrink(pixels, PREVIEW_PX).astype(np.float32)
    size = picture.shape[1], picture.shape[0]
    for mask, tint in ((eyes_mask, _EYES_TINT), (mouth_mask, _MOUTH_TINT)):
        alpha = cv2.resize(mask(pixels.shape, plan.edits), size, interpolation=cv2.INTER_AREA)
        opacity = (alpha.astype(np.float32) / 255 * _TINT_ALPHA)[..., None]
        picture += opacity * (np.array(tint, np.float32) - picture)
    source = embed(np.rint(picture).astype(np.uint8), 88)
    text = (
        "Orange is repainted for the eyes, blue for the mouth. Every other pixel stays as it is, to the last bit."
        if plan.edits
        else "Nothing is repainted: every pixel stays as it is."
    )
    alt = "The photo with its masks" if plan.edits else "The photo without any mask"
    return f'<figure class="frame"><img src="{source}" alt="{alt}"></figure><p class="hint">{text}</p>'


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
    Reason.UNSURE_LAUGHING: "not sure",
    Reason.UNSURE_LOWERED: "not sure",
    Reason.UNSURE_HALF_SHUT: "not sure",
    Reason.UNSURE_TEETH: "not sure",
    Reason.UNSURE_CRYING: "not sure",
    Reason.UNSURE_ASLEEP: "not sure",
    Reason.UNSURE_MOOD: "not sure",
    Reason.UNSURE_BENT: "not sure",
    Reason.SMILING: "smiling",
    Reason.SMILING_A_LITTLE: "smiling",
    Reason.TOO_SMALL: "too small",
}
"""The few words of reasons whose sentence is too long for a card; of the others it is cut before its figures."""


def _shorten(cause: Cause) -> str:
    return _SHORT.get(cause.reason) or say(cause).partition(":")[0].partition(" (")[0]


def _portrait(pixels: Pixels, face: Face) -> Pixels:
    """The face alone, uint8 (_CARD_PX, _CARD_PX, 3) RGB."""
    x, y = face.box.center
    reach = 0.62 * max(face.box.width, face.box.height)
    around = Box(int(x - reach), int(y - reach), int(x + reach) + 1, int(y + reach) + 1)
    box = around.clipped(pixels.shape[1], pixels.shape[0]) or face.box
    return np.asarray(cv2.resize(pixels[box.slices], (_CARD_PX, _CARD_PX), interpolation=cv2.INTER_AREA), np.uint8)
