"""The answers to what visitors do on the page: one method for each event.

An answer maps components of the page to their new values; what it does not name stays as it is. An error for the
visitor becomes one sentence in a toast.
"""

from __future__ import annotations

import base64
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

import cv2
import gradio as gr
import numpy as np

from donor.people import read_reference
from edit.options import FaceChoice, Options, Wish
from face.types import EYES, Feature
from page.folders import VISITORS
from page.html import (
    ENGINE_NAMES,
    PREVIEW_PX,
    describe_diffusion,
    describe_engine,
    describe_findings,
    describe_result,
    draw_cards,
    draw_demo,
    draw_photos,
    draw_progress,
    draw_references,
    draw_stage,
    draw_undo,
)
from page.parts import Parts
from page.session import (
    FacePicture,
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
from page.theme import KEEP_COLOR
from page.visitors import Visitors
from photo.errors import FixError
from photo.files import load_photo
from photo.types import Photo, Pixels
from retouch.engines import DiffusionState, check_diffusion, choose_engine, make_draft
from retouch.pipeline import fix_photo

Answer = dict[Any, Any]
"""New values by component."""

MOST_PHOTOS = 12
"""So many are opened at once: they are all kept in memory."""
ZIP_NAME = "final_photos.zip"
_TICK_SECONDS = 0.1
"""How often the progress bar moves, and how soon it is noticed that the visitor has left."""
_MOST_STROKES_PX = 2200
"""What was painted with the brush is no larger than this: `brush.js` sends half of it."""
_PNG = "data:image/png;base64,"
_MOST_STROKES_BYTES = 4 * 2**20
# A photo of more pixels is not sent with every one of them: a browser would run out of memory. Its faces are.
_MOST_SHARP_PIXELS = 64_000_000
_DEMO_PX = 880


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
        self._demo = ""
        self._demo_lock = threading.Lock()

    def show_demo(self) -> Answer:
        """Show what the page does with its first sample; painted once for all visitors."""
        with self._demo_lock:
            if not self._demo and self._samples:
                self._demo = _paint_demo(min(self._samples.values()), self._options)
        return {self._parts.demo: self._demo}

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
        emptied = {self._parts.drop: None, self._parts.more: None}
        first: OpenPhoto | None = None
        for path in (self._adopt(session, path) for path in paths[:room]):
            try:
                opened = open_photo(path)
                self._visitors.check_room(session, opened)
            except FixError as error:
                complaints.append(_leave_out_folder(error, path))
                continue
            session.give_references(opened)
            session.photos = [*session.photos, opened]
            if first is None or first not in session.photos:
                # It is shown while the others are still read.
                first, session.current = opened, len(session.photos) - 1
                for answer in self._show_photo(session):
                    yield {**answer, **emptied, self._parts.session: session}
            else:
                yield {
                    self._parts.photos: draw_photos(session, self._wanted(session)),
                    **({} if session.photo is None else self._show_references(session, session.photo)),
                    **self._offer(session),
                }
        if first is None:
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
        parts = self._parts
        opened = session.photo
        if opened is None:
            return

        def go_on(_text: str, _fraction: float) -> None:
            if session.is_closed or opened.is_removed:
                raise Stopped

        with ThreadPoolExecutor(1) as pool:
            # Under way already while the photo itself is made ready and sent.
            search = pool.submit(opened.find_faces, self._options, go_on)
            if opened.shown is None:
                small = shrink(opened.photo.pixels, PREVIEW_PX)
                opened.is_sharp = small.shape == opened.photo.pixels.shape
                opened.shown = session.write_picture(small, "whole")
            yield {
                parts.start: gr.update(visible=False),
                parts.work: gr.update(visible=True),
                parts.undo: "",
                **self._show_references(session, opened),
                **self._show_faces(session, opened),
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
            yield {
                **self._show_references(session, opened),
                **self._show_faces(session, opened),
                **self._offer(session),
            }

    def _draw(self, session: Session, opened: OpenPhoto) -> str:
        return draw_stage(opened, self._wanted(session), shows_masks=session.shows_masks)

    def _show_faces(self, session: Session, opened: OpenPhoto) -> Answer:
        """Show the faces on the photo and in the list; without any there is nothing to set."""
        panel = self._parts.panel
        return {
            self._parts.stage.photo: self._draw(session, opened),
            panel.cards: draw_cards(opened, self._options),
            panel.engine.box: gr.update(visible=_may_have_faces(opened)),
        }

    def _show_references(self, session: Session, opened: OpenPhoto) -> Answer:
        """Show the other photos of the same people; without a face there is nothing to give to."""
        panel = self._parts.panel
        has_faces = _may_have_faces(opened)
        used = {reference.path for reference in session.references.photos}
        others = [photo for photo in session.photos if photo is not opened and photo.path not in used]
        return {
            panel.more_references: gr.update(visible=has_faces, value=None),
            panel.use_open: gr.update(visible=has_faces and bool(others)),
            panel.references: draw_references(session.references) if has_faces else "",
            panel.smile_too: gr.update(visible=has_faces and bool(session.references.photos)),
        }

    # ---- faces -------------------------------------------------------------------------------------------

    def pick_face(self, session: Session | None, seed: float, eye_color: str, event: gr.EventData) -> Answer:
        """Select a face: show its settings, and how it would come out; or take up what was offered for it."""
        opened = self._find_current(session)
        if session is None or opened is None:
            return self._explain_loss(session)
        what = str(_read_pick(event))
        number = _read_count(what.removeprefix("offer-"), len(opened.faces))
        if number is None or opened.face(number) is None:
            return _change_nothing()
        opened.selected = number
        offer = opened.offer(number, self._options) if what.startswith("offer-") else None
        if offer is not None:
            opened.choices[number] = offer
        return {
            **self.show_face(session, seed, eye_color),
            self._parts.panel.cards: draw_cards(opened, self._options),
            **self._offer(session),
        }

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

    def repaint_face(self, session: Session | None, seed: float, eye_color: str) -> Answer:
        """Paint the selected face with another seed or colour; other faces when somebody looks at them."""
        opened = self._find_current(session)
        if opened is not None:
            opened.pictures.clear()
        return self.show_face(session, seed, eye_color)

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
            **self._offer(session),
        }
        if (before.eyes, before.smile) != (choice.eyes, choice.smile):
            has_own = opened.has_own_eyes(number, self._options)
            answer |= {
                panel.cards: draw_cards(opened, self._options),
                panel.face.opening: gr.update(visible=choice.eyes is Wish.ALWAYS and not has_own),
                panel.face.strength: gr.update(visible=choice.smile is Wish.ALWAYS),
            }
        return answer

    def _paint_face(
        self, session: Session, opened: OpenPhoto, number: int, seed: float, eye_color: str, *, sharp: bool = False
    ) -> Answer:
        """Lay one face as it would come out over the photo, `sharp` with every pixel; empty if it cannot be painted."""
        try:
            options = replace(
                self._options, seed=read_seed(seed), eyes=replace(self._options.eyes, color=eye_color or None)
            )
            asked = opened.settings(options)
            view = preview_face(opened, number, options, at_full_size=sharp)
        except FixError as error:
            show_toast(str(error))
            return {}
        if view is None or opened.settings(options) != asked:
            return {}  # there is no such face, or it was set otherwise meanwhile, and is being painted so
        before, after = (session.write_picture(pixels, f"face_{number}") for pixels in (view.before, view.after))
        opened.pictures[number] = FacePicture(view.box, before, after, is_sharp=view.scale == 1.0)
        return {self._parts.stage.photo: self._draw(session, opened)}

    def show_detail(self, session: Session | None, seed: float, eye_color: str) -> Answer:
        """Show every pixel of the photo, of its result, and of the selected face: somebody looks so closely."""
        opened = self._find_current(session)
        if session is None or opened is None:
            return _change_nothing()
        height, width = opened.photo.pixels.shape[:2]
        if not opened.is_sharp and height * width <= _MOST_SHARP_PIXELS:
            opened.shown = session.write_picture(opened.photo.pixels, "whole")
            if opened.result is not None:
                opened.shown_result = session.write_picture(opened.result.pixels, "result")
            opened.is_sharp = True
        picture = None if opened.selected is None else opened.pictures.get(opened.selected)
        if opened.selected is not None and picture is not None and not picture.is_sharp:
            return self._paint_face(session, opened, opened.selected, seed, eye_color, sharp=True) or _change_nothing()
        return {self._parts.stage.photo: self._draw(session, opened)}

    def set_references(
        self, session: Session | None, files: Sequence[str] | None, smile_too: bool, seed: float, eye_color: str
    ) -> Answer:
        """Read more photos of the same people, and show who gets what from them."""
        opened = self._find_current(session)
        if session is None or opened is None:
            return self._explain_loss(session)
        paths = [self._adopt(session, Path(file)) for file in files or ()]
        return self._add_references(session, opened, paths, smile_too, seed, eye_color)

    def use_open_photos(self, session: Session | None, smile_too: bool, seed: float, eye_color: str) -> Answer:
        """Have all open photos give to each other: whoever blinks in one may have open eyes in the next."""
        opened = self._find_current(session)
        if session is None or opened is None:
            return self._explain_loss(session)
        paths = [photo.path for photo in session.photos]
        return self._add_references(session, opened, paths, smile_too, seed, eye_color)

    def _add_references(
        self, session: Session, opened: OpenPhoto, paths: Sequence[Path], smile_too: bool, seed: float, eye_color: str
    ) -> Answer:
        photos = list(session.references.photos)
        known = {reference.path for reference in photos}
        for path in paths:
            if path in known:
                continue
            if len(photos) == MOST_PHOTOS:
                show_toast(f"Only {MOST_PHOTOS} other photos are used; put some away for others.")
                break
            try:
                photos.append(read_reference(load_photo(path)))
                known.add(path)
            except FixError as error:
                show_toast(_leave_out_folder(error, path))
        return self._use_references(session, opened, References(tuple(photos), bool(smile_too)), seed, eye_color)

    def pick_reference(
        self, session: Session | None, smile_too: bool, seed: float, eye_color: str, event: gr.EventData
    ) -> Answer:
        """Put one of the other photos of the same people away."""
        opened = self._find_current(session)
        if session is None or opened is None:
            return self._explain_loss(session)
        photos = session.references.photos
        number = _read_count(str(_read_pick(event)).removeprefix("remove-"), len(photos) - 1)
        if number is None:
            return _change_nothing()
        left = References((*photos[:number], *photos[number + 1 :]), bool(smile_too))
        return self._use_references(session, opened, left, seed, eye_color)

    def _use_references(
        self, session: Session, opened: OpenPhoto, references: References, seed: float, eye_color: str
    ) -> Answer:
        session.use_references(references)
        return {
            **self._show_references(session, opened),
            self._parts.panel.cards: draw_cards(opened, self._options),
            **self.show_face(session, seed, eye_color),
            **self._offer(session),
        }

    # ---- masks and the brush -----------------------------------------------------------------------------

    def show_masks(self, session: Session | None, event: gr.EventData) -> Answer:
        """Tint what would be repainted, or do so no longer."""
        opened = self._find_current(session)
        if session is None or opened is None:
            return self._explain_loss(session)
        session.shows_masks = _read_pick(event) is True
        return {self._parts.stage.photo: self._draw(session, opened)}

    def set_strokes(self, session: Session | None, seed: float, eye_color: str, event: gr.EventData) -> Answer:
        """Take over what was painted on a photo by hand, and show what it makes of the selected face."""
        current = self._find_current(session)
        sent = _read_pick(event)
        if session is None or current is None or not isinstance(sent, dict):
            return _change_nothing()
        opened = next((photo for photo in session.photos if photo.key == sent.get("photo")), None)
        layer = _read_layer(sent.get("picture"))
        if opened is None or layer is None:
            return _change_nothing()
        opened.strokes = read_strokes([layer], KEEP_COLOR)
        opened.pictures.clear()
        return {**self.show_face(session, seed, eye_color), **self._offer(session)}

    # ---- the engine --------------------------------------------------------------------------------------

    def show_engine(self, session: Session | None, engine: str) -> Answer:
        """Show whether the chosen engine can paint here, and how long it takes."""
        if self._diffusion is None:
            self._diffusion = check_diffusion(self._options.diffusion)
        panel = self._parts.panel
        opened = self._find_current(session)
        count = 1
        # What cannot paint here cannot be chosen, unless the page was started with it.
        choices = [
            (text, name)
            for text, name in ENGINE_NAMES
            if name != "stable-diffusion" or self._diffusion.is_ready or self._options.engine == name
        ]
        if opened is not None and not opened.faces:
            return {panel.engine_state: ""}
        if opened is not None:
            faces = [opened.choice(face.number, self._options) for face in opened.faces]
            count = sum(Wish.ALWAYS in (choice.eyes, choice.smile) for choice in faces)
        return {
            panel.engine_state: describe_engine(engine, self._diffusion, count),
            panel.engine.diffusion_state: describe_diffusion(self._diffusion),
            panel.engine.engine: gr.update(choices=choices),
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
        done = 0
        complaints: list[str] = []
        steps: queue.SimpleQueue[Work] = queue.SimpleQueue()

        def work() -> None:
            session.wanted = self._read_options(engine, seed, eye_color, prompt, negative_prompt)
            _fix_all(session, session.wanted, stop, steps.put, complaints.append)

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
                        # A photo that was finished meanwhile may be the one that is looked at.
                        earlier, done = done, sum(photo.saved is not None for photo in session.photos)
                        yield {**self._show_work(session), **(self._show_stage(session) if done != earlier else {})}
            finally:
                # Also when the visitor has left: their work does not hold up others.
                stop.set()
                if session.stop is stop:
                    session.work = None
        _complain(job.exception())
        for complaint in complaints:
            show_toast(complaint)
        opened = session.photo
        if opened is not None:
            yield {**self._show_stage(session), **self._show_work(session)}
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

    def _show_stage(self, session: Session) -> Answer:
        opened = session.photo
        # One that is at rest is shown as it was before: to draw it anew it would have to be read once more.
        if opened is None or opened.held is None:
            return {}
        return {self._parts.stage.photo: self._draw(session, opened)}

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
            **self._show_stage(session),
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
) -> None:
    """Fix the open photos that have no result of these settings.

    A photo that cannot be fixed is complained of, one that was put away meanwhile is left. Raises FixError, Stopped.
    """
    painter, why_draft = choose_engine(options, quiet=True)
    photos = [opened for opened in session.photos if not opened.is_finished(options)]
    for number, opened in enumerate(photos, 1):
        of_all = f"photo {number} of {len(photos)}: " if len(photos) > 1 else ""

        def on_progress(
            text: str, fraction: float, number: int = number, of_all: str = of_all, opened: OpenPhoto = opened
        ) -> None:
            on_step(Work(of_all + text, (number - 1 + fraction) / len(photos), opened))

        try:
            settings = opened.settings(options) if opened.is_searched else None
            fix_opened(opened, options, painter, stop, on_progress)
            save_opened(opened, session.folder, options)
            _show_fixed(session, opened, why_draft)
            # Before its faces were found nobody can have set anything for them.
            opened.made_with = settings or opened.settings(options)
        except Stopped:
            if stop.is_set():
                raise
        except FixError as error:
            complain(f"{opened.name}: {_leave_out_folder(error, opened.path)}")


def _show_fixed(session: Session, opened: OpenPhoto, why_draft: str) -> None:
    """Write the result of a photo as the page shows it, as sharp as the photo itself."""
    if opened.result is not None:
        opened.why_draft = why_draft if opened.result.report.changes else ""
        pixels = opened.result.pixels
        opened.shown_result = session.write_picture(pixels if opened.is_sharp else shrink(pixels, PREVIEW_PX), "result")


def _paint_demo(sample: Path, options: Options) -> str:
    """A sample before and after; empty where that fails, as the page does without it."""
    try:
        small = Photo(shrink(load_photo(sample).pixels, _DEMO_PX))
        own = replace(options, engine="draft")
        return draw_demo(small.pixels, fix_photo(small, own, make_draft(own)).pixels)
    except FixError:
        return ""


def _read_layer(sent: object) -> Pixels | None:
    """What was painted, uint8 (h, w, 4) RGBA, from a PNG in base64; one without any paint when nothing was sent.

    None where something else was sent.
    """
    if sent == "":
        return np.zeros((1, 1, 4), np.uint8)
    if not isinstance(sent, str) or len(sent) > _MOST_STROKES_BYTES or not sent.startswith(_PNG):
        return None
    try:
        data = base64.b64decode(sent.removeprefix(_PNG), validate=True)
    except ValueError:
        return None
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    # Width and height stand here in every PNG; a small file may unfold to a large picture.
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    if not 0 < max(width, height) <= _MOST_STROKES_PX:
        return None
    layer = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if layer is None or layer.ndim != 3 or layer.shape[2] != 4 or layer.dtype != np.uint8:
        return None
    return np.asarray(cv2.cvtColor(layer, cv2.COLOR_BGRA2RGBA), np.uint8)


def _may_have_faces(opened: OpenPhoto) -> bool:
    return bool(opened.faces) or not opened.is_searched


def show_toast(sentence: str) -> None:
    """Show one sentence to the visitor."""
    gr.Warning(html.escape(sentence, quote=False))


def _change_nothing() -> Answer:
    """The answer after which all stays as it is; gradio takes an empty one for a value or an error."""
    nothing: Answer = gr.skip()
    return nothing


def _complain(problem: BaseException | None) -> None:
    """Show what went wrong, if something did; to be stopped is nothing wrong."""
    if isinstance(problem, FixError):
        show_toast(str(problem))
    elif problem is not None and not isinstance(problem, Stopped):
        logging.getLogger(__name__).error("The page could not fix a photo.", exc_info=problem)
        show_toast("Something unexpected went wrong; the window that runs this page says what.")


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
