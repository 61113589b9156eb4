"""The answers to what visitors do on the page: one method for each event.

An answer maps components of the page to their new values; what it does not name stays as it is. An error for the
visitor becomes one sentence in a toast.
"""

from __future__ import annotations

import html
import logging
import queue
import shutil
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from donor.people import read_reference
from edit.options import FaceChoice, Options, Wish
from face.types import EYES, Feature
from page.folders import VISITORS
from page.html import (
    PREVIEW_PX,
    describe_diffusion,
    describe_engine,
    describe_findings,
    describe_result,
    draw_cards,
    draw_loupe,
    draw_masks,
    draw_photos,
    draw_progress,
    draw_stage,
    draw_undo,
)
from page.parts import Parts
from page.session import (
    FACE_VIEW_PX,
    OpenPhoto,
    References,
    Session,
    Stopped,
    Work,
    fix_opened,
    open_photo,
    preview_face,
    read_seed,
    read_strokes,
    save_opened,
    shrink,
)
from page.theme import KEEP_PAINT
from page.visitors import Visitors
from photo.errors import FixError
from photo.files import load_photo
from photo.types import Pixels
from retouch.engines import DiffusionState, check_diffusion, choose_engine

Answer = dict[Any, Any]
"""New values by component."""

MOST_PHOTOS = 12
"""So many are opened at once: they are all kept in memory."""
ZIP_NAME = "final_photos.zip"
_TICK_SECONDS = 0.1
"""How often the progress bar moves, and how soon it is noticed that the visitor has left."""
# Longest side of the photo under the brush: strokes need no finer one.
_BRUSH_PX = 1100


class PageEvents:
    """Answers the events of one page.

    `options` are the page's own defaults, `folder` holds the files of all visitors, `samples` the sample photos by
    the name of their button.
    """

    def __init__(
        self, options: Options, folder: Path, samples: Mapping[str, Path], parts: Parts, visitors: Visitors
    ) -> None:
        # The page never fetches weights: that takes an hour of somebody's line, and is for the command line.
        self._options = replace(options, diffusion=replace(options.diffusion, offline=True), faces=None)
        self._folder = folder
        self._samples = samples
        self._parts = parts
        self._visitors = visitors
        self._diffusion: DiffusionState | None = None

    # ---- opening -----------------------------------------------------------------------------------------

    def open_files(
        self, session: Session | None, files: Sequence[str] | str | None, request: gr.Request | None = None
    ) -> Iterator[Answer]:
        """Open the photos that were dropped beside those that are open; one that cannot be read is named in a toast."""
        paths = [Path(files)] if isinstance(files, str) else [Path(file) for file in files or ()]
        complaints = []
        is_new = session is None or session.is_closed
        if session is None or is_new:
            session = Session(self._folder / VISITORS / uuid.uuid4().hex)
        session.left_at = None
        self._visitors.add(getattr(request, "session_hash", None) or session.folder.name, session)
        room = MOST_PHOTOS - len(session.photos)
        if len(paths) > room:
            which = f"the first {room} of them were" if room else "none of them was"
            complaints.append(
                f"No more than {MOST_PHOTOS} photos can be open, so {which} opened; "
                "the command line takes whole folders."
            )
        fresh = []
        for path in (self._adopt(session, path) for path in paths[:room]):
            try:
                opened = open_photo(path)
                self._visitors.check_room(session, opened)
                session.photos = [*session.photos, opened]
                fresh.append(opened)
            except FixError as error:
                complaints.append(_leave_out_folder(error, path))
        emptied = {self._parts.drop: None, self._parts.more: None}
        if fresh:
            session.current = session.photos.index(fresh[0]) if fresh[0] in session.photos else 0
            for answer in self._show_photo(session):
                yield {**answer, **emptied, self._parts.session: session}
        else:
            if is_new:
                session.close()  # nobody would know of it, and of the files that could not be read
            yield emptied
        # Last, so that who reads them finds the place for the next photo empty.
        for complaint in complaints:
            show_toast(complaint)

    def _adopt(self, session: Session, path: Path) -> Path:
        """The path of a photo for as long as the session lasts; the samples lie elsewhere, and stay there."""
        return session.adopt(path) if path.is_relative_to(self._folder) else path

    def open_sample(
        self, session: Session | None, event: gr.EventData, request: gr.Request | None = None
    ) -> Iterator[Answer]:
        """Open a sample by the name of its button."""
        path = self._samples.get(str(_read_pick(event)))
        yield from self.open_files(session, [] if path is None else [str(path)], request)

    def leave(self, request: gr.Request) -> None:
        """Note that a page was left: closed, or its connection is lost."""
        self._visitors.leave(request.session_hash)

    def pick_photo(self, session: Session | None, event: gr.EventData) -> Iterator[Answer]:
        """Show another of the open photos, put one away, or put the last one back."""
        what = _read_pick(event)
        if session is None or session.is_closed:
            yield self._explain_loss(session)
            return
        session.left_at = None
        if what == "undo" and session.removed is not None and len(session.photos) < MOST_PHOTOS:
            session.put_back()
        elif isinstance(what, str) and what.startswith("remove-"):
            number = _read_count(what.removeprefix("remove-"), len(session.photos) - 1)
            if number is None:
                yield _change_nothing()
                return
            session.remove(number)
        else:
            number = _read_count(what, len(session.photos) - 1)
            if number is None:
                yield _change_nothing() if session.photos else self._explain_loss(session)
                return
            session.current = number
        if session.photos:
            yield from self._show_photo(session)
        else:
            yield self._show_start(session)

    def _show_start(self, session: Session | None) -> Answer:
        """Show the page without a photo; one that was put away last can be put back."""
        parts = self._parts
        removed = None if session is None or session.removed is None else session.removed[1].name
        return {
            parts.start: gr.update(visible=True),
            parts.work: gr.update(visible=False),
            parts.undo: draw_undo(removed),
            parts.photos: "",
        }

    def _show_photo(self, session: Session) -> Iterator[Answer]:
        """Show the current photo: at once without its faces, and with them as soon as they are found."""
        parts, stage, panel = self._parts, self._parts.stage, self._parts.panel
        opened = session.photo
        session.under_brush = None
        if opened is None:
            return

        def go_on(_text: str, _fraction: float) -> None:
            if session.is_closed or opened.is_removed:
                raise Stopped

        with ThreadPoolExecutor(1) as pool:
            # Under way already while the photo itself is made ready and sent.
            search = pool.submit(opened.find_faces, self._options, go_on)
            if opened.shown is None:
                opened.shown = session.write_picture(shrink(opened.photo.pixels, PREVIEW_PX), "whole")
            yield {
                parts.start: gr.update(visible=False),
                parts.work: gr.update(visible=True),
                parts.undo: "",
                stage.tabs: gr.update(selected="photo"),
                stage.masks: "",
                stage.brush: gr.update(value=None, visible=False),
                panel.smile_too: gr.update(visible=bool(opened.references.photos)),
                **self._show_result(session, opened),
                **self._show_faces(opened),
                **self._show_work(session),
            }
            try:
                search.result()
            except Stopped:
                yield _change_nothing()
                return
            except FixError as error:
                show_toast(str(error))
                session.remove(session.photos.index(opened))
                if session.photos:
                    yield from self._show_photo(session)
                else:
                    yield self._show_start(session)
                return
        if session.photo is opened:
            yield {**self._show_faces(opened), **self._offer(session)}

    def _show_faces(self, opened: OpenPhoto) -> Answer:
        """Show the faces on the photo and in the list; without any there is nothing to set."""
        panel = self._parts.panel
        has_faces = bool(opened.faces) or not opened.is_searched
        return {
            self._parts.stage.photo: draw_stage(opened, self._options),
            panel.cards: draw_cards(opened, self._options),
            panel.engine.box: gr.update(visible=has_faces),
            panel.references: gr.update(visible=has_faces, **({} if opened.references.photos else {"value": None})),
        }

    # ---- faces -------------------------------------------------------------------------------------------

    def pick_face(self, session: Session | None, seed: float, eye_color: str, event: gr.EventData) -> Answer:
        """Select a face: show its settings, and how it would come out."""
        opened = self._find_current(session)
        if opened is None:
            return self._explain_loss(session)
        number = _read_count(_read_pick(event), len(opened.faces))
        if number is None or opened.face(number) is None:
            return _change_nothing()
        opened.selected = number
        return {**self.show_face(session, seed, eye_color), self._parts.stage.tabs: gr.update(selected="face")}

    def show_face(self, session: Session | None, seed: float, eye_color: str) -> Answer:
        """Set the switches and sliders to what holds for the selected face, and paint it."""
        parts = self._parts.panel.face
        opened = self._find_current(session)
        face = None if opened is None or opened.selected is None else opened.face(opened.selected)
        if session is None or opened is None or face is None:
            return {parts.box: gr.update(visible=False)}
        choice = opened.choice(face.number, self._options)
        possible = opened.find_possible(face.number, self._options)
        can_open, can_smile = bool(possible - {Feature.MOUTH}), Feature.MOUTH in possible
        opens, smiles = choice.eyes is Wish.ALWAYS, choice.smile is Wish.ALWAYS
        return {
            parts.box: gr.update(visible=True),
            parts.eyes: gr.update(value=opens, interactive=can_open, info=describe_findings(opened, face, list(EYES))),
            parts.opening: gr.update(
                value=choice.eye_opening,
                visible=can_open and opens and not opened.has_own_eyes(face.number, self._options),
            ),
            parts.smile: gr.update(
                value=smiles, interactive=can_smile, info=describe_findings(opened, face, [Feature.MOUTH])
            ),
            parts.strength: gr.update(value=choice.smile_strength, visible=can_smile and smiles),
            **self._paint_face(session, opened, face.number, seed, eye_color),
        }

    def set_face(self, values: Mapping[Any, Any]) -> Answer:
        """Take over the switches and sliders of the selected face, and paint it anew.

        `values` holds those of all components that count for it, by component.
        """
        parts, panel = self._parts, self._parts.panel
        session: Session | None = values[parts.session]
        opened = self._find_current(session)
        if session is None or opened is None or opened.selected is None:
            return self._explain_loss(session)
        number = opened.selected
        before = opened.choice(number, self._options)
        try:
            choice = FaceChoice(
                eyes=Wish.from_switch(bool(values[panel.face.eyes])),
                smile=Wish.from_switch(bool(values[panel.face.smile])),
                eye_opening=_read_fraction(values[panel.face.opening], before.eye_opening),
                smile_strength=_read_fraction(values[panel.face.strength], before.smile_strength),
            )
        except FixError as error:
            show_toast(str(error))
            return _change_nothing()
        opened.choices[number] = choice
        answer = {
            **self._paint_face(session, opened, number, values[panel.engine.seed], values[panel.engine.eye_color]),
            parts.stage.tabs: gr.update(selected="face"),
            **self._offer(session),
        }
        if (before.eyes, before.smile) != (choice.eyes, choice.smile):
            has_own = opened.has_own_eyes(number, self._options)
            answer |= {
                panel.cards: draw_cards(opened, self._options),
                parts.stage.photo: draw_stage(opened, self._options),
                panel.face.opening: gr.update(visible=choice.eyes is Wish.ALWAYS and not has_own),
                panel.face.strength: gr.update(visible=choice.smile is Wish.ALWAYS),
            }
        return answer

    def _paint_face(self, session: Session, opened: OpenPhoto, number: int, seed: float, eye_color: str) -> Answer:
        """Show one face before and after; empty when it cannot be painted."""
        stage = self._parts.stage
        try:
            options = replace(
                self._options, seed=read_seed(seed), eyes=replace(self._options.eyes, color=eye_color or None)
            )
            view = preview_face(opened, number, options, at_full_size=session.at_full_size)
        except FixError as error:
            show_toast(str(error))
            return {}
        if view is None:
            return {}
        before, after = (session.write_picture(pixels, f"face_{number}") for pixels in (view.before, view.after))
        is_large = view.full_px > FACE_VIEW_PX
        in_loupe = is_large and session.at_full_size
        hint = (
            f"Face {number}, pixel by pixel. Drag it about; the slider moves the line between before and after."
            if in_loupe
            else f"Face {number}, before and after. Drag the line; the wheel or two fingers zoom."
        )
        return {
            stage.face: gr.update(visible=not in_loupe, **({} if in_loupe else {"value": (before, after)})),
            stage.loupe: gr.update(visible=in_loupe, value=draw_loupe(before, after, view, number) if in_loupe else ""),
            stage.full_size: gr.update(visible=is_large),
            stage.face_hint: f'<p class="hint">{hint}</p>',
        }

    def set_full_size(self, session: Session | None, is_on: bool, seed: float, eye_color: str) -> Answer:
        """Show large faces with every pixel of the photo, or fitted into the view."""
        if session is None or not session.photos:
            return self._explain_loss(session)
        session.at_full_size = bool(is_on)
        return self.show_face(session, seed, eye_color)

    def set_references(
        self, session: Session | None, files: Sequence[str] | None, smile_too: bool, seed: float, eye_color: str
    ) -> Answer:
        """Read the other photos of the same people that were dropped, and show who gets what from them."""
        panel = self._parts.panel
        opened = self._find_current(session)
        if session is None or opened is None:
            return self._explain_loss(session)
        paths = [Path(file) for file in files or ()]
        if len(paths) > MOST_PHOTOS:
            show_toast(f"Only the first {MOST_PHOTOS} of the other photos are used.")
        known = {reference.path: reference for reference in opened.references.photos}
        photos = []
        for path in (self._adopt(session, path) for path in paths[:MOST_PHOTOS]):
            try:
                photos.append(known.get(path) or read_reference(load_photo(path)))
            except FixError as error:
                show_toast(_leave_out_folder(error, path))
        for photo in session.photos:
            photo.set_references(References(tuple(photos), bool(smile_too)))
        return {
            panel.cards: draw_cards(opened, self._options),
            panel.smile_too: gr.update(visible=bool(photos)),
            **self.show_face(session, seed, eye_color),
            **self._offer(session),
        }

    # ---- masks and the brush -----------------------------------------------------------------------------

    def show_masks(self, session: Session | None) -> Answer:
        """Tint what would be repainted."""
        opened = self._find_current(session)
        if opened is None:
            return self._explain_loss(session)
        return {self._parts.stage.masks: draw_masks(opened, self._options)}

    def show_brush(self, session: Session | None) -> Answer:
        """Lay the photo under the brush, unless it lies there."""
        opened = self._find_current(session)
        if session is None or opened is None or session.under_brush is opened:
            return _change_nothing()
        session.under_brush = opened
        background = shrink(opened.photo.pixels, _BRUSH_PX)
        picture = {"background": background, "layers": [], "composite": None}
        return {self._parts.stage.brush: gr.update(value=picture, visible=True)}

    def set_strokes(
        self, session: Session | None, painted: Mapping[str, Any] | None, seed: float, eye_color: str
    ) -> Answer:
        """Take over what was painted by hand, and show what it makes of the masks and of the selected face."""
        opened = self._find_current(session)
        if session is None or opened is None or not painted:
            return _change_nothing()
        layers: list[Pixels] = [np.asarray(layer, np.uint8) for layer in painted.get("layers") or ()]
        opened.strokes = read_strokes(layers, KEEP_PAINT)
        return {
            self._parts.stage.masks: draw_masks(opened, self._options),
            **self.show_face(session, seed, eye_color),
            **self._offer(session),
        }

    # ---- the engine --------------------------------------------------------------------------------------

    def show_engine(self, session: Session | None, engine: str) -> Answer:
        """Show whether the chosen engine can paint here, and how long it takes."""
        if self._diffusion is None:
            self._diffusion = check_diffusion(self._options.diffusion)
        panel = self._parts.panel
        opened = self._find_current(session)
        count = 1
        if opened is not None and not opened.faces:
            return {panel.engine_state: ""}
        if opened is not None:
            choices = [opened.choice(face.number, self._options) for face in opened.faces]
            count = sum(Wish.ALWAYS in (choice.eyes, choice.smile) for choice in choices)
        return {
            panel.engine_state: describe_engine(engine, self._diffusion, count),
            panel.engine.diffusion_state: describe_diffusion(self._diffusion),
        }

    def set_engine(
        self, session: Session | None, engine: str, seed: float, eye_color: str, prompt: str, negative_prompt: str
    ) -> Answer:
        """Take over what paints, and how; a result that was made otherwise is out of date."""
        if session is None or not session.photos:
            return _change_nothing()
        try:
            session.wanted = self._read_options(engine, seed, eye_color, prompt, negative_prompt)
        except FixError as error:
            show_toast(str(error))
            return _change_nothing()
        return self._offer(session)

    def _read_options(self, engine: str, seed: float, eye_color: str, prompt: str, negative_prompt: str) -> Options:
        """The page's options with what was set for the engine. Raises FixError."""
        return replace(
            self._options,
            engine=engine,
            seed=read_seed(seed),
            eyes=replace(self._options.eyes, color=eye_color or None),
            diffusion=replace(
                self._options.diffusion,
                prompt=(prompt or "").strip() or None,
                negative_prompt=(negative_prompt or "").strip() or None,
            ),
        )

    # ---- the work ----------------------------------------------------------------------------------------

    def wait(self, session: Session | None) -> Answer:
        """Show at once that the work was asked for; it may have to wait for that of others."""
        if session is None or not session.photos:
            return self._explain_loss(session)
        session.left_at = None
        if session.work is None:
            # Work that was cancelled may take a moment to end: it keeps its own sign to do so.
            session.stop = threading.Event()
            session.work = Work("waiting for my turn", 0.0)
        return self._show_work(session)

    def stop(self, session: Session | None) -> Answer:
        """Have the work end at its next step, and show so; of what was done for nobody there may be none."""
        if session is None or not session.photos:
            return self._explain_loss(session)
        session.stop.set()
        session.work = None
        return self._show_work(session)

    def run(
        self, session: Session | None, engine: str, seed: float, eye_color: str, prompt: str, negative_prompt: str
    ) -> Iterator[Answer]:
        """Fix all open photos that have no result of these settings, and show how far it is.

        What was there before stays when it is stopped, and one photo that cannot be fixed does not hold up the others.
        """
        if session is None or not session.photos:
            yield _change_nothing()
            return
        stop = session.stop
        complaints: list[str] = []
        steps: queue.SimpleQueue[Work] = queue.SimpleQueue()

        def work() -> str:
            session.wanted = self._read_options(engine, seed, eye_color, prompt, negative_prompt)
            return _fix_all(session, session.wanted, stop, steps.put, complaints.append)

        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(work)
            try:
                while not job.done():
                    wait([job], _TICK_SECONDS)
                    latest = None
                    while not steps.empty():
                        latest = steps.get()
                    if latest is not None and not stop.is_set():
                        session.work = latest
                        yield self._show_work(session)
            finally:
                # Also when the visitor has left: their work does not hold up others.
                stop.set()
                if session.stop is stop:
                    session.work = None
        why_draft = "" if _complain(job.exception()) else job.result()
        for complaint in complaints:
            show_toast(complaint)
        opened = session.photo
        if opened is not None:
            yield {**self._show_result(session, opened, why_draft), **self._show_work(session)}
        else:
            yield _change_nothing()

    def _show_work(self, session: Session) -> Answer:
        """Show how far the work is, or that none is going on."""
        panel, work = self._parts.panel, session.work
        if work is None:
            return {
                panel.engine_state: gr.update(visible=True),
                panel.cancel: gr.update(visible=False),
                panel.progress: gr.update(value="", visible=False),
                **self._offer(session),
            }
        hidden = gr.update(visible=False)
        return {
            panel.engine_state: hidden,
            panel.cancel: gr.update(visible=True),
            panel.progress: gr.update(value=draw_progress(work.text, work.fraction), visible=True),
            self._parts.photos: draw_photos(session, self._wanted(session)),
            **dict.fromkeys((panel.make, panel.report, panel.download, panel.again), hidden),
        }

    def _show_result(self, session: Session, opened: OpenPhoto, why_draft: str = "") -> Answer:
        """Show what came of a photo, or that nothing did yet."""
        stage = self._parts.stage
        if opened.result is None:
            return {stage.result: None, stage.result_tab: gr.update(visible=False)}
        pair = tuple(
            session.write_picture(shrink(pixels, PREVIEW_PX), "photo")
            for pixels in (opened.photo.pixels, opened.result.pixels)
        )
        opened.why_draft = why_draft if opened.result.report.changes else ""
        return {
            stage.result: pair,
            stage.result_tab: gr.update(visible=True),
            stage.tabs: gr.update(selected="result"),
        }

    def _find_current(self, session: Session | None) -> OpenPhoto | None:
        """The photo that is shown, with its faces again where it was at rest; None where there is none."""
        opened = None if session is None else session.photo
        if session is None or opened is None:
            return None
        session.left_at = None
        if opened.held is None:
            try:
                opened.find_faces(self._options)
            except FixError as error:
                show_toast(_leave_out_folder(error, opened.path))
                return None
        return opened

    def _wanted(self, session: Session) -> Options:
        return session.wanted or self._options

    def _offer(self, session: Session) -> Answer:
        """Offer what can be done next: to fix what has no result of these settings, and to take results home."""
        panel, options = self._parts.panel, self._wanted(session)
        opened = session.photo
        if session.work is not None or opened is None:
            return {}
        is_finished = opened.is_finished(options)
        has_report = opened.result is not None
        return {
            self._parts.photos: draw_photos(session, options),
            panel.make: _offer_fix(session.photos, opened, options),
            panel.download: _offer_download(session, options),
            panel.again: gr.update(
                visible=is_finished and opened.result is not None and bool(opened.result.report.changes)
            ),
            panel.report: gr.update(
                value=describe_result(opened, is_finished=is_finished) if has_report else "", visible=has_report
            ),
        }

    def _explain_loss(self, session: Session | None) -> Answer:
        """Answer an event of something that is not there; a page left alone for hours has forgotten its photos."""
        if session is not None and session.photos:
            return _change_nothing()
        show_toast(
            "This page has forgotten your photos, as it was left alone for long or was started anew; "
            "please open them again."
        )
        return self._show_start(session)


def _fix_all(
    session: Session,
    options: Options,
    stop: threading.Event,
    on_step: Callable[[Work], None],
    complain: Callable[[str], None],
) -> str:
    """Fix the open photos that have no result of these settings; return why not Stable Diffusion painted, if not.

    A photo that cannot be fixed is complained of, one that was put away meanwhile is left. Raises FixError, Stopped.
    """
    painter, why_draft = choose_engine(options, quiet=True)
    photos = [opened for opened in session.photos if not opened.is_finished(options)]
    for number, opened in enumerate(photos, 1):
        of_all = f"photo {number} of {len(photos)}: " if len(photos) > 1 else ""

        def on_progress(text: str, fraction: float, number: int = number, of_all: str = of_all) -> None:
            on_step(Work(of_all + text, (number - 1 + fraction) / len(photos)))

        try:
            settings = opened.settings(options) if opened.is_searched else None
            fix_opened(opened, options, painter, stop, on_progress)
            save_opened(opened, session.folder, options)
            # Before its faces were found nobody can have set anything for them.
            opened.made_with = settings or opened.settings(options)
        except Stopped:
            if stop.is_set():
                raise
        except FixError as error:
            complain(f"{opened.name}: {_leave_out_folder(error, opened.path)}")
    return why_draft


def show_toast(sentence: str) -> None:
    """Show one sentence to the visitor."""
    gr.Warning(html.escape(sentence, quote=False))


def _change_nothing() -> Answer:
    """The answer after which all stays as it is; gradio takes an empty one for a value or an error."""
    nothing: Answer = gr.skip()
    return nothing


def _complain(problem: BaseException | None) -> bool:
    """Show what went wrong, if something did, and return whether; to be stopped is nothing wrong."""
    if isinstance(problem, FixError):
        show_toast(str(problem))
    elif problem is not None and not isinstance(problem, Stopped):
        logging.getLogger(__name__).error("The page could not fix a photo.", exc_info=problem)
        show_toast("Something unexpected went wrong; the window that runs this page says what.")
    return problem is not None


def _leave_out_folder(error: FixError, path: Path) -> str:
    """The sentence of an error with the bare name of the file: the folder is a temporary one of the page."""
    return str(error).replace(str(path), path.name)


def _read_pick(event: gr.EventData) -> object:
    """What `theme.PICK_SCRIPT` sent along with a click; whoever sends something else by HTTP picks nothing."""
    data = getattr(event, "_data", None)
    return data.get("what") if isinstance(data, dict) else None


def _read_count(what: object, most: int) -> int | None:
    """The number that was picked, 0 … `most`; None when there is no such thing."""
    text = str(what)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most else None


def _read_fraction(value: object, otherwise: float | None) -> float | None:
    """What a slider sent; `otherwise` where it sent nothing."""
    return float(value) if isinstance(value, int | float) else otherwise


def _offer_fix(photos: Sequence[OpenPhoto], opened: OpenPhoto, options: Options) -> Any:
    """The button that starts the work, as it should stand now while `opened` of all `photos` is shown."""
    missing = [photo for photo in photos if not photo.is_finished(options)]
    has_earlier = any(photo.saved is not None for photo in missing)
    if len(photos) == 1:
        text = "Fix again" if has_earlier else "Fix this photo"
    elif len(missing) == len(photos):
        text = f"Fix all {len(photos)} photos"
    else:
        text = f"Fix {len(missing)} of {len(photos)} photos"
    return gr.update(
        value=text,
        variant="primary",
        visible=bool(missing) and any(photo.faces or not photo.is_searched for photo in photos),
        interactive=opened.is_searched,
    )


def _offer_download(session: Session, options: Options) -> Any:
    """The button that hands out the results of the settings as they are: the file, or all of them in one archive."""
    files = tuple(
        opened.saved
        for opened in session.photos
        if opened.saved is not None and opened.is_finished(options) and opened.saved.exists()
    )
    if not files:
        return gr.update(visible=False)
    if len(files) == 1:
        return gr.update(visible=True, value=str(files[0]), label=f"Download {files[0].name}")
    count = f"all {len(files)}" if len(files) == len(session.photos) else f"{len(files)} of {len(session.photos)}"
    return gr.update(visible=True, value=str(_make_archive(session, files)), label=f"Download {count} photos")


def _make_archive(session: Session, files: tuple[Path, ...]) -> Path:
    """The archive of these results; it is made anew only where they are others than before."""
    if session.archive is not None and session.archive[0] == files:
        return session.archive[1]
    target = session.folder / f"all_{uuid.uuid4().hex}" / ZIP_NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file, name in zip(files, name_apart([file.name for file in files]), strict=True):
            archive.write(file, name)
    if session.archive is not None:
        shutil.rmtree(session.archive[1].parent, ignore_errors=True)
    session.archive = files, target
    return target


def name_apart(names: Sequence[str]) -> list[str]:
    """Return the names of files for one folder: one that is there already, in letters of any size, gets a number."""
    taken = {name.casefold() for name in names}
    given: list[str] = []
    for name in names:
        path, number, free = Path(name), 1, name
        if name.casefold() in {other.casefold() for other in given}:
            while free.casefold() in taken:
                number += 1
                free = f"{path.stem}_{number}{path.suffix}"
            taken.add(free.casefold())
        given.append(free)
    return given
