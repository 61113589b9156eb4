"""Photos go in and out of files with nothing lost, and bad files are refused with a sentence."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import signal
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, JpegImagePlugin, PngImagePlugin

from photo import decode
from photo.decode import MAX_MEGAPIXELS, XMP_KEY, straighten_exif
from photo.errors import UnreadablePhoto, UnwritablePhoto
from photo.files import check_output, load_photo, save_photo
from photo.saving import Saving
from photo.types import Photo, Pixels
from photo.writing import Originals

LOSSLESS = {"PNG": ".png", "TIFF": ".tif", "WEBP": ".webp", "BMP": ".bmp"}
# What each lossless format can hold: Pillow's mode, or a dtype and number of channels that Pillow cannot write.
KINDS = {
    "PNG": ["L", "LA", "RGB", "RGBA", "I;16", "P", "1", "deep RGB", "deep RGBA", "deep LA"],
    "TIFF": ["L", "LA", "RGB", "RGBA", "I;16", "CMYK", "deep RGB", "deep RGBA"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["L", "RGB", "P"],
}
ENOUGH = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

sides = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)


def make_photo_file(path: Path, kind: str, width: int, height: int, seed: int) -> None:
    """Write a picture of random samples, by other means than the code under test."""
    random = np.random.default_rng(seed)
    if kind.startswith("deep"):
        channels = {"deep LA": 2, "deep RGB": 3, "deep RGBA": 4}[kind]
        samples = random.integers(0, 65536, (height, width, channels), np.uint16)
        if channels == 2:
            path.write_bytes(encode_plain_png(samples))
        else:
            # Without compression: Pillow's own wheel reads it in any case.
            order = [2, 1, 0, 3][:channels]
            flags = [] if path.suffix == ".png" else [cv2.IMWRITE_TIFF_COMPRESSION, 1]
            assert cv2.imwrite(str(path), np.ascontiguousarray(samples[..., order]), flags)
        return
    if kind == "I;16":
        Image.fromarray(random.integers(0, 65536, (height, width), np.uint16)).save(path)
        return
    channels = {"L": 1, "1": 1, "P": 3, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[kind]
    samples8 = random.integers(0, 256, (height, width, channels), np.uint8)
    if kind == "CMYK":
        image = Image.frombytes("CMYK", (width, height), samples8.tobytes())
    else:
        image = Image.fromarray(samples8[..., 0] if channels == 1 else samples8)
    if kind in ("P", "1"):
        image = image.convert(kind)
    if path.suffix == ".webp":
        image.save(path, lossless=True, exact=True)
    else:
        image.save(path)


def encode_plain_png(samples: NDArray[np.uint16]) -> bytes:
    """A 16-bit gray and alpha PNG, which neither Pillow nor OpenCV writes."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">2L5B", width, height, 16, 4, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def decode_independently(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The samples of a file as somebody else reads them: 16 bits by OpenCV, 8 bits by Pillow."""
    deep = None if path.suffix == ".webp" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if deep is not None and deep.dtype == np.uint16:
        return np.asarray(deep, np.uint16)
    with Image.open(path) as image:
        samples: NDArray[np.uint8] = np.asarray(image.convert({"P": "RGB", "1": "L"}.get(image.mode, image.mode)))
        return samples


def make_jpeg(path: Path, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> NDArray[np.uint8]:
    """Write a smooth JPEG and return its decoded samples."""
    across, down = np.meshgrid(np.linspace(20, 230, size[0]), np.linspace(40, 200, size[1]))
    samples = np.dstack([across, down, (across + down) / 2, down / 4]).astype(np.uint8)
    data = samples[..., : {"L": 1, "RGB": 3, "CMYK": 4}[mode]].tobytes()
    Image.frombytes(mode, size, data).save(path, "JPEG", **options)
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    make_jpeg(path, quality=90)
    return path


@pytest.fixture
def photo(photo_file: Path) -> Photo:
    return load_photo(photo_file)


def brighten(photo: Photo) -> Pixels:
    """The pixels with a small edit in the middle."""
    pixels = photo.pixels.copy()
    middle = pixels[photo.height // 3 : photo.height // 2, photo.width // 3 : photo.width // 2]
    np.add(middle, 9, out=middle)
    return pixels


def edit_one_pixel(
    photo: Photo, row: int, column: int, color: tuple[int, int, int]
) -> tuple[Pixels, NDArray[np.bool_]]:
    pixels = photo.pixels.copy()
    pixels[row % photo.height, column % photo.width] = color
    return pixels, (pixels != photo.pixels).any(axis=2)


# --- what was not edited stays exact ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("format_name", "kind"), [(name, kind) for name, kinds in KINDS.items() for kind in kinds])
@ENOUGH
@given(width=sides, height=sides, seed=seeds, color=st.tuples(*[st.integers(0, 255)] * 3))
def test_an_edit_changes_no_other_sample(
    tmp_path: Path, format_name: str, kind: str, width: int, height: int, seed: int, color: tuple[int, int, int]
) -> None:
    source, target = (tmp_path / (name + LOSSLESS[format_name]) for name in ("source", "target"))
    make_photo_file(source, kind, width, height, seed)
    photo = load_photo(source)
    assert photo.pixels.shape == (height, width, 3)
    pixels, changed = edit_one_pixel(photo, seed, seed // 7, color)
    save_photo(pixels, photo, target)
    before, after = decode_independently(source), decode_independently(target)
    assert (before.dtype, before.shape) == (after.dtype, after.shape)
    assert np.array_equal(before[~changed], after[~changed])
    again = load_photo(target)
    if kind in ("L", "LA", "I;16", "1", "deep LA"):
        luma = pixels @ np.array([0.299, 0.587, 0.114])
        assert np.abs(again.pixels[..., 0] - luma).max() <= 1
    else:
        assert np.abs(again.pixels.astype(int) - pixels).max() <= (1 if "deep" in kind or kind == "CMYK" else 0)
    if photo.alpha is not None:
        assert again.alpha is not None
        assert np.array_equal(again.alpha, photo.alpha)
        assert photo.alpha.dtype == again.alpha.dtype


@pytest.mark.parametrize("format_name", LOSSLESS)
@ENOUGH
@given(width=sides, height=sides, seed=seeds)
def test_color_photos_keep_their_pixels_in_every_lossless_format(
    tmp_path: Path, format_name: str, width: int, height: int, seed: int
) -> None:
    for kind in ("RGB", "CMYK", "deep RGB"):
        source = tmp_path / ("source" + (".tif" if kind == "CMYK" else ".png"))
        make_photo_file(source, kind, width, height, seed)
        photo = load_photo(source)
        target = tmp_path / ("target" + LOSSLESS[format_name])
        save_photo(photo.pixels, photo, target)
        assert np.array_equal(load_photo(target).pixels, photo.pixels)


@pytest.mark.parametrize("kind", ["L", "RGB", "CMYK"])
def test_a_jpeg_keeps_its_color_model(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "source.jpg", tmp_path / "target.jpg"
    before = make_jpeg(source, mode=kind)
    photo = load_photo(source)
    note = save_photo(brighten(photo), photo, target)
    assert note is not None
    assert "encoded anew" in note
    with Image.open(target) as image:
        assert image.mode == kind
        after = np.asarray(image)
    assert np.abs(after[:, 40:].astype(int) - before[:, 40:]).max() <= 4
    assert load_photo(target).pixels[18:22, 24:28].mean() > photo.pixels[18:22, 24:28].mean() + 5


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_an_unedited_photo_is_copied_byte_for_byte(tmp_path: Path, ending: str) -> None:
    source, target = tmp_path / ("source" + ending), tmp_path / ("target" + ending)
    Image.effect_noise((40, 30), 60).convert("RGB").save(source)
    photo = load_photo(source)
    assert save_photo(photo.pixels, photo, target) is None
    assert target.read_bytes() == source.read_bytes()


def test_a_source_that_changed_meanwhile_is_not_copied(photo_file: Path, photo: Photo, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(photo_file)
    save_photo(photo.pixels, photo, tmp_path / "target.jpg")
    assert np.abs(load_photo(tmp_path / "target.jpg").pixels.astype(int) - photo.pixels).mean() < 3


def test_the_pixels_of_a_photo_cannot_be_written_to(photo: Photo) -> None:
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 0


def test_pixels_of_another_size_are_refused(photo: Photo, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        save_photo(photo.pixels[1:], photo, tmp_path / "target.png")
    assert not (tmp_path / "target.png").exists()


# --- orientation and metadata ----------------------------------------------------------------------------------------


def make_exif(orientation: int | None, order: str = "<") -> bytes:
    """EXIF with a maker, an orientation and a thumbnail directory, in either byte order."""
    entries = [(0x010F, 2, 4, b"Cam\0")]
    if orientation is not None:
        entries.append((0x0112, 3, 1, struct.pack(f"{order}HH", orientation, 0)))
    block = struct.pack(f"{order}HL", 42, 8) + struct.pack(f"{order}H", len(entries))
    block += b"".join(struct.pack(f"{order}HHL", *entry[:3]) + entry[3] for entry in entries)
    end = 2 + len(block) + 4
    block += struct.pack(f"{order}L", end)
    block += struct.pack(f"{order}HHHLHHL", 1, 0x0100, 3, 1, 160, 0, 0)
    return b"Exif\0\0" + (b"II" if order == "<" else b"MM") + block


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_photos_are_loaded_upright(tmp_path: Path, ending: str, orientation: int, order: str) -> None:
    source, target = tmp_path / ("source" + ending), tmp_path / ("target" + ending)
    picture = Image.new("RGB", (64, 32), "black")
    picture.paste((255, 0, 0), (0, 0, 32, 16))
    picture.paste((0, 255, 0), (32, 0, 64, 16))
    # What turns the upright picture into the stored one is the inverse of what a viewer does.
    to_stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = picture.transpose(to_stored[orientation]) if orientation > 1 else picture
    exif = make_exif(orientation, order)
    if ending == ".tif":
        tags = Image.Exif()
        tags.load(exif)
        stored.save(source, exif=tags)
    else:
        stored.save(source, exif=exif, **({"quality": 100} if ending == ".jpg" else {"lossless": True}))
    photo = load_photo(source)
    assert (photo.width, photo.height) == (64, 32)
    assert np.abs(photo.pixels[4, 4].astype(int) - (255, 0, 0)).max() < 6
    assert np.abs(photo.pixels[4, 60].astype(int) - (0, 255, 0)).max() < 6
    assert np.abs(photo.pixels[28, 4].astype(int)).max() < 6
    save_photo(brighten(photo), photo, target)
    with Image.open(target) as image:
        assert ImageOps.exif_transpose(image).size == (64, 32)
        # A JPEG keeps its blocks, and so its direction.
        assert image.getexif().get(0x0112, 1) == (orientation if ending == ".jpg" else 1)
        assert image.getexif()[0x010F] == "Cam"
    assert np.abs(load_photo(target).pixels.astype(int) - brighten(photo)).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["deep RGB", "deep RGBA", "LA", "CMYK", "I;16"])
def test_samples_of_every_kind_turn_with_the_photo(tmp_path: Path, kind: str, orientation: int) -> None:
    source, turned = tmp_path / "source.tif", tmp_path / "turned.tif"
    make_photo_file(source, kind, 5, 3, 7)
    plain = load_photo(source)
    # The same file with an orientation tag: a new directory behind the old one.
    save_photo(np.bitwise_xor(plain.pixels, np.uint8(1)), plain, turned)
    plain = load_photo(turned)
    data = bytearray(turned.read_bytes())
    directory = struct.unpack_from("<L", data, 4)[0]
    count = struct.unpack_from("<H", data, directory)[0]
    entries = sorted(
        [bytes(data[directory + 2 + 12 * i :][:12]) for i in range(count)]
        + [struct.pack("<HHLHH", 274, 3, 1, orientation, 0)],
        key=lambda entry: struct.unpack_from("<H", entry)[0],
    )
    moved = len(data)
    struct.pack_into("<L", data, 4, moved)
    turned.write_bytes(data + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4))
    photo = load_photo(turned)
    assert photo.pixels.shape == ((3, 5, 3) if orientation < 5 else (5, 3, 3))
    turns: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
        1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
        5: lambda a: np.swapaxes(a, 0, 1), 6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2), 8: np.rot90,
    }  # fmt: skip
    expected = turns[orientation]
    assert np.array_equal(photo.pixels, expected(plain.pixels))
    for got, want in ((photo.native, plain.native), (photo.alpha, plain.alpha)):
        assert (got is None) == (want is None)
        if got is not None and want is not None:
            assert np.array_equal(got, expected(want))


@ENOUGH
@given(junk=st.binary(max_size=80), cut=st.integers(0, 60))
def test_damaged_exif_breaks_nothing(junk: bytes, cut: int) -> None:
    for exif in (b"Exif\0\0" + junk, b"Exif\0\0II*\0" + junk, make_exif(6)[:cut]):
        straight, orientation = straighten_exif(exif)
        assert straight is not None
        assert len(straight) == len(exif)
        assert 1 <= orientation <= 8


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_damaged_exif_does_not_stop_saving(photo: Photo, tmp_path: Path, ending: str) -> None:
    damaged = dataclasses.replace(photo, exif=make_exif(6)[:30])
    save_photo(brighten(photo), damaged, tmp_path / ("target" + ending))
    assert load_photo(tmp_path / ("target" + ending)).width == photo.width


def test_the_thumbnail_of_the_old_picture_is_unlinked() -> None:
    straight, _ = straighten_exif(make_exif(6))
    tags = Image.Exif()
    tags.load(straight or b"")
    assert not tags.get_ifd(ExifTags.IFD.IFD1)
    tags.load(make_exif(6))
    assert tags.get_ifd(ExifTags.IFD.IFD1)


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_color_profile_exif_and_xmp_are_kept(tmp_path: Path, ending: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source, target = tmp_path / "source.jpg", tmp_path / ("target" + ending)
    tags = Image.Exif()
    tags[0x010F] = "Cam"
    tags[0x8769] = {0x9003: "2020:02:03 04:05:06"}
    make_jpeg(source, icc_profile=profile, exif=tags, xmp=b"<x:xmpmeta/>", comment=b"hello", dpi=(300, 200))
    photo = load_photo(source)
    save_photo(brighten(photo), photo, target)
    again = load_photo(target)
    assert again.icc_profile == profile
    assert again.text[XMP_KEY] == "<x:xmpmeta/>"
    with Image.open(target) as image:
        assert image.getexif()[0x010F] == "Cam"
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:02:03 04:05:06"
    if ending != ".webp":
        assert again.dpi == pytest.approx((300, 200), abs=0.02)
    if ending in (".jpg", ".png"):
        assert again.text["Comment"] == "hello"


@pytest.mark.parametrize("deep", [False, True])
def test_png_text_of_every_sort_is_kept(tmp_path: Path, deep: bool) -> None:
    source, target = tmp_path / "source.png", tmp_path / "target.png"
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "plain")
    info.add_text("Long", "packed " * 50, zip=True)
    info.add_itxt("Ort", "Größe 像", "de", "Where")
    Image.effect_noise((8, 8), 60).convert("RGB").save(source, pnginfo=info, dpi=(300, 300))
    photo = load_photo(source)
    if deep:
        photo = dataclasses.replace(photo, native=photo.pixels.astype(np.uint16) * np.uint16(257))
    save_photo(brighten(photo), photo, target)
    again = load_photo(target)
    assert again.text == {"Title": "plain", "Long": "packed " * 50, "Ort": "Größe 像"}
    place = again.text["Ort"]
    assert isinstance(place, PngImagePlugin.iTXt)
    assert place.lang == "de"
    assert again.dpi == pytest.approx((300, 300), abs=0.02)
    assert (again.native is not None) == deep


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_subsampling_is_kept(tmp_path: Path, subsampling: int) -> None:
    source, target = tmp_path / "source.jpg", tmp_path / "target.jpg"
    make_jpeg(source, subsampling=subsampling)
    photo = load_photo(source)
    save_photo(brighten(photo), photo, target)
    with Image.open(target) as image:
        assert JpegImagePlugin.get_sampling(image) == subsampling


def test_a_jpeg_made_from_another_format_has_full_color_resolution(tmp_path: Path) -> None:
    Image.effect_noise((16, 16), 60).convert("RGB").save(tmp_path / "source.png")
    photo = load_photo(tmp_path / "source.png")
    assert save_photo(photo.pixels, photo, tmp_path / "target.jpg") is None
    with Image.open(tmp_path / "target.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0


def test_a_profile_of_another_color_model_is_left_out(tmp_path: Path) -> None:
    profile = bytes(16) + b"CMYK" + bytes(108)
    make_jpeg(tmp_path / "source.jpg", mode="CMYK", icc_profile=profile)
    photo = load_photo(tmp_path / "source.jpg")
    save_photo(brighten(photo), photo, tmp_path / "same.jpg")
    note = save_photo(photo.pixels, photo, tmp_path / "target.png")
    assert load_photo(tmp_path / "same.jpg").icc_profile == profile
    assert load_photo(tmp_path / "target.png").icc_profile is None
    assert note is not None
    assert "converted to RGB" in note


@pytest.mark.parametrize("ending", [".jpg", ".bmp"])
def test_transparency_is_laid_on_white_and_said_so(tmp_path: Path, ending: str) -> None:
    samples = np.zeros((16, 16, 4), np.uint8)
    samples[:, :8, 3] = 255
    Image.fromarray(samples).save(tmp_path / "source.png")
    photo = load_photo(tmp_path / "source.png")
    note = save_photo(photo.pixels, photo, tmp_path / ("target" + ending))
    assert note is not None
    assert "on white" in note
    pixels = load_photo(tmp_path / ("target" + ending)).pixels
    assert pixels[8, 2].max() < 4
    assert pixels[8, 13].min() > 251


def test_a_palette_with_transparency_keeps_it(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 1), 1)
    image.save(tmp_path / "source.png", transparency=0)
    photo = load_photo(tmp_path / "source.png")
    assert photo.alpha is not None
    assert photo.alpha[1, 1] == 255
    assert photo.alpha[0, 0] == 0
    assert photo.pixels[1, 1].tolist() == [200, 100, 50]


def test_a_16_bit_photo_saved_with_8_bits_is_said_so(tmp_path: Path) -> None:
    make_photo_file(tmp_path / "source.png", "deep RGB", 8, 8, 1)
    photo = load_photo(tmp_path / "source.png")
    note = save_photo(photo.pixels, photo, tmp_path / "target.jpg")
    assert note is not None
    assert "rounded" in note


# --- what cannot be read ---------------------------------------------------------------------------------------------


def refusal_of(path: Path) -> str:
    with pytest.raises(UnreadablePhoto) as caught:
        load_photo(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.mark.posix
def test_paths_that_are_no_file(tmp_path: Path, photo_file: Path) -> None:
    assert "does not exist" in refusal_of(tmp_path / "none.jpg")
    assert "does not exist" in refusal_of(photo_file / "none.jpg")
    assert "is a folder" in refusal_of(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "is not a file" in refusal_of(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert "circle" in refusal_of(tmp_path / "loop.jpg")
    refusal_of(tmp_path / ("x" * 300 + ".jpg"))
    with pytest.raises(UnreadablePhoto, match="no file name"):
        load_photo(Path("a\0b.jpg"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"these are words, no photo", "no photo that can be read"),
        ("short.png", b"\x89PNG\r\n\x1a\n", "no photo|damaged"),
        ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        ("bare.jxl", b"\xff\x0a" + bytes(40), "is a JPEG XL file, which cannot be read"),
        ("boxes.jxl", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "is a JPEG XL file, which cannot be read"),
        ("camera.NEF", b"II*\0" + bytes(40), "camera raw"),
        ("page.pdf", b"%PDF-1.7" + bytes(40), "no photo that can be read"),
        ("odd.tif", b"II*\0" + bytes(40), "a kind of TIFF"),
        ("large.tiff", b"II+\0\x08\0\0\0" + bytes(40), "a kind of TIFF|damaged"),
    ],
)
def test_files_that_are_no_photo(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert re.search(words, refusal_of(tmp_path / name))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".bmp", ".deep.png"])
@ENOUGH
@given(share=st.floats(0.0, 1.0, exclude_max=True), seed=seeds)
def test_a_cut_file_is_refused_or_whole(tmp_path: Path, ending: str, share: float, seed: int) -> None:
    path = tmp_path / ("photo" + ending)
    if ending == ".jpg":
        make_jpeg(path, size=(80, 60), quality=90)
    else:
        make_photo_file(path, "deep RGB" if "deep" in ending else "RGB", 40, 30, seed)
    whole = load_photo(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    try:
        cut = load_photo(path)
    except UnreadablePhoto as error:
        assert str(path) in str(error)
    else:
        rows = len(whole.pixels)
        if cut.warning is not None:  # only a JPEG: the rows that it calls doubtful are not compared, all others are
            assert ending == ".jpg"
            doubtful = re.search(r"lowest (\d+) rows", cut.warning)
            assert doubtful is not None
            rows -= int(doubtful[1])
            assert rows > 0.5 * len(whole.pixels)
        assert np.array_equal(cut.pixels[:rows], whole.pixels[:rows])


@pytest.mark.parametrize("ending", [".jpg", ".png", ".deep.png", ".webp"])
def test_a_file_cut_in_half_is_called_damaged(tmp_path: Path, ending: str) -> None:
    path = tmp_path / ("photo" + ending)
    if ending == ".jpg":
        make_jpeg(path, size=(200, 160))
    else:
        make_photo_file(path, "deep RGB" if "deep" in ending else "RGB", 200, 160, 3)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "damaged or incomplete" in refusal_of(path)


@ENOUGH
@given(ending=st.sampled_from([".jpg", ".png", ".webp", ".tif", ".bmp"]), seed=seeds, hits=st.integers(1, 12))
def test_a_corrupted_file_never_raises_anything_else(tmp_path: Path, ending: str, seed: int, hits: int) -> None:
    path = tmp_path / ("photo" + ending)
    make_photo_file(path, "RGB", 12, 9, seed)
    data, random = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for place in random.integers(0, len(data), hits):
        data[place] = random.integers(0, 256)
    path.write_bytes(data)
    try:
        load_photo(path)
    except UnreadablePhoto as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("side", [20_000, 15_900, 60_000])
def test_a_decompression_bomb_is_refused_before_decoding(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    make_photo_file(path, "RGB", 2, 2, 0)
    data = bytearray(path.read_bytes())
    struct.pack_into(">2L", data, 16, side, side)
    struct.pack_into(">L", data, 29, zlib.crc32(data[12:29]))
    path.write_bytes(data)
    assert f"larger than {MAX_MEGAPIXELS} megapixels" in refusal_of(path)


def test_a_photo_just_below_the_limit_is_not_called_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_MEGAPIXELS", 1)
    Image.new("L", (1000, 1000)).save(tmp_path / "fits.png")
    Image.new("L", (1000, 1001)).save(tmp_path / "large.png")
    assert load_photo(tmp_path / "fits.png").width == 1000
    assert "larger than 1 megapixels" in refusal_of(tmp_path / "large.png")


@pytest.mark.parametrize("limit", [100, None])
def test_a_photo_beyond_pillows_own_limit_is_read_and_the_limit_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    for name in ("photo.png", "photo.tif"):
        Image.new("L", (40, 30)).save(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert load_photo(tmp_path / "photo.png").width == load_photo(tmp_path / "photo.tif").width == 40
    assert limit == Image.MAX_IMAGE_PIXELS
    (tmp_path / "damaged.png").write_bytes(b"no photo")
    assert "no photo" in refusal_of(tmp_path / "damaged.png")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_several_pictures_in_one_file_are_refused(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "green")]
    for ending in (".tif", ".webp", ".png"):
        path = tmp_path / ("pages" + ending)
        pages[0].save(path, save_all=True, append_images=pages[1:])
        assert "holds 3 pictures" in refusal_of(path)


def test_the_first_picture_of_a_phone_photo_is_used(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    pages = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    pages[0].save(path, "MPO", save_all=True, append_images=pages[1:])
    photo = load_photo(path)
    assert photo.pixels[8, 8, 0] > 250
    assert save_photo(photo.pixels, photo, tmp_path / "same.jpg") is None
    assert (tmp_path / "same.jpg").read_bytes() == path.read_bytes()
    save_photo(brighten(photo), photo, tmp_path / "target.jpg")
    with Image.open(tmp_path / "target.jpg") as kept, Image.open(path) as image:
        for picture in (kept, image):
            picture.seek(1)
        assert np.array_equal(np.asarray(kept), np.asarray(image))
    note = save_photo(brighten(photo), photo, tmp_path / "target.jpg", saving=Saving(quality=80))
    assert note is not None
    assert "left out" in note


def test_float_samples_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    assert "export it" in refusal_of(tmp_path / "float.tif")


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Permissions mean nothing to root, so that such tests run as nobody in particular."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.posix
def test_permissions_are_respected(
    tmp_path: Path, photo: Photo, photo_file: Path, request: pytest.FixtureRequest
) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    photo_file.chmod(0)
    request.getfixturevalue("ordinary_user")
    if os.access(tmp_path.parent, os.X_OK):
        assert "may not read" in refusal_of(photo_file)
    with pytest.raises(UnwritablePhoto, match="may not write"):
        save_photo(photo.pixels, photo, Path("/proc/target.png" if os.geteuid() == 0 else "/target.png"))


# --- what cannot be written, and what happens to the files that are there --------------------------------------------


@pytest.mark.posix
def test_paths_that_cannot_be_written(photo: Photo, photo_file: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    cases = {
        tmp_path / "target.gif": "ending .gif",
        tmp_path / "target": "no ending",
        tmp_path / "folder.png": "is a folder",
        tmp_path / "pipe.png": "no ordinary file",
        tmp_path / "loop.png": "circle",
        photo_file / "target.png": "not a folder",
        photo_file: "input photo itself",
        tmp_path / ("x" * 300 + ".png"): "cannot be written",
    }
    before = sorted(tmp_path.iterdir())
    for path, words in cases.items():
        with pytest.raises(UnwritablePhoto, match=words) as caught:
            save_photo(brighten(photo), photo, path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(UnwritablePhoto, match="no file name"):
        save_photo(photo.pixels, photo, Path("a\0b.png"))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.posix
def test_the_input_is_replaced_only_when_allowed(photo: Photo, photo_file: Path, tmp_path: Path) -> None:
    before = photo_file.read_bytes()
    (tmp_path / "link.jpg").symlink_to(photo_file)
    (tmp_path / "inner").mkdir()
    for path in (photo_file, tmp_path / "link.jpg", tmp_path / "inner" / ".." / "photo.jpg"):
        with pytest.raises(UnwritablePhoto, match="--overwrite"):
            save_photo(brighten(photo), photo, path)
        assert photo_file.read_bytes() == before
    save_photo(brighten(photo), photo, photo_file, Originals(overwrite=True))
    assert photo_file.read_bytes() != before


@pytest.mark.posix
def test_another_file_is_replaced_and_keeps_its_mode(photo: Photo, tmp_path: Path) -> None:
    target = tmp_path / "target.png"
    target.write_bytes(b"old")
    target.chmod(0o640)
    (tmp_path / "link.png").symlink_to(target)
    save_photo(photo.pixels, photo, tmp_path / "link.png")
    assert np.array_equal(load_photo(target).pixels, photo.pixels)
    assert target.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link.png").is_symlink()


def test_missing_folders_are_made(photo: Photo, tmp_path: Path) -> None:
    save_photo(photo.pixels, photo, tmp_path / "a" / "b" / "target.png")
    assert (tmp_path / "a" / "b" / "target.png").is_file()


def test_checking_the_output_writes_nothing(photo_file: Path, tmp_path: Path) -> None:
    check_output(tmp_path / "a" / "target.png", Originals((("the input photo itself", photo_file),)))
    assert list(tmp_path.iterdir()) == [photo_file]
    with pytest.raises(UnwritablePhoto, match="ending"):
        check_output(tmp_path / "target.xyz", Originals())


@pytest.mark.parametrize(("format_name", "side"), [(".webp", 16_384), (".jpg", 65_536)])
def test_a_photo_too_long_for_the_format_is_refused(tmp_path: Path, format_name: str, side: int) -> None:
    photo = Photo(np.zeros((1, side, 3), np.uint8))
    with pytest.raises(UnwritablePhoto, match="at most"):
        save_photo(photo.pixels, photo, tmp_path / ("target" + format_name))
    assert not list(tmp_path.iterdir())


class _Interrupting(dict[str, str]):
    """Texts that fail while they are being written."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def get(self, *_: object) -> str:
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path, error: BaseException, ending: str) -> None:
    target = tmp_path / ("target" + ending)
    target.write_bytes(b"old")
    photo = Photo(np.zeros((4, 4, 3), np.uint8), text=_Interrupting(error))
    expected = UnwritablePhoto if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        save_photo(photo.pixels, photo, target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.posix
def test_an_interruption_after_part_was_written_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "target.png"
    target.write_bytes(b"old")
    samples = np.random.default_rng(0).integers(0, 65536, (3000, 2000, 3), np.uint16)
    photo = Photo(np.zeros(samples.shape, np.uint8), native=samples)
    written: list[int] = []

    def interrupt(*_: object) -> None:
        sizes = [path.stat().st_size for path in tmp_path.glob(".*.part")]
        if sizes and sizes[0] > 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
            written.extend(sizes)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        with pytest.raises(KeyboardInterrupt):
            save_photo(photo.pixels, photo, target)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert written[0] > 0
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_a_single_pixel_is_a_photo(tmp_path: Path, ending: str) -> None:
    Image.new("RGB", (1, 1), (90, 90, 90)).save(tmp_path / ("source" + ending))
    photo = load_photo(tmp_path / ("source" + ending))
    save_photo(np.bitwise_xor(photo.pixels, np.uint8(1)), photo, tmp_path / ("target" + ending))
    assert load_photo(tmp_path / ("target" + ending)).pixels.shape == (1, 1, 3)


def test_a_cmyk_photo_looks_as_pillow_shows_it(tmp_path: Path) -> None:
    make_jpeg(tmp_path / "source.jpg", mode="CMYK")
    with Image.open(io.BytesIO((tmp_path / "source.jpg").read_bytes())) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(load_photo(tmp_path / "source.jpg").pixels, expected)
