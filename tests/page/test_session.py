"""What the page does for one visitor, without the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from donor import choose
from donor.people import read_reference
from edit.options import FaceChoice, Options, OutputOptions, Wish
from edit.plan import EditPlan, PaintResult
from edit.strokes import Strokes
from face import analysis
from face.analysis import FaceAnalysis
from face.types import Feature
from page.session import (
    OpenPhoto,
    References,
    Session,
    Stopped,
    fix_opened,
    name_result,
    open_photo,
    preview_face,
    read_strokes,
    save_opened,
)
from photo.canvas import Canvas
from photo.errors import UnreadablePhoto
from photo.mark import read_source_type
from photo.types import Photo, Pixels, Progress
from retouch import quality
from retouch.engines import DraftEngine
from tests.conftest import SAMPLES, LoadPhoto
from tests.support.donor_photos import make_moments

OPTIONS = Options(engine="draft")
NEVER = threading.Event()


def nobody(_words: str, _share: float) -> None:
    pass


def open_with_faces(path: Path) -> OpenPhoto:
    opened = open_photo(path)
    opened.find_faces(OPTIONS)
    return opened


@pytest.fixture(scope="module")
def open_sample() -> Callable[[str], OpenPhoto]:
    """Opens a sample anew each time, as its choices are set by the tests."""
    return lambda name: open_with_faces(SAMPLES / name)


def test_the_first_face_to_be_edited_is_looked_at(open_sample: Callable[[str], OpenPhoto]) -> None:
    opened = open_sample("image_1.jpg")
    assert len(opened.faces) == 2
    assert opened.selected == 1
    assert open_sample("image_5.jpg").selected is None


def test_a_photo_opens_before_its_faces_are_found() -> None:
    opened = open_photo(SAMPLES / "image_1.jpg")
    assert opened.faces == ()
    fix_opened(opened, OPTIONS, DraftEngine(), NEVER, nobody)
    assert opened.find_possible(2, OPTIONS), "nobody looked for its faces"
    assert opened.result is not None and opened.result.report.changes


def test_switches_are_preset_to_what_would_be_done(open_sample: Callable[[str], OpenPhoto]) -> None:
    opened = open_sample("image_1.jpg")
    on, off = Wish.ALWAYS, Wish.NEVER
    assert opened.choice(1, OPTIONS) == FaceChoice(eyes=on, smile=off, eye_opening=0.5, smile_strength=0.5)
    assert opened.choice(2, OPTIONS) == FaceChoice(eyes=off, smile=on, eye_opening=0.5, smile_strength=0.5)
    assert opened.find_possible(2, OPTIONS) == {Feature.MOUTH}


def test_the_preview_shows_what_the_whole_photo_will_get(open_sample: Callable[[str], OpenPhoto]) -> None:
    opened = open_sample("image_1.jpg")
    view = preview_face(opened, 1, OPTIONS)
    assert view is not None and view.scale == 1.0
    fix_opened(opened, OPTIONS, DraftEngine(), NEVER, nobody)
    assert opened.result is not None
    whole, part = opened.result.pixels, view.after
    # Where the part lies in the photo: the one place where the untouched pixels agree.
    rows, columns = part.shape[:2]
    face = opened.faces[0].box
    places = [
        (top, left)
        for top in range(max(face.top - rows, 0), face.top + 1)
        for left in range(max(face.left - columns, 0), face.left + 1)
        if np.array_equal(opened.photo.pixels[top, left : left + columns], view.before[0])
    ]
    (top, left) = next(
        place
        for place in places
        if np.array_equal(opened.photo.pixels[place[0] : place[0] + rows, place[1] : place[1] + columns], view.before)
    )
    final = whole[top : top + rows, left : left + columns].astype(int)
    assert np.abs(part.astype(int) - view.before).max() > 40, "nothing was painted"
    assert np.abs(part.astype(int) - final).mean() < 0.2


def test_the_preview_has_the_same_donor_as_the_whole_photo(sample: LoadPhoto, tmp_path: Path) -> None:
    moments = make_moments(sample)
    Image.fromarray(moments.blinking).save(tmp_path / "blink.png")
    opened = open_with_faces(tmp_path / "blink.png")
    number = opened.selected
    assert number is not None and opened.preview_donors(OPTIONS) == {}
    drawn = preview_face(opened, number, OPTIONS)
    nobody_there = read_reference(Photo(sample("image_5.jpg")))
    opened.set_references(References((nobody_there,)))
    assert "no face" in opened.preview_donors(OPTIONS)[number].why_not
    opened.set_references(References((nobody_there, read_reference(Photo(moments.other, path=Path("other.png"))))))
    preview = opened.preview_donors(OPTIONS)[number]
    assert preview.name == "other.png" and preview.picture is not None
    own = preview_face(opened, number, OPTIONS)
    fix_opened(opened, OPTIONS, DraftEngine(), NEVER, nobody)
    assert drawn is not None and own is not None and opened.result is not None
    assert {change.donor.name for change in opened.result.report.changes if change.donor} == {"other.png"}
    eyes = [edit.region.box for edit in opened.result.plan.edits]
    rows, columns = own.before.shape[:2]
    whole = opened.result.pixels
    # The photo is so small that the part is nearly all of it; the eyes lie where the two agree best.
    height, width = whole.shape[:2]
    places = [(top, left) for top in range(height - rows + 1) for left in range(width - columns + 1)]
    top, left = next(
        place for place in places
        if np.array_equal(opened.photo.pixels[place[0] : place[0] + rows, place[1] : place[1] + columns], own.before)
    )  # fmt: skip
    for box in eyes:
        part = np.s_[box.top - top : box.bottom - top, box.left - left : box.right - left]
        final = whole[box.slices].astype(int)
        assert np.abs(own.after[part] - final).mean() < 0.3 * np.abs(drawn.after[part] - final).mean()


def test_a_slider_changes_the_preview(open_sample: Callable[[str], OpenPhoto]) -> None:
    opened = open_sample("image_1.jpg")
    opened.choices[2] = FaceChoice(Wish.NEVER, Wish.ALWAYS, 0.5, 0.4)
    gentle = preview_face(opened, 2, OPTIONS)
    opened.choices[2] = FaceChoice(Wish.NEVER, Wish.ALWAYS, 0.5, 1.0)
    broad = preview_face(opened, 2, OPTIONS)
    opened.choices[2] = FaceChoice(Wish.NEVER, Wish.NEVER, 0.5, 1.0)
    off = preview_face(opened, 2, OPTIONS)
    assert gentle and broad and off
    changed = [np.abs(view.after.astype(int) - view.before).sum() for view in (off, gentle, broad)]
    assert changed[0] == 0 < changed[1] < changed[2]


@pytest.mark.parametrize(
    ("name", "number", "of_the_photo"),
    [
        ("blink.png", 1, {"measure_appearance", "align_faces", "embed_face"}),
        ("image_1.jpg", 2, {"find_lower_rims", "embed_face"}),
    ],
    ids=["eyes", "smile"],
)
def test_a_slider_measures_nothing_again_but_the_result(
    name: str,
    number: int,
    of_the_photo: set[str],
    sample: LoadPhoto,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = make_moments(sample)
    Image.fromarray(moments.blinking).save(tmp_path / "blink.png")
    Image.fromarray(sample("image_1.jpg")).save(tmp_path / "image_1.jpg", quality=95)
    opened = open_with_faces(tmp_path / name)
    opened.set_references(References((read_reference(Photo(moments.other, path=Path("other.png"))),)))
    part = opened.part(number, OPTIONS, at_full_size=False)
    assert part is not None
    untouched = part.analysis.pixels
    measured: list[tuple[str, bool]] = []

    def count(module: ModuleType, name: str) -> None:
        measure = getattr(module, name)

        def counted(first: Pixels | FaceAnalysis, *rest: Any, **named: Any) -> Any:
            pixels = first.pixels if isinstance(first, FaceAnalysis) else first
            measured.append((name, np.array_equal(pixels, untouched)))
            return measure(first, *rest, **named)

        monkeypatch.setattr(module, name, counted)

    for module, function in (
        (analysis, "measure_appearance"), (analysis, "embed_face"), (analysis, "find_lower_rims"),
        (choose, "align_faces"), (quality, "embed_face"), (quality, "remeasure"),
    ):  # fmt: skip
        count(module, function)
    opened.choices[number] = FaceChoice(Wish.ALWAYS, Wish.ALWAYS, 0.5, 0.5)
    first = preview_face(opened, number, OPTIONS)
    assert {function for function, is_untouched in measured if is_untouched} >= of_the_photo
    measured.clear()
    opened.choices[number] = FaceChoice(Wish.ALWAYS, Wish.ALWAYS, 0.9, 0.8)
    second = preview_face(opened, number, OPTIONS)
    assert first is not None and second is not None
    assert not np.array_equal(second.after, second.before), "nothing was painted"
    assert {function for function, _ in measured} == {"remeasure", "embed_face"}
    assert not any(is_untouched for _, is_untouched in measured)


def test_the_result_keeps_name_format_and_metadata(tmp_path: Path) -> None:
    source = tmp_path / "Ünser Bild.jpg"
    exif = Image.Exif()
    exif[0x013B] = "A. Photographer"
    with Image.open(SAMPLES / "image_2.jpg") as image:
        image.save(source, exif=exif, quality=95)
    opened = open_with_faces(source)
    fix_opened(opened, OPTIONS, DraftEngine(), NEVER, nobody)
    target = save_opened(opened, tmp_path / "out", OPTIONS)
    assert target.name == "final_Ünser Bild.jpg"
    with Image.open(target) as image:
        assert image.format == "JPEG"
        assert image.getexif()[0x013B] == "A. Photographer"


def test_the_result_is_marked_as_that_of_the_command_line_is(tmp_path: Path) -> None:
    opened = open_with_faces(SAMPLES / "image_2.jpg")
    fix_opened(opened, OPTIONS, DraftEngine(), NEVER, nobody)
    first = save_opened(opened, tmp_path, OPTIONS)
    assert read_source_type(read_xmp(first)) is not None
    unmarked = replace(OPTIONS, output=OutputOptions(no_mark=True))
    second = save_opened(opened, tmp_path, unmarked)
    assert read_source_type(read_xmp(second)) is None
    assert second.name == first.name and not first.exists(), "a browser may still hold the first under its name"


def read_xmp(path: Path) -> bytes:
    with Image.open(path) as image:
        xmp = image.info.get("xmp", b"")
    assert isinstance(xmp, bytes)
    return xmp


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.JPG", "final_photo.JPG"),
        ("photo.cr2", "final_photo.png"),
        ("photo", "final_photo.png"),
        ("a" * 246 + ".jpg", "final_" + "a" * 245 + ".jpg"),
        ("é" * 125 + ".jpg", "final_" + "é" * 122 + ".jpg"),
    ],
)
def test_the_name_of_a_result_is_no_longer_than_names_may_be(tmp_path: Path, name: str, expected: str) -> None:
    assert name_result(Path(name)) == expected
    (tmp_path / expected).touch()


def test_a_face_with_eyes_of_its_own_is_known(sample: LoadPhoto, tmp_path: Path) -> None:
    moments = make_moments(sample)
    Image.fromarray(moments.blinking).save(tmp_path / "blink.png")
    opened = open_with_faces(tmp_path / "blink.png")
    number = opened.selected
    assert number is not None and not opened.has_own_eyes(number, OPTIONS)
    opened.set_references(References((read_reference(Photo(moments.other, path=Path("other.png"))),)))
    assert opened.has_own_eyes(number, OPTIONS)
    opened.choices[number] = FaceChoice(Wish.NEVER, Wish.NEVER, 0.5, 0.5)
    assert not opened.has_own_eyes(number, OPTIONS)


def test_a_kept_mouth_stays_as_it_was(open_sample: Callable[[str], OpenPhoto]) -> None:
    opened = open_sample("image_2.jpg")
    height, width = opened.photo.pixels.shape[:2]
    opened.strokes = Strokes(np.full((height, width), 255, np.uint8), np.zeros((height, width), np.uint8))
    fix_opened(opened, OPTIONS, DraftEngine(), NEVER, nobody)
    assert opened.result is not None
    assert np.array_equal(opened.result.pixels, opened.photo.pixels)


def test_painting_over_an_eye_asks_for_it(open_sample: Callable[[str], OpenPhoto]) -> None:
    opened = open_sample("image_2.jpg")
    assert opened.final_options(OPTIONS).choices == {}
    height, width = opened.photo.pixels.shape[:2]
    edit = np.zeros((height, width), np.uint8)
    box = opened.faces[0].box
    edit[box.top : (box.top + box.bottom) // 2, box.left : box.right] = 255
    opened.strokes = Strokes(np.zeros_like(edit), edit)
    choice = opened.final_options(OPTIONS).choices[1]
    assert choice.eyes is Wish.ALWAYS


def test_layers_are_sorted_by_their_colour() -> None:
    layer = np.zeros((4, 6, 4), np.uint8)
    layer[:, :2] = (45, 125, 210, 255)
    layer[:, 4:] = (240, 120, 20, 255)
    strokes = read_strokes([np.zeros_like(layer), layer], (45, 125, 210))
    assert strokes is not None
    assert strokes.keep[:, :2].all() and not strokes.keep[:, 2:].any()
    assert strokes.edit[:, 4:].all() and not strokes.edit[:, :4].any()
    assert read_strokes([np.zeros_like(layer)], (45, 125, 210)) is None


class SlowEngine:
    """Paints nothing, and tells of its progress until it is stopped."""

    name = "slow"

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.steps = 0

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        for step in range(1000):
            self.steps = step
            if step == 3:
                self._stop.set()
            on_progress("painting", step / 1000)
        return PaintResult(tuple(canvas.original[edit.region.box.slices] for edit in plan.edits))


def test_stopping_ends_the_work_at_its_next_step(open_sample: Callable[[str], OpenPhoto]) -> None:
    opened = open_sample("image_1.jpg")
    stop = threading.Event()
    engine = SlowEngine(stop)
    with pytest.raises(Stopped):
        fix_opened(opened, OPTIONS, engine, stop, nobody)
    assert engine.steps == 3
    assert opened.result is None and opened.saved is None


def test_a_closed_session_leaves_no_file(tmp_path: Path) -> None:
    session = Session(tmp_path / "visitor")
    shown = Path(session.write_picture(np.zeros((8, 8, 3), np.uint8), "face"))
    assert shown.is_file()
    session.close()
    assert not session.folder.exists()
    assert session.stop.is_set()


def test_a_broken_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(UnreadablePhoto):
        open_photo(broken)
