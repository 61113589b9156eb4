"""The page in a real browser, served by the real command line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, LoadPhoto
from tests.support.donor_photos import make_moments
from tests.support.page_server import Server, serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed, and make test could not install it"
)
# Chromium as root, without a graphics card, and without its own connections to its maker.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 90_000
playwright.expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with (
        playwright.sync_playwright() as driver,
        closing(driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))) as chromium,
    ):
        yield chromium


NewPage = Callable[..., Any]


@pytest.fixture
def new_page(server: Server, browser: Any) -> Iterator[NewPage]:
    """Opens the page in a context of its own; afterwards no request may have left the machine."""
    contexts: list[Any] = []
    requests: list[str] = []
    errors: list[str] = []
    own = [f"{server.url}/", "data:", "blob:"]

    def open_page(url: str = server.url, **settings: Any) -> Any:
        own.append(f"{url}/")
        context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True, **settings)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.extend({line.text} if "Content Security Policy" in line.text else ()))
        page.goto(url)
        page.wait_for_selector("#drop input[type=file]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    outside = [url for url in requests if not url.startswith(tuple(own))]
    assert requests and not outside
    assert not errors


def drop(page: Any, *files: Path) -> None:
    page.set_input_files("#drop input[type=file]", [str(file) for file in files])


AFTER = "#canvas .after img"
"""What lies on the after side of the canvas: the result, or the faces that were painted so far."""


def shown(page: Any, face: int = 0) -> str:
    """The address of the `after` picture of a face, or of the result; empty where none is seen."""
    where = f'{AFTER}[data-face="{face}"]' if face else f"{AFTER}:not(.face)"
    return str(page.evaluate("where => document.querySelector(where)?.src ?? ''", where))


def wait_for_new(page: Any, old: str, face: int = 0) -> None:
    where = f'{AFTER}[data-face="{face}"]' if face else f"{AFTER}:not(.face)"
    page.wait_for_function(
        "([where, old]) => { const img = document.querySelector(where);"
        " return img && img.src !== old && img.complete && img.naturalWidth; }",
        arg=[where, old],
    )


def move_slider(page: Any, label: str, value: str) -> None:
    page.get_by_role("slider", name=f"range slider for {label}").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', {bubbles: true})); }",
        value,
    )


# ---- one visitor, from the photo to the file --------------------------------------------------------------


@needs_browser
def test_from_the_photo_to_the_file(new_page: NewPage, tmp_path: Path) -> None:
    source = tmp_path / "group.jpg"
    exif = Image.Exif()
    exif[0x013B] = "A. Photographer"
    with Image.open(SAMPLES / "image_4.jpg") as image:
        image.save(source, exif=exif, quality=95)
    page = new_page()
    drop(page, source)

    page.wait_for_selector(".mark")
    assert page.locator(".mark").count() == 5
    assert page.locator(".mark").nth(0).get_attribute("aria-label") == "Face 1: eyes closed, smiling"
    assert "Opens the eyes" in page.locator(".cards [data-group=face]").nth(0).inner_text()
    assert "Stays as it is" in page.locator(".cards [data-group=face]").nth(1).inner_text()

    page.locator(".mark").nth(2).click()
    smile, eyes = page.get_by_label("Smile"), page.get_by_label("Open the eyes")
    playwright.expect(smile).to_be_checked()
    playwright.expect(eyes).not_to_be_checked()
    playwright.expect(eyes).to_be_disabled()
    wait_for_new(page, "", face=3)

    before = shown(page, face=3)
    move_slider(page, "How broad", "0.9")
    wait_for_new(page, before, face=3)
    before = shown(page, face=3)
    smile.uncheck()
    wait_for_new(page, before, face=3)
    playwright.expect(page.locator(".cards [data-group=face]").nth(2)).to_contain_text("Stays as it is")

    page.click("#make")
    page.wait_for_selector("#download:visible")
    assert "3 of 5 faces" in page.locator(".report").inner_text()
    with page.expect_download() as arriving:
        page.click("#download")
    assert arriving.value.suggested_filename == "final_group.jpg"
    target = tmp_path / "taken_home.jpg"
    arriving.value.save_as(target)
    with Image.open(source) as old, Image.open(target) as new:
        assert new.format == "JPEG" and new.size == old.size
        assert new.getexif()[0x013B] == "A. Photographer"
        change = np.abs(np.asarray(new.convert("RGB"), int) - np.asarray(old.convert("RGB"), int))
    assert change.max() > 60


@needs_browser
def test_other_photos_give_their_eyes(new_page: NewPage, sample: LoadPhoto, tmp_path: Path) -> None:
    moments = make_moments(sample)
    Image.fromarray(moments.blinking).save(tmp_path / "party_1.png")
    Image.fromarray(moments.other).save(tmp_path / "party_2.png")
    shutil.copy(SAMPLES / "image_5.jpg", tmp_path / "nobody.jpg")
    page = new_page()
    drop(page, tmp_path / "party_1.png")
    page.wait_for_selector(".mark")
    page.locator(".mark").nth(0).click(position={"x": 6, "y": 6})
    card = page.locator(".cards [data-group=face]").nth(0)
    assert card.locator(".donor").count() == 0
    wait_for_new(page, "", face=1)
    drawn = shown(page, face=1)

    page.set_input_files("#references input[type=file]", [tmp_path / "nobody.jpg", tmp_path / "party_2.png"])
    playwright.expect(card).to_contain_text("With their own, from party_2.png")
    assert card.locator(".donor").get_attribute("alt") == "From party_2.png"
    wait_for_new(page, drawn, face=1)

    page.click("#make")
    page.wait_for_selector("#download:visible")
    page.locator(".report summary").click()
    playwright.expect(page.locator(".report")).to_contain_text("party_2.png")


@needs_browser
def test_a_large_face_is_seen_with_every_pixel(new_page: NewPage, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with Image.open(SAMPLES / "image_2.jpg") as image:
        image.resize((3 * image.width, 3 * image.height)).save(large)
    page = new_page()
    drop(page, large)
    page.wait_for_selector(".mark")
    wait_for_new(page, "", face=1)
    picture = page.locator(f'{AFTER}[data-face="1"]')
    coarse = picture.evaluate("img => img.naturalWidth")
    mark = page.locator(".mark").bounding_box()
    line = page.get_by_role("slider", name="Where before ends and after begins").bounding_box()
    whole = page.locator(".sheet").bounding_box()
    page.mouse.click(line["x"] + line["width"] / 2, mark["y"] + 8)
    page.wait_for_timeout(500)
    assert page.locator(".sheet").bounding_box()["width"] > whole["width"], "a click on the line is one on the face"
    for _ in range(6):
        page.keyboard.press("+")
    playwright.expect(picture).to_have_attribute("data-sharp", "true")
    playwright.expect(picture).to_have_js_property("complete", True)
    width = picture.evaluate("img => img.naturalWidth")
    assert width > 720 and width > coarse
    photo = page.locator("#canvas .before > img").first
    playwright.expect(photo).to_have_attribute("data-sharp", "true")
    with Image.open(large) as image:
        playwright.expect(photo).to_have_js_property("naturalWidth", image.width)
    sheet = page.locator(".sheet")
    page.wait_for_timeout(600)
    place, old = sheet.bounding_box(), picture.get_attribute("src")
    page.get_by_label("Smile", exact=True).uncheck()
    playwright.expect(picture).not_to_have_attribute("src", old)
    assert sheet.bounding_box() == place, "the view jumped"


@needs_browser
def test_a_photo_dropped_beside_the_open_one_is_opened(new_page: NewPage) -> None:
    page = new_page()
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")
    page.evaluate(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([Uint8Array.from(bytes)], 'next.jpg', {type: 'image/jpeg'}));
            const drop = new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: data});
            document.querySelector('#stage').dispatchEvent(drop);
        }""",
        list((SAMPLES / "image_3.jpg").read_bytes()),
    )
    playwright.expect(page.locator(".photos")).to_contain_text("next.jpg")


@needs_browser
def test_all_pictures_have_words_and_keys_work(new_page: NewPage) -> None:
    page = new_page()
    missing = "[...document.querySelectorAll('img')].filter(img => !img.hasAttribute('alt')).length"
    assert page.evaluate(missing) == 0
    page.locator(".samples button").first.press("Enter")
    page.wait_for_selector(".mark")
    page.locator(".mark").nth(1).press("Enter")
    wait_for_new(page, "", face=2)
    handle = page.get_by_role("slider", name="Where before ends and after begins")
    handle.wait_for()
    middle = handle.bounding_box()["x"]
    for _ in range(3):
        handle.press("ArrowRight")
    assert handle.bounding_box()["x"] > middle + 20
    assert int(handle.get_attribute("aria-valuenow")) > 55
    canvas = page.locator("#canvas").bounding_box()
    for key, at in (("End", canvas["x"] + canvas["width"]), ("Home", canvas["x"])):
        handle.press(key)
        own = handle.bounding_box()
        assert own["x"] + own["width"] / 2 == pytest.approx(at, abs=1), key
    assert page.evaluate(missing) == 0


@needs_browser
def test_a_face_fills_the_canvas_and_the_change_is_in_sight(new_page: NewPage) -> None:
    page = new_page()
    drop(page, SAMPLES / "image_4.jpg")
    page.wait_for_selector(".mark")
    sheet, canvas = page.locator(".sheet"), page.locator("#canvas").bounding_box()
    whole = sheet.bounding_box()
    assert whole["width"] == pytest.approx(canvas["width"], abs=1) or whole["height"] == pytest.approx(
        canvas["height"], abs=1
    )
    assert not page.locator(AFTER).first.is_visible() or page.locator(".mark").count() == 1
    page.locator(".mark").nth(3).click()
    wait_for_new(page, "", face=4)
    page.wait_for_timeout(500)
    face = page.locator(f'{AFTER}[data-face="4"]').bounding_box()
    eyes = face["x"] + face["width"] / 2, face["y"] + 0.45 * face["height"]
    assert canvas["x"] < eyes[0] < canvas["x"] + canvas["width"]
    assert canvas["y"] < eyes[1] < canvas["y"] + canvas["height"]
    assert face["height"] > 0.8 * canvas["height"]
    page.get_by_role("button", name="Whole photo").click()
    page.wait_for_timeout(500)
    assert sheet.bounding_box() == whole


@needs_browser
def test_wheel_drag_and_hold(new_page: NewPage) -> None:
    page = new_page()
    drop(page, SAMPLES / "image_1.jpg")
    page.wait_for_selector(".mark")
    page.locator(".mark").nth(0).click()
    wait_for_new(page, "", face=1)
    page.wait_for_timeout(500)
    canvas = page.locator("#canvas").bounding_box()
    x, y = canvas["x"] + canvas["width"] * 0.7, canvas["y"] + canvas["height"] * 0.3
    sheet = page.locator(".sheet")
    before = sheet.bounding_box()
    page.mouse.move(x, y)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(200)
    after = sheet.bounding_box()
    assert after["width"] > 1.3 * before["width"]
    grown = after["width"] / before["width"]
    assert after["x"] == pytest.approx(x - (x - before["x"]) * grown, abs=2), "the point under the mouse moved"
    page.mouse.down()
    page.mouse.move(x - 80, y + 30, steps=4)
    page.mouse.up()
    moved = sheet.bounding_box()
    assert (moved["x"], moved["y"]) == (pytest.approx(after["x"] - 80, abs=1), pytest.approx(after["y"] + 30, abs=1))
    peeks = "document.querySelector('#canvas').classList.contains('peeks')"
    page.mouse.down()
    page.wait_for_function(peeks)
    page.mouse.up()
    assert not page.evaluate(peeks)
    page.keyboard.down("b")
    page.wait_for_function(peeks)
    page.keyboard.up("b")
    assert not page.evaluate(peeks)
    page.keyboard.press("?")
    playwright.expect(page.get_by_role("dialog", name="Keys and help")).to_be_visible()
    page.get_by_label("Keys of one letter do something").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.down("b")
    assert not page.evaluate(peeks), "they were turned off"
    page.keyboard.up("b")


@needs_browser
def test_masks_and_brush(new_page: NewPage) -> None:
    page = new_page()
    page.set_viewport_size({"width": 390, "height": 700})
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")
    wait_for_new(page, "", face=1)
    page.get_by_role("button", name="changes").click()
    picture = page.get_by_alt_text("What is repainted")
    playwright.expect(picture).to_be_visible()
    before, drawn = picture.get_attribute("src"), shown(page, face=1)
    page.get_by_role("button", name="Brush").click()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    place = page.locator("#canvas .sheet").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] * 0.42
    page.mouse.move(x - 60, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=30)
    assert sent == [], "it is not lifted yet"
    page.mouse.up()
    playwright.expect(picture).not_to_have_attribute("src", before)
    wait_for_new(page, drawn, face=1)
    assert len(sent) == 1 and "upload" not in sent[0]
    page.get_by_role("button", name="Undo").click()
    playwright.expect(picture).to_have_attribute("src", before)


# ---- what can go wrong ----------------------------------------------------------------------------------


@needs_browser
def test_a_photo_without_a_face_is_explained(new_page: NewPage) -> None:
    page = new_page()
    drop(page, SAMPLES / "image_5.jpg")
    page.wait_for_selector("text=No face found here")
    playwright.expect(page.locator("#make")).not_to_be_visible()
    assert page.locator(".mark").count() == 0


@needs_browser
def test_a_broken_file_is_one_sentence_in_a_toast(new_page: NewPage, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff nothing")
    page = new_page()
    drop(page, broken)
    toast = page.locator("[data-testid=toast-body]")
    playwright.expect(toast).to_contain_text("broken.jpg is no photo that can be read")
    assert "/" not in toast.inner_text(), "the folder is nobody's business"
    playwright.expect(toast.get_by_text("Warning")).to_be_hidden()
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")


@needs_browser
def test_a_file_that_is_too_large_is_named(new_page: NewPage, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(101 * 2**20)
    page = new_page()
    drop(page, large)
    playwright.expect(page.locator("#complaints")).to_contain_text("large.jpg is larger than 100 MB")
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")


@needs_browser
def test_bad_files_among_good_ones_are_named_as_text(new_page: NewPage, tmp_path: Path) -> None:
    name = "<img src='https://example.com/seen'>&.pdf"
    page = new_page()
    page.set_input_files(
        "#drop input[type=file]",
        [
            {"name": name, "mimeType": "application/pdf", "buffer": b"%PDF-1.7"},
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": (SAMPLES / "image_2.jpg").read_bytes()},
            {
                "name": "<img src='https://example.com/broken'>.jpg",
                "mimeType": "image/jpeg",
                "buffer": b"\xff\xd8\xff no",
            },
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": (SAMPLES / "image_1.jpg").read_bytes()},
            {"name": "c" * 240 + ".jpg", "mimeType": "image/jpeg", "buffer": (SAMPLES / "image_5.jpg").read_bytes()},
        ],
    )
    complaint = page.locator("#complaints")
    playwright.expect(complaint).to_contain_text(f"{name} is no photo that this page can open")
    assert complaint.locator("img").count() == 0
    playwright.expect(page.locator(".photos [data-group=photo]")).to_have_count(3)
    toast = page.locator("[data-testid=toast-body]")
    playwright.expect(toast).to_contain_text("broken")
    assert toast.locator("img").count() == 0
    complaint.get_by_role("button", name="Close").click()
    playwright.expect(complaint).to_be_hidden()


@needs_browser
def test_photos_are_added_put_away_and_put_back(new_page: NewPage, tmp_path: Path) -> None:
    page = new_page()
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")
    page.click("#make")
    page.wait_for_selector("#download:visible")
    page.set_input_files("#bar input[type=file]", str(SAMPLES / "image_1.jpg"))
    chips = page.locator(".photos [data-group=photo]")
    playwright.expect(chips).to_have_count(2)
    playwright.expect(page.locator("#make")).to_have_text("Fix 1 of 2 photos")
    playwright.expect(page.locator("#download")).to_have_text("Download final_image_2.jpg")
    page.get_by_role("button", name="Remove image_2.jpg").click()
    playwright.expect(chips).to_have_count(1)
    page.get_by_role("button", name="Remove image_1.jpg").click()
    page.wait_for_selector("#drop input[type=file]", state="attached")
    page.get_by_role("button", name="Put image_1.jpg back").click()
    playwright.expect(chips.locator(".name")).to_have_text(["image_1.jpg"])
    page.wait_for_selector(".mark")


@needs_browser
def test_leaving_asks_while_something_would_be_lost(new_page: NewPage) -> None:
    page = new_page()
    asked: list[str] = []

    def agree(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", agree)
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")
    page.click("#make")
    page.wait_for_selector("#download:visible")
    page.reload()
    page.wait_for_selector("#drop input[type=file]", state="attached")
    assert asked == ["beforeunload"]
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")
    page.click("#make")
    page.wait_for_selector("#download:visible")
    with page.expect_download():
        page.click("#download")
    page.reload()
    page.wait_for_selector("#drop input[type=file]", state="attached")
    assert asked == ["beforeunload"], "it was taken home"


@needs_browser
def test_what_was_changed_since_is_not_offered_as_done(new_page: NewPage) -> None:
    page = new_page()
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")
    page.click("#make")
    page.wait_for_selector("#download:visible")
    page.locator(".cards [data-group=face]").first.click()
    assert shown(page)
    page.wait_for_timeout(1000)
    smile = page.get_by_label("Smile", exact=True)
    smile.set_checked(not smile.is_checked())
    playwright.expect(page.locator("#download")).to_be_hidden()
    assert shown(page) == "", "nor is it shown as done"
    playwright.expect(page.locator("#make")).to_have_text("Fix again")
    playwright.expect(page.locator(".report")).to_contain_text("changed since")
    smile.set_checked(not smile.is_checked())
    playwright.expect(page.locator("#download")).to_be_visible()


@needs_browser
def test_after_a_restart_of_the_server_there_is_a_fresh_start(new_page: NewPage, tmp_path: Path) -> None:
    with serving(tmp_path / "first") as first:
        page = new_page(first.url)
        drop(page, SAMPLES / "image_2.jpg")
        page.wait_for_selector(".mark")
        playwright.expect(page.locator("#make")).to_be_enabled()
        # Nothing is waited for any more, so that only the page itself can notice.
        page.wait_for_timeout(3000)
        port = first.url.rpartition(":")[2]
    with serving(tmp_path / "second", "--port", port) as second:
        assert second.url == first.url
        # The page notices it by itself.
        page.wait_for_selector("#drop input[type=file]", state="attached")
        drop(page, SAMPLES / "image_2.jpg")
        page.wait_for_selector(".mark")
    assert "Traceback" not in (tmp_path / "second" / "log.txt").read_text()


@needs_browser
def test_cancel_stops_and_leaves_all_as_it_was(new_page: NewPage, tmp_path: Path) -> None:
    photos = [tmp_path / f"group_{number}.jpg" for number in range(5)]
    for photo in photos:
        shutil.copy(SAMPLES / "image_4.jpg", photo)
    page = new_page()
    drop(page, *photos)
    page.wait_for_selector(".mark")
    playwright.expect(page.locator("#make")).to_have_text("Fix all 5 photos")
    page.click("#make")
    page.click("#cancel")
    page.wait_for_selector("#cancel", state="hidden")
    playwright.expect(page.locator("#make")).to_have_text(re.compile("Fix"))
    if page.locator("#download").is_visible():
        assert "5" not in page.locator("#download").inner_text(), "it went on to the end"
    page.locator(".photos [data-group=photo]").nth(4).click()
    playwright.expect(page.locator(".photos [data-group=photo]").nth(4)).to_have_attribute("aria-pressed", "true")
    # Photos that were finished by then stay finished.
    playwright.expect(page.locator("#make")).to_have_text(re.compile(r"Fix (all 5|[1-4] of 5) photos"))
    assert shown(page) == ""


@needs_browser
def test_cancel_while_stable_diffusion_paints(new_page: NewPage, tiny_model: Path, tmp_path: Path) -> None:
    flags = ("--engine", "stable-diffusion", "--model", str(tiny_model), "--device", "cpu", "--steps", "900")
    with serving(tmp_path / "diffusion", *flags) as running:
        page = new_page(running.url)
        drop(page, SAMPLES / "image_4.jpg")
        page.wait_for_selector(".mark")
        make = page.locator("#make")
        playwright.expect(make).to_be_enabled()
        make.click()
        playwright.expect(page.locator(".doing")).to_contain_text("Painting")
        page.click("#cancel")
        playwright.expect(make).to_have_text("Fix this photo")
        playwright.expect(page.locator("#cancel")).to_be_hidden()
        assert not page.locator("#download").is_visible()
        assert shown(page) == ""
        assert page.locator("[data-testid=toast-body]").count() == 0, "to stop is no mistake"
        assert [*running.folder.rglob("final_*"), *running.folder.rglob("*.part")] == []

        page.get_by_role("button", name="Engine and details").click()
        page.get_by_role("radio", name="Draft").check()
        make.click()
        playwright.expect(page.locator("#download")).to_have_text("Download final_image_4.jpg")


@needs_browser
def test_two_visitors_at_once(new_page: NewPage) -> None:
    pages = [new_page(), new_page()]
    for page, name in zip(pages, ("image_1.jpg", "image_3.jpg"), strict=True):
        drop(page, SAMPLES / name)
    for page in pages:
        page.wait_for_selector(".mark")
    for page in pages:
        page.click("#make")
    for page, name in zip(pages, ("image_1.jpg", "image_3.jpg"), strict=True):
        playwright.expect(page.locator("#download")).to_have_text(f"Download final_{name}")


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(new_page: NewPage, scheme: str) -> None:
    page = new_page(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    wide = "document.scrollingElement.scrollWidth"
    assert page.evaluate(wide) <= 390
    drop(page, SAMPLES / "image_4.jpg")
    page.wait_for_selector(".mark")
    page.locator(".cards [data-group=face]").first.click()
    wait_for_new(page, "", face=1)
    assert page.evaluate(wide) <= 390
    ink = page.evaluate("getComputedStyle(document.querySelector('.top h1')).color")
    assert (min(map(int, re.findall(r"\d+", ink)[:3])) > 128) == (scheme == "dark")


# ---- how it is laid out -----------------------------------------------------------------------------------


def open_group(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    drop(page, SAMPLES / "image_4.jpg")
    page.wait_for_selector(".mark")
    playwright.expect(page.locator("#make")).to_be_enabled()
    page.wait_for_timeout(300)


def is_inside(inner: Any, width: float, height: float) -> bool:
    box = inner.bounding_box()
    return bool(
        box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
    )


@needs_browser
@pytest.mark.parametrize("size", [(1280, 720), (1440, 900), (2560, 1440), (820, 1180), (390, 844)])
def test_what_counts_is_in_sight_in_every_window(new_page: NewPage, size: tuple[int, int]) -> None:
    page = new_page()
    open_group(page, *size)
    canvas, panel = page.locator("#canvas"), page.locator("#panel")
    assert is_inside(page.locator("#make"), *size), "the button that starts the work"
    assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]
    place = canvas.bounding_box()
    if size[0] > 900:
        assert page.evaluate("document.scrollingElement.scrollHeight") <= size[1], "nothing is to be scrolled to"
        assert place["x"] < 40 and panel.bounding_box()["x"] + panel.bounding_box()["width"] > size[0] - 40
        assert place["width"] > 1.8 * panel.bounding_box()["width"]
        for number in range(4):
            assert is_inside(page.locator(".cards [data-group=face]").nth(number), *size)
    else:
        assert place["width"] > 0.9 * size[0] and place["y"] + place["height"] < panel.bounding_box()["y"]
    for mark in page.locator(".mark").all():
        assert min(mark.bounding_box()["width"], mark.bounding_box()["height"]) >= 24
    page.click("#make")
    page.wait_for_selector("#download:visible")
    assert is_inside(page.locator("#download"), *size)


@needs_browser
def test_the_focus_goes_on_to_what_comes_next(new_page: NewPage) -> None:
    page = new_page()
    page.locator(".samples button").nth(1).press("Enter")
    page.wait_for_selector(".mark")
    page.wait_for_function("document.activeElement.closest('#canvas')")
    make = page.locator("#make")
    playwright.expect(make).to_be_enabled()
    make.press("Enter")
    page.wait_for_selector("#download:visible")
    page.wait_for_function("document.activeElement.id === 'download'")
    page.get_by_role("button", name="Remove image_2.jpg").press("Enter")
    page.wait_for_selector("#drop button")
    page.wait_for_function("document.activeElement.closest('#start')")


@needs_browser
def test_the_line_stands_where_it_stood_and_the_result_is_shown(new_page: NewPage) -> None:
    page = new_page()
    drop(page, SAMPLES / "image_2.jpg")
    page.wait_for_selector(".mark")
    wait_for_new(page, "", face=1)
    handle = page.get_by_role("slider", name="Where before ends and after begins")
    for _ in range(4):
        handle.press("ArrowLeft")
    assert handle.get_attribute("aria-valuenow") == "30"
    page.click("#make")
    page.wait_for_selector("#download:visible")
    wait_for_new(page, "")
    assert handle.get_attribute("aria-valuenow") == "30"
    assert page.get_by_alt_text("image_2.jpg, after").is_visible()
    assert page.locator(".marks").count() == 1, "there is but one view of the photo"


@needs_browser
def test_work_goes_on_in_sight_while_another_photo_is_looked_at(new_page: NewPage, tmp_path: Path) -> None:
    photos = [tmp_path / f"group_{number}.jpg" for number in range(4)]
    for photo in photos:
        shutil.copy(SAMPLES / "image_4.jpg", photo)
    page = new_page()
    drop(page, *photos)
    page.wait_for_selector(".mark")
    page.click("#make")
    playwright.expect(page.locator(".doing")).to_contain_text(re.compile(r"Photo \d of 4: "))
    page.locator(".photos [data-group=photo]").nth(2).click()
    playwright.expect(page.locator(".photos [data-group=photo]").nth(2)).to_have_attribute("aria-pressed", "true")
    assert page.get_by_role("progressbar").is_visible() and page.locator("#cancel").is_visible()
    assert not page.locator("#make").is_visible()
    playwright.expect(page.locator("#download")).to_have_text("Download all 4 photos")
    playwright.expect(page.locator(".chip.done")).to_have_count(4)
    assert shown(page), "the photo that is looked at shows its result"


@needs_browser
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_first_screen_shows_what_it_does(new_page: NewPage, motion: str) -> None:
    page = new_page(reduced_motion=motion)
    demo = page.locator(".demo")
    demo.wait_for()
    before, after = (demo.get_by_alt_text(f"A sample photo {side}") for side in ("before", "after"))
    assert before.get_attribute("src") != after.get_attribute("src")
    moving = "document.querySelector('.demo').getAnimations().map(move => move.effect.getTiming().iterations)"
    assert page.evaluate(moving) in ([1], []) if motion == "no-preference" else page.evaluate(moving) == []


# ---- for everybody ----------------------------------------------------------------------------------------


def find_violations(page: Any) -> list[str]:
    """What axe-core finds wrong with the page as it is now, one line each."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    page.wait_for_timeout(400)  # until nothing moves or fades any more
    options = {"rules": {"target-size": {"enabled": True}}}
    found = axe.run(page, options=options).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(new_page: NewPage, scheme: str) -> None:
    page = new_page(color_scheme=scheme, reduced_motion="reduce")
    page.locator(".demo").wait_for()
    found = {"empty": find_violations(page)}
    drop(page, SAMPLES / "image_1.jpg", SAMPLES / "image_5.jpg")
    page.wait_for_selector(".mark")
    wait_for_new(page, "", face=1)
    found["open"] = find_violations(page)
    page.locator(".mark").nth(0).click()
    page.get_by_role("button", name="Engine and details").click()
    found["face"] = find_violations(page)
    page.get_by_role("button", name="What changes").click()
    page.get_by_alt_text("What is repainted").wait_for()
    page.get_by_role("button", name="Brush").click()
    found["masks and brush"] = find_violations(page)
    page.locator(".brushes").get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Keys and help").click()
    found["help"] = find_violations(page)
    page.keyboard.press("Escape")
    page.set_input_files("#references input[type=file]", str(SAMPLES / "image_2.jpg"))
    page.locator(".references li").wait_for()
    found["references"] = find_violations(page)
    page.click("#make")
    page.wait_for_selector("#download:visible")
    page.locator(".report summary").click()
    found["result"] = find_violations(page)
    page.locator(".photos [data-group=photo]").nth(1).click()
    page.wait_for_selector("text=No face found here")
    found["no face"] = find_violations(page)
    page.set_input_files(
        "#bar input[type=file]", {"name": "notes.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}
    )
    page.locator("#complaints p").wait_for()
    found["complaint"] = find_violations(page)
    assert {state: lines for state, lines in found.items() if lines} == {}
