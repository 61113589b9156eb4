"""What the page says: the pieces of HTML and the sentences that it shows, made from what was found."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import cv2
import numpy as np

from edit.options import FaceChoice, Options, Wish
from edit.plan import Skip
from eyes_mask import eyes_mask
from face.types import EYES, Face, Feature
from mouth_mask import mouth_mask
from page.session import FaceView, Gift, OpenPhoto, encode_jpeg, shrink
from photo.types import Box, Pixels
from retouch.engines import DiffusionState
from retouch.report import describe

# Long side of the photo as the page shows it: sharp on a large screen, quick to send.
PREVIEW_PX = 1600
_CARD_PX = 96
# Closer to the upper edge of the photo than this share of it, the number of a face stands inside of its box.
_LABEL_ROOM = 0.1
_SAMPLE_HEIGHT_PX = 232
# The masks over the photo: orange for eyes, blue for mouths, as strong as this.
_EYES_TINT, _MOUTH_TINT, _TINT_SHARE = (240, 140, 20), (75, 159, 225), 0.62
# Seconds, measured on two cores with photos of 12 megapixels …
_DRAFT_SECONDS, _DRAFT_SECONDS_PER_FACE = 0.6, 0.3
# … and for 13 steps of Stable Diffusion 1.5, on a graphics card and on a processor.
_CARD_SECONDS_PER_FACE, _CPU_SECONDS_PER_FACE = 5.0, 150.0

TOP = """
<header class="top"><h1>Open eyes, gentle smiles</h1>
<p>Photos stay on the computer that runs this page.</p></header>
"""


BRUSH_HINT = """
<p class="hint"><b class="blue">Blue</b> keeps what you paint over as it is, <b class="orange">orange</b> asks to edit
it too. The palette at the left changes the colour.</p>
"""


def draw_samples(samples: Mapping[str, Pixels]) -> str:
    """The sample photos as a row of buttons."""
    items = []
    for number, (name, pixels) in enumerate(samples.items(), 1):
        small = shrink(pixels, round(_SAMPLE_HEIGHT_PX * max(pixels.shape[1] / pixels.shape[0], 1.0)))
        label = f"Open sample photo {number}"
        items.append(
            f'<li><button type="button" data-group="sample" data-pick="{html.escape(name)}" aria-label="{label}">'
            f'<img src="{embed(small)}" alt="Sample photo {number}"></button></li>'
        )
    return f'<section class="samples"><h2>Or try one of these</h2><ul>{"".join(items)}</ul></section>'


def draw_photos(photos: Sequence[OpenPhoto], current: int) -> str:
    """The names of the open photos, as buttons where there are several."""
    if len(photos) == 1:
        return f'<div class="photos"><span>{html.escape(photos[0].name)}</span></div>'
    buttons = "".join(
        f'<button type="button" data-group="photo" data-pick="{number}" '
        f'aria-pressed="{str(number == current).lower()}">{html.escape(photo.name)}</button>'
        for number, photo in enumerate(photos)
    )
    return f'<nav class="photos" aria-label="Open photos">{buttons}</nav>'


def draw_stage(opened: OpenPhoto, options: Options) -> str:
    """The photo, from the file of it, with a numbered, clickable box around each face."""
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
    """Two files of one face in a view that is moved about, and at first shows the change; a slider parts them."""
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
    gifts = opened.find_gifts(options)
    for face in opened.faces:
        choice = opened.choice(face.number, options)
        words, picture = _tell_gift(gifts.get(face.number))
        kind = ' class="edit"' if _is_edited(choice) else ""
        cards.append(
            f'<button type="button" data-group="face" data-pick="{face.number}" '
            f'aria-pressed="{str(face.number == opened.selected).lower()}">'
            f'<img src="{embed(_portrait(opened.photo.pixels, face))}" alt="">'
            f"<span><b>{_will(choice)}</b>"
            f"<small>Face {face.number}: {html.escape(_found(opened, face))}</small>{words}</span>"
            f"{picture}<i{kind}></i></button>"
        )
    return f'<div class="cards" role="group" aria-label="Faces">{"".join(cards)}</div>'


def _tell_gift(gift: Gift | None) -> tuple[str, str]:
    """In words and as a picture, what a face gets from another photo, or why it gets nothing."""
    if gift is None:
        return "", ""
    if gift.picture is None:
        return f"<small>{html.escape(gift.why_not[:1].upper() + gift.why_not[1:])}</small>", ""
    name = html.escape(gift.name)
    picture = f'<img class="gift" src="{embed(shrink(gift.picture, 2 * _CARD_PX), 90)}" alt="From {name}">'
    return f"<small>With their own, from {name}</small>", picture


def draw_masks(opened: OpenPhoto, options: Options) -> str:
    """The photo with everything that may be repainted tinted."""
    from edit.strokes import apply_strokes
    from retouch.pipeline import plan_edits

    pixels = opened.photo.pixels
    plan = plan_edits(pixels, opened.faces, opened.final_options(options))
    if opened.strokes is not None:
        plan = apply_strokes(plan, opened.strokes, pixels.shape)
    picture = shrink(pixels, PREVIEW_PX).astype(np.float32)
    size = picture.shape[1], picture.shape[0]
    for mask, tint in ((eyes_mask, _EYES_TINT), (mouth_mask, _MOUTH_TINT)):
        alpha = cv2.resize(mask(pixels.shape, plan.edits), size, interpolation=cv2.INTER_AREA)
        share = (alpha.astype(np.float32) / 255 * _TINT_SHARE)[..., None]
        picture += share * (np.array(tint, np.float32) - picture)
    source = embed(np.rint(picture).astype(np.uint8), 88)
    words = (
        "Orange is repainted for the eyes, blue for the mouth. Every other pixel stays as it is, to the last bit."
        if plan.edits
        else "Nothing is repainted: every pixel stays as it is."
    )
    alt = "The photo with its masks" if plan.edits else "The photo without any mask"
    return f'<figure class="frame"><img src="{source}" alt="{alt}"></figure><p class="hint">{words}</p>'


def explain(opened: OpenPhoto, face: Face, features: Sequence[Feature]) -> str:
    """What was found of the eyes or of the mouth, for the line under a switch."""
    edits = [edit for edit in opened.planned(face.number) if edit.feature in features]
    if edits:
        if features == [Feature.MOUTH]:
            return "Not smiling"
        return "Both closed" if len(edits) == len(EYES) else f"The {edits[0].feature.value} is closed"
    reasons = dict.fromkeys(skip.reason for skip in _skips(opened, face, features))
    words = "; ".join(reasons)
    return words[:1].upper() + words[1:]


def describe_result(opened: OpenPhoto, why_draft: str) -> str:
    """The report in words."""
    if opened.result is None:
        return ""
    report = opened.result.report
    changed = len({change.face.number for change in report.changes if change.kept})
    count = "the face" if len(report.faces) == 1 else f"{changed} of {len(report.faces)} faces"
    headline = f"Done: {count} changed." if changed else "Nothing was changed: the photo stays as it was."
    lines = [*describe(report).splitlines(), *(text for text in (opened.note, why_draft) if text)]
    body = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    details = f"<details><summary>What was done</summary>{body}</details>"
    return f'<div class="said" role="status"><p>{headline}</p>{details}</div>'


def draw_progress(words: str, share: float) -> str:
    """A bar and what is being done."""
    percent = round(100 * min(max(share, 0.0), 1.0))
    return (
        f'<p class="doing" role="status">{html.escape(words[:1].upper() + words[1:])} …</p><div class="bar" '
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
    return f'<p class="state">Draft: ready. Stable Diffusion: <b>not ready</b>, {html.escape(state.why)}</p>'


def address(file: str) -> str:
    """Where the browser finds a file of the page's own folder."""
    return html.escape(f"gradio_api/file={quote(file)}")


def embed(pixels: Pixels, quality: int = 85) -> str:
    """A picture as the address of an <img>, so that no file is needed to show it."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(pixels, quality)).decode("ascii")


def _duration(seconds: float) -> str:
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{round(seconds)} seconds"
    return f"{round(seconds / 60)} minutes"


def _is_edited(choice: FaceChoice) -> bool:
    return Wish.ALWAYS in (choice.eyes, choice.smile)


def _will(choice: FaceChoice) -> str:
    wishes = (("opens the eyes", choice.eyes), ("smiles", choice.smile))
    return " and ".join(words for words, wish in wishes if wish is Wish.ALWAYS).capitalize() or "Stays as it is"


def _skips(opened: OpenPhoto, face: Face, features: Sequence[Feature]) -> list[Skip]:
    return [skip for skip in opened.plan.skips if skip.face.number == face.number and skip.feature in features]


def _found(opened: OpenPhoto, face: Face) -> str:
    """What was found, in a few words: the reasons of the plan, cut before their figures."""
    planned = {edit.feature for edit in opened.planned(face.number)}
    words = []
    if planned - {Feature.MOUTH}:
        words.append("eyes closed" if len(planned - {Feature.MOUTH}) == len(EYES) else "one eye closed")
    else:
        words += [_shorten(skip.reason, "eyes open") for skip in _skips(opened, face, EYES)[:1]]
    if Feature.MOUTH in planned:
        words.append("not smiling")
    else:
        words += [_shorten(skip.reason, "smiling") for skip in _skips(opened, face, [Feature.MOUTH])]
    return ", ".join(dict.fromkeys(words))


def _shorten(reason: str, usual: str) -> str:
    if reason.startswith(("open already", "already smiling")):
        return usual
    if "too small" in reason:
        return "too small"
    return reason.partition(":")[0].partition(" (")[0]


def _portrait(pixels: Pixels, face: Face) -> Pixels:
    x, y = face.box.center
    reach = 0.62 * max(face.box.width, face.box.height)
    around = Box(int(x - reach), int(y - reach), int(x + reach) + 1, int(y + reach) + 1)
    box = around.clipped(pixels.shape[1], pixels.shape[0]) or face.box
    return np.asarray(cv2.resize(pixels[box.slices], (_CARD_PX, _CARD_PX), interpolation=cv2.INTER_AREA), np.uint8)
