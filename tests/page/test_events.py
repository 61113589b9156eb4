"""The answers of the page to its events, without a browser."""

from __future__ import annotations

import asyncio
import base64
import inspect
import re
import shutil
import threading
import zipfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

gr = pytest.importorskip("gradio", reason="gradio is not installed")

from edit.options import Options, Wish
from edit.plan import EditPlan, Skip
from edit.reasons import Cause, Reason
from page import events as page_events
from page import visitors as page_visitors
from page.layout import build_page
from page.session import Session, fix_opened, save_opened
from page.theme import KEEP_COLOR
from page.visitors import Visitors
from photo.errors import BadOption
from retouch.engines import DiffusionState
from tests.conftest import SAMPLES, LoadPhoto
from tests.support.donor_photos import make_moments

DRAFT = ("draft", 0, "", "", "")
PREVIEW = (0, "")


class Visitor:
    """Asks the page as gradio would, and sees to it that an answer names nothing but the outputs of its event."""

    def __init__(self, folder: Path) -> None:
        self.functions: dict[str, list[Any]] = defaultdict(list)
        self.visitors = Visitors()
        for function in asyncio.run(_build(folder, self.visitors)).fns.values():
            self.functions[function.name].append(function)
        self.answered: dict[str, set[Any]] = defaultdict(set)
        self.session: Session | None = None

    def ask(self, name: str, *inputs: Any) -> list[dict[Any, Any]]:
        """Every answer to an event; an empty one where nothing is to change."""
        given = self.functions[name][0].fn(*inputs)
        answers = [
            {} if answer == gr.skip() else answer for answer in (given if inspect.isgenerator(given) else [given])
        ]
        for answer in answers:
            self.answered[name] |= set(answer)
            for function in self.functions[name]:
                assert set(answer) <= set(function.outputs), f"{name} answers with what is not among its outputs"
            self.session = next((value for value in answer.values() if isinstance(value, Session)), self.session)
        return answers

    def set_face(self, eyes: bool, smile: bool) -> dict[Any, Any]:
        """The answer after the switches were set; the other inputs are recognised by their labels."""
        values = {"Open the eyes": eyes, "How wide": 0.5, "Smile": smile, "How broad": 0.5, "Seed": 0}
        inputs = self.functions["set_face"][0].inputs
        given = {
            part: self.session if isinstance(part, gr.State) else values.get(part.label, "")
            for part in inputs
        }  # fmt: skip
        (answer,) = self.ask("set_face", given)
        return answer


async def _build(folder: Path, visitors: Visitors) -> Any:
    """The page; made in a running event loop, as gradio makes one else and leaves it open."""
    return build_page(Options(engine="draft"), folder, visitors)


def pick(what: object) -> Any:
    return gr.EventData(None, {"what": what})


@pytest.fixture
def toasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(page_events, "show_toast", shown.append)
    return shown


@pytest.fixture
def visitor(tmp_path: Path, toasts: list[str]) -> Visitor:
    assert toasts == []
    return Visitor(tmp_path)


def test_each_event_answers_with_all_of_its_outputs_and_no_others(visitor: Visitor, toasts: list[str]) -> None:
    photos = [str(SAMPLES / name) for name in ("image_1.jpg", "image_2.jpg")]
    visitor.ask("open_files", None, photos)
    visitor.ask("open_sample", visitor.session, pick("image_1.jpg"))
    visitor.ask("open_files", visitor.session, photos)
    visitor.ask("pick_photo", visitor.session, pick("1"))
    visitor.ask("pick_photo", visitor.session, pick("0"))
    visitor.ask("show_demo")
    visitor.ask("show_face", visitor.session, *PREVIEW)
    visitor.ask("repaint_face", visitor.session, *PREVIEW)
    visitor.ask("show_engine", visitor.session, "draft")
    visitor.ask("pick_face", visitor.session, *PREVIEW, pick("2"))
    visitor.set_face(eyes=False, smile=False)
    visitor.ask("show_detail", visitor.session, *PREVIEW)
    visitor.ask("set_references", visitor.session, [photos[0]], True, *PREVIEW)
    visitor.ask("pick_reference", visitor.session, True, *PREVIEW, pick("remove-0"))
    visitor.ask("use_open_photos", visitor.session, False, *PREVIEW)
    visitor.ask("show_masks", visitor.session, pick(True))
    visitor.ask("set_strokes", visitor.session, *PREVIEW, paint(visitor, np.full((8, 8, 4), 255, np.uint8)))
    visitor.ask("set_engine", visitor.session, *DRAFT)
    visitor.ask("wait", visitor.session)
    visitor.ask("run", visitor.session, *DRAFT)
    visitor.ask("stop", visitor.session)
    assert toasts == []
    # Where the photos are forgotten, these show the start.
    visitor.ask("pick_face", None, *PREVIEW, pick("2"))
    visitor.ask("set_references", None, [], True, *PREVIEW)
    visitor.ask("pick_reference", None, True, *PREVIEW, pick("remove-0"))
    visitor.ask("use_open_photos", None, True, *PREVIEW)
    visitor.ask("show_masks", None, pick(True))
    visitor.ask("wait", None)
    visitor.ask("stop", None)
    visitor.session = None
    visitor.set_face(eyes=False, smile=False)
    own = {name for name in visitor.functions if hasattr(page_events.PageEvents, name)}
    assert own == {*visitor.answered, "leave"}
    for name, answered in visitor.answered.items():
        wanted = {output for function in visitor.functions[name] for output in function.outputs}
        missing = {getattr(part, "label", part) for part in wanted - answered}
        assert not missing, f"{name} never answers with {missing}"


def paint(visitor: Visitor, layer: Any, photo: int = 0) -> Any:
    """What the brush sends when a stroke is lifted: all that was painted, uint8 (h, w, 4) RGBA, or nothing."""
    assert visitor.session is not None
    picture = ""
    if layer is not None:
        png = cv2.imencode(".png", cv2.cvtColor(layer, cv2.COLOR_RGBA2BGRA))[1].tobytes()
        picture = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return pick({"photo": visitor.session.photos[photo].key, "picture": picture})


def pictures_of(answer: dict[Any, Any]) -> tuple[Path, Path]:
    """The files of the last face that lies on the canvas, before and after."""
    files = re.findall(
        r'class="face"[^>]* src="gradio_api/file=([^"]+)" alt="Face \d+, (before|after)"', sheet_of(answer)
    )
    found = {side: Path(file) for file, side in files}
    return found["before"], found["after"]


def sheet_of(answer: dict[Any, Any]) -> str:
    return html_of(answer, 'class="sheet"')


def find(answer: dict[Any, Any], kind: Any, label: str = "") -> Any:
    """What an answer has for the one component of a kind, or the one that shows this label from the start."""
    return next(
        value for part, value in answer.items() if isinstance(part, kind) and label in (part.value, part.label, "")
    )


def html_of(answer: dict[Any, Any], sign: str) -> str:
    """The HTML in an answer that holds `sign`."""
    texts = [
        value if isinstance(value, str) else value.get("value") or ""
        for value in answer.values()
        if value is not None
        if isinstance(value, str | dict)
    ]
    return next((text for text in texts if isinstance(text, str) and sign in text), "")


def names_of(session: Session | None) -> list[str]:
    assert session is not None
    return [opened.name for opened in session.photos]


def test_all_results_come_home_in_one_archive(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg"), str(SAMPLES / "image_1.jpg")])
    *_, last = visitor.ask("run", visitor.session, *DRAFT)
    assert visitor.session is not None
    (archive,) = visitor.session.folder.rglob("*.zip")
    assert {"value": str(archive), "label": "Download all 2 photos"}.items() <= find(last, gr.DownloadButton).items()
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == ["final_image_1.jpg", "final_image_1_2.jpg"]
    visitor.ask("pick_photo", visitor.session, pick("0"))
    assert list(visitor.session.folder.rglob("*.zip")) == [archive], "it was made once more"


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (["a.jpg", "b.jpg"], ["a.jpg", "b.jpg"]),
        (["a.jpg", "a.jpg", "a_2.jpg"], ["a.jpg", "a_3.jpg", "a_2.jpg"]),
        (["a.jpg", "A.JPG", "a.png"], ["a.jpg", "A_2.JPG", "a.png"]),
        (["a_2.jpg", "a.jpg", "a.jpg", "a.jpg"], ["a_2.jpg", "a.jpg", "a_3.jpg", "a_4.jpg"]),
    ],
)
def test_no_two_results_have_one_name(names: list[str], given: list[str]) -> None:
    assert page_events.name_apart(names) == given


def test_only_so_many_photos_are_open_at_once(visitor: Visitor, toasts: list[str]) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_5.jpg")] * 13)
    assert visitor.session is not None and len(visitor.session.photos) == 12
    assert len(toasts) == 1 and "the first 12 of them were opened" in toasts[0]
    visitor.ask("open_files", visitor.session, [str(SAMPLES / "image_5.jpg")])
    assert len(visitor.session.photos) == 12
    assert len(toasts) == 2 and "none of them was opened" in toasts[1]


def test_new_photos_come_beside_the_open_ones(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    visitor.ask("run", visitor.session, *DRAFT)
    old = visitor.session
    assert old is not None
    result = old.photos[0].saved
    *_, last = visitor.ask("open_files", old, [str(SAMPLES / "image_5.jpg")])
    assert (visitor.session is old and not old.stop.is_set()) or old.work is None
    assert names_of(old) == ["image_2.jpg", "image_5.jpg"] and old.current == 1
    assert result is not None and result.is_file()
    assert find(last, gr.DownloadButton)["value"] == str(result), "what was done is still there to be taken home"


def test_a_photo_is_put_away_and_put_back(visitor: Visitor, toasts: list[str]) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / f"image_{number}.jpg") for number in (1, 2, 5)])
    session = visitor.session
    assert session is not None
    visitor.ask("pick_photo", session, pick("2"))
    first, second, third = session.photos
    (answer, *_) = visitor.ask("pick_photo", session, pick("remove-1"))
    assert session.photos == [first, third] and session.photo is third
    assert "Put image_2.jpg back" in html_of(answer, "data-unsaved")
    visitor.ask("pick_photo", session, pick("undo"))
    assert session.photos == [first, second, third] and session.photo is second and not second.is_removed
    for _ in range(3):
        (*_, answer) = visitor.ask("pick_photo", session, pick("remove-0"))
    assert session.photos == []
    assert "Put image_5.jpg back" in html_of(answer, "undo"), "also from the empty page"
    visitor.ask("pick_photo", session, pick("undo"))
    assert session.photos == [third]
    for what in ("remove-1", "remove--1", "remove-", "remove-x", "undo"):
        assert visitor.ask("pick_photo", session, pick(what)) == [{}]
    assert session.photos == [third] and toasts == []


def test_a_photo_that_was_opened_outlives_its_upload(tmp_path: Path, toasts: list[str]) -> None:
    visitor = Visitor(tmp_path)
    upload = tmp_path / "abc" / "photo.jpg"
    upload.parent.mkdir()
    shutil.copy(SAMPLES / "image_2.jpg", upload)
    visitor.ask("open_files", None, [str(upload)])
    visitor.ask("set_references", visitor.session, [str(upload)], False, *PREVIEW)
    upload.unlink()
    visitor.ask("run", visitor.session, *DRAFT)
    visitor.ask("set_references", visitor.session, [str(upload)], True, *PREVIEW)
    assert visitor.session is not None and toasts == []
    (opened,) = visitor.session.photos
    assert opened.saved is not None and opened.path.is_file() and opened.path.is_relative_to(tmp_path / "visitors")
    assert len(visitor.session.references.photos) == 1
    visitor.session.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_result_is_offered_only_while_the_settings_are_those_it_was_made_with(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    *_, last = visitor.ask("run", visitor.session, *DRAFT)
    assert find(last, gr.DownloadButton)["visible"]
    session = visitor.session
    assert session is not None
    number = session.photos[0].selected
    assert number is not None

    def is_offered(answer: dict[Any, Any]) -> bool:
        download, make = find(answer, gr.DownloadButton), find(answer, gr.Button, "Fix this photo")
        assert make["visible"] != download["visible"], "either it is done or it can be"
        assert ("changed since" in html_of(answer, 'class="report"')) != download["visible"]
        assert ('data-result="true"' in sheet_of(answer)) == download["visible"], "what is shown is what is offered"
        return bool(download["visible"])

    preset = session.photos[0].choice(number, Options())
    on = preset.smile is Wish.ALWAYS
    assert not is_offered(visitor.set_face(eyes=False, smile=not on))
    assert is_offered(visitor.set_face(eyes=preset.eyes is Wish.ALWAYS, smile=on)), "all is as it was"
    (answer,) = visitor.ask("set_engine", session, "draft", 1, "", "", "")
    assert not is_offered(answer)
    (answer,) = visitor.ask("set_engine", session, *DRAFT)
    assert is_offered(answer)
    (answer,) = visitor.ask("set_strokes", session, *PREVIEW, paint(visitor, np.full((8, 8, 4), 255, np.uint8)))
    assert not is_offered(answer)
    (answer,) = visitor.ask("set_strokes", session, *PREVIEW, paint(visitor, None))
    assert is_offered(answer)
    (answer,) = visitor.ask("set_references", session, [str(SAMPLES / "image_1.jpg")], False, *PREVIEW)
    assert not is_offered(answer)


def test_what_is_painted_reaches_the_face_at_once(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    layer = np.full((8, 8, 4), 255, np.uint8)
    layer[..., :3] = KEEP_COLOR
    (answer,) = visitor.ask("set_strokes", visitor.session, *PREVIEW, paint(visitor, layer))
    before, after = (path.read_bytes() for path in pictures_of(answer))
    assert before == after, "all of it is protected"
    (answer,) = visitor.ask("set_strokes", visitor.session, *PREVIEW, paint(visitor, None))
    before, after = (path.read_bytes() for path in pictures_of(answer))
    assert before != after


def test_strokes_go_to_the_photo_they_were_painted_on(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg"), str(SAMPLES / "image_2.jpg")])
    session = visitor.session
    assert session is not None and session.current == 0
    visitor.ask("set_strokes", session, *PREVIEW, paint(visitor, np.full((8, 8, 4), 255, np.uint8), photo=1))
    assert session.photos[0].strokes is None and session.photos[1].strokes is not None


@pytest.mark.parametrize(
    "picture",
    [
        None, 7, "x", "data:image/png;base64,", "data:image/png;base64,####",
        "data:image/png;base64," + base64.b64encode(b"II*\0" + bytes(60)).decode(),
        "data:image/png;base64," + "A" * (5 * 2**20),
        "data:image/png;base64,"
        + base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + bytes(9)).decode(),
    ],
)  # fmt: skip
def test_what_is_no_painting_changes_nothing(visitor: Visitor, toasts: list[str], picture: object) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    session = visitor.session
    assert session is not None
    sent = pick({"photo": session.photos[0].key, "picture": picture})
    assert visitor.ask("set_strokes", session, *PREVIEW, sent) == [{}]
    assert session.photos[0].strokes is None and toasts == []


def test_photos_that_are_done_are_not_done_again(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed: list[str] = []

    def fix(opened: Any, *rest: Any) -> None:
        fixed.append(opened.name)
        fix_opened(opened, *rest)

    monkeypatch.setattr(page_events, "fix_opened", fix)
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg")])
    visitor.ask("run", visitor.session, *DRAFT)
    *_, last = visitor.ask("open_files", visitor.session, [str(SAMPLES / "image_2.jpg")])
    assert find(last, gr.Button, "Fix this photo")["value"] == "Fix 1 of 2 photos"
    visitor.ask("wait", visitor.session)
    visitor.ask("run", visitor.session, *DRAFT)
    visitor.ask("run", visitor.session, *DRAFT)  # the second click of a double one
    assert fixed == ["image_1.jpg", "image_2.jpg"]


def test_one_photo_that_cannot_be_fixed_does_not_hold_up_the_others(
    visitor: Visitor, toasts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(opened: Any, *rest: Any) -> Path:
        if opened.name == "image_1.jpg":
            raise BadOption("There is no room on the disk.")
        return save_opened(opened, *rest)

    monkeypatch.setattr(page_events, "save_opened", save)
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg"), str(SAMPLES / "image_2.jpg")])
    *_, last = visitor.ask("run", visitor.session, *DRAFT)
    assert toasts == ["image_1.jpg: There is no room on the disk."]
    assert find(last, gr.DownloadButton)["label"] == "Download final_image_2.jpg"


def test_progress_stays_while_another_photo_is_looked_at(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg"), str(SAMPLES / "image_2.jpg")])
    session = visitor.session
    visitor.ask("wait", session)
    running = visitor.functions["run"][0].fn(session, *DRAFT)
    shown = html_of(next(running), "progressbar")
    assert re.search(r"Photo [12] of 2: ", shown), shown
    for answer in visitor.ask("pick_photo", session, pick("0")):
        cancel, make = find(answer, gr.Button, "Cancel"), find(answer, gr.Button, "Fix this photo")
        assert (cancel["visible"], make["visible"]) == (True, False) or "progressbar" not in html_of(answer, "bar")
        assert "progressbar" in html_of(answer, "progressbar")
        break
    *_, last = running
    assert not find(last, gr.Button, "Cancel")["visible"]


def test_cancel_ends_the_waiting_also_where_no_work_goes_on(visitor: Visitor) -> None:
    # As after a lost connection, or before it is one's turn.
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    (answer,) = visitor.ask("wait", visitor.session)
    assert find(answer, gr.Button, "Cancel")["visible"]
    (answer,) = visitor.ask("stop", visitor.session)
    assert not find(answer, gr.Button, "Cancel")["visible"]
    assert find(answer, gr.Button, "Fix this photo")["visible"]
    *_, last = visitor.ask("run", visitor.session, *DRAFT)
    assert visitor.session is not None and visitor.session.photos[0].saved is None, "its turn came after all"
    assert not find(last, gr.DownloadButton)["visible"]


def test_work_that_was_cancelled_ends_though_more_is_asked_for_meanwhile(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_go_on = threading.Event(), threading.Event()

    def fix(opened: Any, options: Any, engine: Any, stop: threading.Event, on_progress: Any) -> None:
        if not begun.is_set():
            begun.set()
            assert may_go_on.wait(60)
        fix_opened(opened, options, engine, stop, on_progress)

    monkeypatch.setattr(page_events, "fix_opened", fix)
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    session = visitor.session
    assert session is not None
    visitor.ask("wait", session)
    first = session.stop
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(visitor.ask, "run", session, *DRAFT)
        assert begun.wait(60)
        visitor.ask("stop", session)
        visitor.ask("wait", session)
        assert session.stop is not first
        may_go_on.set()
        running.result()
    assert session.photos[0].saved is None, "the first went on"
    assert session.work is not None, "the second is still to come"
    visitor.ask("run", session, *DRAFT)
    assert session.photos[0].saved is not None


def test_who_leaves_stops_the_work(visitor: Visitor) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    assert visitor.session is not None
    running = visitor.functions["run"][0].fn(visitor.session, *DRAFT)
    next(running)
    running.close()
    assert visitor.session.stop.is_set() and visitor.session.work is None


def test_who_has_left_gives_the_memory_back_and_finds_all_as_it_was(visitor: Visitor, toasts: list[str]) -> None:
    class Request:
        session_hash = "tab"

    options = Options(engine="draft")
    photos = [str(SAMPLES / name) for name in ("image_1.jpg", "image_2.jpg")]
    *_, _ = visitor.ask("open_files", None, photos, Request())
    visitor.ask("pick_photo", visitor.session, pick("0"))
    visitor.ask("pick_face", visitor.session, *PREVIEW, pick("2"))
    visitor.set_face(eyes=False, smile=False)
    visitor.ask("run", visitor.session, *DRAFT)
    session = visitor.session
    assert session is not None and session.pixel_count > 0
    visitor.visitors.rest(options, 0.0)
    assert session.pixel_count > 0, "they are still there"
    visitor.functions["leave"][0].fn(Request())
    visitor.visitors.rest(options)
    assert session.pixel_count > 0, "they have only just left"
    visitor.visitors.rest(options, 0.0)
    assert session.pixel_count == 0
    assert all(opened.result is None and opened.analyses == () and not opened._parts for opened in session.photos)

    (answer,) = visitor.ask("set_engine", session, *DRAFT)
    assert find(answer, gr.DownloadButton)["label"] == "Download all 2 photos"
    (answer,) = visitor.ask("pick_face", session, *PREVIEW, pick("2"))
    assert 'data-result="true"' in sheet_of(answer) and not find(answer, gr.Checkbox, "Smile")["value"]
    assert session.left_at is None
    first, second = session.photos
    assert first.selected == 2 and first.pixel_count > 0 and second.pixel_count == 0
    visitor.ask("pick_photo", session, pick("1"))
    assert second.faces and toasts == []


def test_files_that_cannot_be_read_are_not_kept(tmp_path: Path, toasts: list[str]) -> None:
    visitor = Visitor(tmp_path)
    broken = tmp_path / "abc" / "broken.jpg"
    broken.parent.mkdir()
    broken.write_bytes(b"no photo")
    visitor.ask("open_files", None, [str(broken)])
    assert toasts == [
        "broken.jpg is no photo that can be read; use a JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP or raw file."
    ]
    assert visitor.session is None
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [broken], "uploads go by themselves"


def test_photos_of_one_visitor_and_of_all_have_a_limit(
    visitor: Visitor, toasts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = str(SAMPLES / "image_5.jpg")
    visitor.ask("open_files", None, [photo])
    first = visitor.session
    assert first is not None
    monkeypatch.setattr(page_visitors, "MOST_PIXELS_EACH", 2 * first.pixel_count)
    visitor.ask("open_files", first, [photo, photo])
    assert len(first.photos) == 2
    assert len(toasts) == 1 and toasts[0].startswith("image_5.jpg was not opened: your photos together")
    monkeypatch.setattr(page_visitors, "MOST_PIXELS", first.pixel_count)
    visitor.session = None
    visitor.ask("open_files", None, [photo])
    assert len(toasts) == 2 and "try again in a few minutes" in toasts[1]
    first.close()
    visitor.ask("open_files", None, [photo])
    assert len(toasts) == 2 and names_of(visitor.session) == ["image_5.jpg"]


def test_a_photo_put_away_ends_the_search_for_its_faces(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def analyze(_photo: Any, _options: Any, on_progress: Any) -> Any:
        assert visitor.session is not None
        visitor.session.remove(0)
        on_progress("looking", 0.5)
        raise AssertionError("it went on")

    visitor.ask("open_files", None, [])
    monkeypatch.setattr("page.session.analyze_photo", analyze)
    opening = visitor.functions["open_files"][0].fn(None, [str(SAMPLES / "image_2.jpg")])
    monkeypatch.setattr(Session, "__init__", note_session(visitor, Session.__init__))
    answers = list(opening)
    assert answers and visitor.session is not None and visitor.session.photos == []


def note_session(visitor: Visitor, original: Any) -> Any:
    def make(self: Session, folder: Path) -> None:
        original(self, folder)
        visitor.session = self

    return make


@pytest.mark.parametrize("seed", [-5, None, 2**40, 1.0])
def test_any_seed_paints(visitor: Visitor, toasts: list[str], seed: float | None) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    (answer,) = visitor.ask("show_face", visitor.session, seed, "")
    assert pictures_of(answer)
    *_, last = visitor.ask("run", visitor.session, "draft", seed, "", None, "")
    assert find(last, gr.DownloadButton)["visible"] and toasts == []


@pytest.mark.parametrize(
    "settings", [("draft", float("nan"), "", "", ""), ("magic", 0, "", "", ""), ("draft", 0, "pink", "", "")]
)
def test_settings_that_there_are_not_are_one_sentence(
    visitor: Visitor, toasts: list[str], settings: tuple[Any, ...]
) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    assert visitor.ask("set_engine", visitor.session, *settings) == [{}]
    *_, last = visitor.ask("run", visitor.session, *settings)
    assert len(toasts) == 2 and toasts[0] == toasts[1] and toasts[0].endswith(".")
    assert not find(last, gr.DownloadButton)["visible"]


def test_all_pixels_are_shown_to_who_looks_closely(visitor: Visitor, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with Image.open(SAMPLES / "image_2.jpg") as image:
        image.resize((3 * image.width, 3 * image.height)).save(large)
        size = 3 * image.width, 3 * image.height
    visitor.ask("open_files", None, [str(large)])
    session = visitor.session
    (answer,) = visitor.ask("show_face", session, *PREVIEW)
    assert session is not None and not session.photos[0].is_sharp
    small, _ = pictures_of(answer)
    (answer,) = visitor.ask("show_detail", session, *PREVIEW)
    whole = re.search(r'class="before"><img src="gradio_api/file=([^"]+)"', sheet_of(answer))
    assert whole is not None
    sharp, _ = pictures_of(answer)
    with Image.open(whole[1]) as shown, Image.open(small) as first, Image.open(sharp) as second:
        assert shown.size == size and second.width > first.width
        box = session.photos[0].pictures[1].box
        assert second.size == (box.width, box.height)
    visitor.ask("run", session, *DRAFT)
    assert session.photos[0].shown_result is not None
    with Image.open(session.photos[0].shown_result) as result:
        assert result.size == size


def test_an_unsure_face_is_offered_and_edited_with_one_click(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_2.jpg")])
    session = visitor.session
    assert session is not None
    opened = session.photos[0]
    (edit,) = opened.plan.edits
    doubt = Skip(edit.face, edit.feature, Cause(Reason.UNSURE_MOOD), edit.measured, edit.threshold)
    opened.plan = EditPlan(skips=(doubt, *(skip for skip in opened.plan.skips if skip.feature is not edit.feature)))
    (answer,) = visitor.ask("pick_face", session, *PREVIEW, pick("1"))
    assert 'data-pick="offer-1"' in html_of(answer, 'class="cards"')
    assert 'class="mark ask' in sheet_of(answer)
    (answer,) = visitor.ask("pick_face", session, *PREVIEW, pick("offer-1"))
    assert opened.choices[1].smile is Wish.ALWAYS
    assert find(answer, gr.Checkbox, "Smile")["value"] is True
    assert "offer-" not in html_of(answer, 'class="cards"') and 'class="mark edit' in sheet_of(answer)
    before, after = (path.read_bytes() for path in pictures_of(answer))
    assert before != after
    visitor.set_face(eyes=False, smile=False)
    assert opened.offer(1, Options()) is None, "it was answered"


def test_what_cannot_paint_here_cannot_be_chosen(visitor: Visitor) -> None:
    for is_ready in (False, True):
        state = DiffusionState(is_ready=is_ready, has_card=False, why="" if is_ready else "it is not there.")
        for function in visitor.functions["show_engine"]:
            function.fn.__self__._diffusion = state
        (answer,) = visitor.ask("show_engine", None, "draft")
        names = [name for _, name in find(answer, gr.Radio)["choices"]]
        assert ("stable-diffusion" in names) is is_ready


def test_open_photos_give_to_each_other_but_not_to_themselves(
    visitor: Visitor, toasts: list[str], sample: LoadPhoto, tmp_path: Path
) -> None:
    moments = make_moments(sample)
    for name, pixels in (("blinking", moments.blinking), ("other", moments.other)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    *_, last = visitor.ask("open_files", None, [str(tmp_path / "blinking.png"), str(tmp_path / "other.png")])
    assert find(last, gr.Button, "Use the other open photos")["visible"]
    session = visitor.session
    assert session is not None
    (answer,) = visitor.ask("use_open_photos", session, False, *PREVIEW)
    assert not find(answer, gr.Button, "Use the other open photos")["visible"]
    assert "With their own, from other.png" in html_of(answer, 'class="cards"')
    assert [[other.name for other in opened.references.photos] for opened in session.photos] == [
        ["other.png"], ["blinking.png"],
    ]  # fmt: skip
    visitor.ask("open_files", session, [str(SAMPLES / "image_5.jpg")])
    assert len(session.photos[2].references.photos) == 2, "they are for photos that come later, too"
    assert toasts == []


def test_other_photos_are_added_and_put_away(visitor: Visitor, toasts: list[str]) -> None:
    photos = [str(SAMPLES / f"image_{number}.jpg") for number in (1, 2, 3)]
    visitor.ask("open_files", None, photos[:1])
    session = visitor.session
    assert session is not None
    opened = session.photos[0]
    visitor.ask("set_references", session, photos[1:2], False, *PREVIEW)
    visitor.ask("set_references", session, photos[1:], False, *PREVIEW)
    assert [reference.name for reference in opened.references.photos] == ["image_2.jpg", "image_3.jpg"]
    (answer,) = visitor.ask("pick_reference", session, False, *PREVIEW, pick("remove-0"))
    assert "image_2.jpg" not in html_of(answer, 'class="references"')
    assert [reference.name for reference in opened.references.photos] == ["image_3.jpg"]
    for what in ("remove-1", "remove--1", "x", None):
        assert visitor.ask("pick_reference", session, False, *PREVIEW, pick(what)) == [{}]
    assert toasts == []


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("pick_photo", (pick("0"),)),
        ("pick_face", (*PREVIEW, pick("1"))),
        ("set_references", ([], False, *PREVIEW)),
        ("pick_reference", (False, *PREVIEW, pick("remove-0"))),
        ("use_open_photos", (False, *PREVIEW)),
        ("show_masks", (pick(True),)),
        ("wait", ()),
        ("stop", ()),
    ],
)
def test_a_forgotten_visitor_is_told_so_and_starts_anew(
    visitor: Visitor, toasts: list[str], name: str, inputs: tuple[Any, ...]
) -> None:
    (answer,) = visitor.ask(name, None, *inputs)
    shown = {part.elem_id: value["visible"] for part, value in answer.items() if isinstance(part, gr.Column)}
    assert shown == {"start": True, "work": False}
    assert len(toasts) == 1 and "open them again" in toasts[0]


def test_the_work_for_a_forgotten_visitor_is_none(visitor: Visitor, toasts: list[str]) -> None:
    assert visitor.ask("run", None, *DRAFT) == [{}]
    assert toasts == [], "it was said when the button was pressed"


@pytest.mark.parametrize("what", ["9", "-1", "one", "²", None, {"a": 1}])
def test_what_is_not_there_cannot_be_picked(visitor: Visitor, toasts: list[str], what: object) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_1.jpg")])
    assert visitor.ask("pick_photo", visitor.session, pick(what)) == [{}]
    assert visitor.ask("pick_face", visitor.session, *PREVIEW, pick(what)) == [{}]
    assert visitor.ask("open_sample", visitor.session, pick(what)) != []
    assert visitor.session is not None and visitor.session.current == 0
    assert toasts == []


def test_what_was_sent_instead_of_a_pick_is_none(visitor: Visitor, toasts: list[str]) -> None:
    visitor.ask("open_files", None, [str(SAMPLES / "image_5.jpg")])
    assert visitor.ask("pick_photo", visitor.session, gr.EventData(None, "what")) == [{}]
    assert toasts == []
