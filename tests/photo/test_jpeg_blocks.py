"""An edited JPEG stays the JPEG it was: blocks, metadata, and what lies behind the picture."""

from __future__ import annotations

import io
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin

from photo import jpeg_blocks
from photo.decode import XMP_KEY
from photo.files import load_photo, save_photo
from photo.jpeg_blocks import BlocksNotKept, edit_jpeg
from photo.jpeg_file import JpegFile, Segment, read_jpeg, unlink_thumbnail
from photo.jpeg_keeping import keep_jpeg
from photo.mark import SourceType, mark_xmp, read_source_type
from photo.saving import Saving
from photo.types import Photo, Pixels

jpeglib = pytest.importorskip("jpeglib")

Samples = NDArray[np.uint8]
# By name: the mode, and what Pillow's encoder is told.
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "4:4:4": ("RGB", {"subsampling": 0}),
    "4:2:2": ("RGB", {"subsampling": 1}),
    "4:2:0": ("RGB", {"subsampling": 2}),
    "4:2:0 at low quality": ("RGB", {"subsampling": 2, "quality": 30}),
    "4:2:0 at full quality": ("RGB", {"subsampling": 2, "quality": 100}),
    "progressive": ("RGB", {"subsampling": 2, "progressive": True}),
    "progressive 4:4:4": ("RGB", {"subsampling": 0, "progressive": True}),
    "restarts": ("RGB", {"subsampling": 2, "restart_marker_blocks": 3}),
    "gray": ("L", {}),
    "progressive gray": ("L", {"progressive": True}),
    "RGB": ("RGB", {"keep_rgb": True}),
    "CMYK": ("CMYK", {}),
}
# What Pillow cannot make.
SAMPLINGS = ["4:4:0", "4:1:1", "4:1:0"]
# A multiple of every block, and sizes that cut blocks anywhere.
SIZES = [(96, 128), (61, 83), (9, 200), (33, 17)]


def make_samples(height: int, width: int, channels: int, seed: int = 0) -> Samples:
    """Something like a photo: smooth colours with fine grain, light parts clipped."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 330, (height // 8 + 2, width // 8 + 2, channels))
    picture = np.repeat(np.repeat(small, 8, 0), 8, 1)[:height, :width] + rng.normal(0, 6, (height, width, channels))
    return picture.clip(0, 255).astype(np.uint8)


def make_jpeg(kind: str, height: int, width: int, **more: object) -> bytes:
    if kind in SAMPLINGS:
        jpeglib.version.set("turbo210")
        picture = jpeglib.from_spatial(make_samples(height, width, 3))
        picture.samp_factor = kind
        path = more["path"]
        picture.write_spatial(str(path), qt=85)
        return Path(str(path)).read_bytes()
    mode, options = KINDS[kind]
    samples = make_samples(height, width, {"L": 1, "RGB": 3, "CMYK": 4}[mode])
    file = io.BytesIO()
    Image.fromarray(samples[..., 0] if mode == "L" else samples, mode).save(
        file, "JPEG", **{"quality": 85, **options, **more}
    )
    return file.getvalue()


def decode(data: bytes) -> Samples:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def edit(samples: Samples, top: int, left: int, height: int, width: int) -> Samples:
    """Another colour in a soft ellipse, as masks have it; the black ink stays."""
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    alpha = np.clip(1.5 - 1.5 * np.hypot(down, across), 0, 1)[..., None]
    edited = samples.reshape(*samples.shape[:2], -1).copy()
    place = edited[top : top + height, left : left + width]
    color = np.array([30, 200, 90])[: place.shape[2]]
    alpha = alpha[: place.shape[0], : place.shape[1]]
    place[..., :3] = np.rint(place[..., :3] * (1 - alpha) + alpha * color)
    return edited.reshape(samples.shape)


def find_kept(edited: Samples, before: Samples, block: tuple[int, int], ring: int) -> NDArray[np.bool_]:
    """The pixels further than `ring` blocks from any that holds a difference."""
    height, width = before.shape[:2]
    differs = (edited != before).reshape(height, width, -1).any(axis=2)
    rows, columns = np.nonzero(differs)
    kept = np.ones((height, width), np.bool_)
    for row, column in set(zip(rows // block[0], columns // block[1], strict=True)):
        top, left = max(0, row - ring) * block[0], max(0, column - ring) * block[1]
        kept[top : (row + ring + 1) * block[0], left : (column + ring + 1) * block[1]] = False
    return kept


BLOCKS = {"4:2:0": (16, 16), "4:2:2": (8, 16), "4:4:0": (16, 8), "4:1:1": (8, 32), "4:1:0": (16, 32)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", [*KINDS, *SAMPLINGS])
def test_blocks_that_no_edit_touches_decode_as_before(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    height, width = size
    source = make_jpeg(kind, height, width, **({"path": tmp_path / "a.jpg"} if kind in SAMPLINGS else {}))
    before = decode(source)
    edited = edit(before, height // 3, width // 3, height // 3, width // 3)
    result = edit_jpeg(source, before, edited, read_jpeg(source).segments[:1])
    after = decode(result.data)
    # Only neighbours that the interpolated colour would show in are edited, too: never more than one ring of blocks.
    default = (16, 16) if KINDS.get(kind, ("", {}))[1].get("subsampling") == 2 else (8, 8)
    block = BLOCKS.get(kind, default)
    assert result.block_size == (block[1], block[0])
    kept = find_kept(edited, before, block, 1)
    assert np.array_equal(after[kept], before[kept])
    # Full-resolution colours need no ring.
    if block == (8, 8):
        kept = find_kept(edited, before, block, 0)
        assert np.array_equal(after[kept], before[kept])
    # About as near to the edit as encoding all anew with the same tables; an edit smaller than a block tells little.
    with Image.open(io.BytesIO(source)) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        file = io.BytesIO()
        Image.fromarray(edited, image.mode).save(
            file, "JPEG", qtables=image.quantization, subsampling=max(0, JpegImagePlugin.get_sampling(image)),
            **({"keep_rgb": True} if kind == "RGB" else {}),
        )  # fmt: skip
    here = edited != before
    if kind not in SAMPLINGS and min(size) > 48:
        whole = np.abs(decode(file.getvalue()).astype(int) - edited)[here].mean()
        assert np.abs(after.astype(int) - edited)[here].mean() < 1.25 * whole + 1


@pytest.mark.parametrize("kind", [*KINDS, *SAMPLINGS])
def test_the_file_keeps_its_kind(kind: str, tmp_path: Path) -> None:
    source = make_jpeg(kind, 96, 128, **({"path": tmp_path / "a.jpg"} if kind in SAMPLINGS else {}))
    before = decode(source)
    result = edit_jpeg(source, before, edit(before, 30, 40, 20, 30), read_jpeg(source).segments[:1])
    with Image.open(io.BytesIO(source)) as old, Image.open(io.BytesIO(result.data)) as new:
        assert isinstance(old, JpegImagePlugin.JpegImageFile) and isinstance(new, JpegImagePlugin.JpegImageFile)
        assert new.mode == old.mode and new.size == old.size
        assert new.quantization == old.quantization
        assert [part[1:3] for part in new.layer] == [part[1:3] for part in old.layer]
        assert new.info.get("progressive") == old.info.get("progressive")


@settings(deadline=None, max_examples=30)
@given(
    st.integers(9, 70), st.integers(9, 70), st.sampled_from(["4:2:0", "4:2:2", "progressive", "gray"]),
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40)),
)  # fmt: skip
def test_wherever_the_edit_lies(height: int, width: int, kind: str, place: tuple[int, int, int, int]) -> None:
    source = make_jpeg(kind, height, width)
    before = decode(source)
    top, left, tall, wide = place
    edited = edit(before, min(top, height - 1), min(left, width - 1), tall, wide)
    result = edit_jpeg(source, before, edited, read_jpeg(source).segments[:1])
    kept = find_kept(edited, before, (result.block_size[1], result.block_size[0]), 1)
    assert np.array_equal(decode(result.data)[kept], before[kept])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["plain", "subsampled", "restarts", "YCCK"])
def test_black_ink_may_change(size: tuple[int, int], kind: str) -> None:
    options: dict[str, dict[str, object]] = {"subsampled": {"subsampling": 2}, "restarts": {"restart_marker_blocks": 3}}
    source = make_jpeg("CMYK", size[0], size[1], **options.get(kind, {}))
    if kind == "YCCK":  # Adobe's marker alone decides what the components are taken for
        adobe = next(segment for segment in read_jpeg(source).segments if segment.content.startswith(b"Adobe"))
        source = source.replace(adobe.content, adobe.content[:-1] + b"\x02")
    before = decode(source)
    edited = before.copy()
    top, left = size[0] // 3, size[1] // 3
    place = edited[top : top + 8, left : left + 8]
    place[...] = place // 2 + (32 if kind == "YCCK" else 0)  # not every four inks can be told in YCCK
    metadata = tuple(segment for segment in read_jpeg(source).segments if segment.is_metadata)
    result = edit_jpeg(source, before, edited, metadata)
    after = decode(result.data)
    kept = find_kept(edited, before, (result.block_size[1], result.block_size[0]), 1)
    assert not kept.all() and np.array_equal(after[kept], before[kept])
    here = edited != before
    assert np.abs(after.astype(int) - edited)[here].mean() < np.abs(before.astype(int) - edited)[here].mean() / 3
    # Other readers have to know such a file, too: OpenCV has a decoder of its own.
    shown: Any = cv2.imdecode(np.frombuffer(result.data, np.uint8), cv2.IMREAD_COLOR)
    old: Any = cv2.imdecode(np.frombuffer(source, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(shown[kept], old[kept])


@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_clipped_highlight_is_painted_over_as_it_should(subsampling: int) -> None:
    # A light or a colour may be stronger in the file than a pixel can be; from the pixel, the edit would fall short.
    samples = np.full((64, 64, 3), (255, 0, 0), np.uint8)
    samples[::2, ::2] = (255, 255, 0)
    file = io.BytesIO()
    Image.fromarray(samples).save(file, "JPEG", quality=75, subsampling=subsampling)
    before = decode(file.getvalue())
    edited = before.copy()
    edited[16:48, 16:48] = 40
    result = decode(edit_jpeg(file.getvalue(), before, edited, ()).data)[20:44, 20:44]
    assert np.abs(result.mean(axis=(0, 1)) - 40).max() < 1.5
    assert result.std() < 6


def test_the_file_is_not_larger(tmp_path: Path) -> None:
    source = make_jpeg("4:2:0", 480, 640)
    before = decode(source)
    result = edit_jpeg(source, before, edit(before, 100, 100, 60, 90), read_jpeg(source).segments[:1])
    assert len(result.data) <= len(source)
    assert result.touched < result.blocks / 10


# ---- what cannot be kept ---------------------------------------------------------------------------------------


def test_black_ink_that_changes_in_a_progressive_file_is_refused() -> None:
    source = make_jpeg("CMYK", 64, 64, progressive=True)
    before = decode(source)
    edited = before.copy()
    edited[20:40, 20:40, 3] ^= 64
    with pytest.raises(BlocksNotKept, match="black ink"):
        edit_jpeg(source, before, edited, ())


@pytest.mark.parametrize("damage", [b"", b"no JPEG", b"\xff\xd8", b"\xff\xd8\xff\xe0\xff\xff"])
def test_a_damaged_file_is_refused(damage: bytes) -> None:
    picture = make_samples(16, 16, 3)
    with pytest.raises(BlocksNotKept, match="damaged"):
        edit_jpeg(damage, picture, picture, ())


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=4))
@settings(deadline=None, max_examples=100)
def test_a_corrupted_file_is_refused_or_edited(at: int, junk: bytes) -> None:
    source = bytearray(make_jpeg("4:2:0", 64, 64))
    before = decode(bytes(source))
    source[at : at + len(junk)] = junk[: max(0, len(source) - at)]
    edited = edit(before, 20, 20, 20, 20)
    try:
        result = edit_jpeg(bytes(source), before, edited, ())
    except BlocksNotKept:
        return
    kept = find_kept(edited, before, (16, 16), 1)
    assert np.array_equal(decode(result.data)[kept], before[kept])


def test_a_file_that_changed_meanwhile_is_refused() -> None:
    source = make_jpeg("4:2:0", 64, 64)
    other = make_samples(64, 64, 3, seed=1)
    with pytest.raises(BlocksNotKept, match="meanwhile"):
        edit_jpeg(source, other, edit(other, 20, 20, 20, 20), ())
    with pytest.raises(BlocksNotKept, match="meanwhile"):
        edit_jpeg(source, other[:40], other[:40], ())


def test_without_the_package_all_is_encoded_with_the_tables_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    path = tmp_path / "photo.jpg"
    path.write_bytes(make_jpeg("progressive", 96, 128, quality=70))
    photo = load_photo(path)
    note = save_photo(edit(photo.pixels, 30, 40, 30, 40), photo, tmp_path / "result.jpg")
    assert note is not None and "since the package jpeglib is not installed." in note
    with Image.open(path) as old, Image.open(tmp_path / "result.jpg") as new:
        assert isinstance(old, JpegImagePlugin.JpegImageFile) and isinstance(new, JpegImagePlugin.JpegImageFile)
        assert new.quantization == old.quantization and new.info["progressive"]
        assert JpegImagePlugin.get_sampling(new) == JpegImagePlugin.get_sampling(old)


# ---- from file to file -----------------------------------------------------------------------------------------


def make_exif(orientation: int, thumbnail: bytes = b"") -> bytes:
    """Exif with an orientation and a thumbnail, little-endian."""
    first = struct.pack("<HHHLHHL", 1, 0x0112, 3, 1, orientation, 0, 8 + 2 + 12 + 4 if thumbnail else 0)
    second = struct.pack("<HHHLLHHLLL", 2, 0x0201, 4, 1, 26 + 30, 0x0202, 4, 1, len(thumbnail), 0) if thumbnail else b""
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail


def turn_upright(samples: Samples, orientation: int) -> Samples:
    with Image.open(io.BytesIO(make_jpeg("gray", 8, 8, exif=make_exif(orientation)))) as image:
        exif = image.getexif()
    picture = Image.fromarray(samples)
    picture.info["exif"] = exif.tobytes()
    return np.asarray(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("kind", ["4:2:0", "4:4:4", "gray", "progressive", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_keeps_its_orientation_and_its_blocks(tmp_path: Path, kind: str, orientation: int) -> None:
    path, out = tmp_path / "photo.jpg", tmp_path / "result.jpg"
    path.write_bytes(make_jpeg(kind, 61, 83, exif=make_exif(orientation)))
    photo = load_photo(path)
    stored = decode(path.read_bytes())
    # At the corner of a turned photo that shows whether it was turned back the right way.
    pixels = photo.pixels.copy()
    pixels[2:14, 2:20] = pixels[2:14, 2:20] // 2
    note = save_photo(pixels, photo, out)
    assert note is not None and "were encoded anew, all others are as they were." in note
    with Image.open(out) as image:
        assert image.getexif().get(0x0112) == orientation
        after = np.asarray(image)
    assert after.shape == stored.shape
    result = load_photo(out).pixels
    assert np.array_equal(result[48:, 40:], photo.pixels[48:, 40:])
    assert np.abs(result[4:12, 4:18].astype(int) - pixels[4:12, 4:18]).mean() < 12
    if kind != "CMYK":
        assert np.array_equal(result, turn_upright(after if after.ndim == 3 else np.dstack([after] * 3), orientation))


def read_segments(data: bytes) -> list[Segment]:
    return [segment for segment in read_jpeg(data).segments if segment.is_metadata]


def put_in(data: bytes, *segments: Segment, trailer: bytes = b"") -> bytes:
    """The file with further segments behind its first one, and a trailer."""
    jpeg = read_jpeg(data)
    return JpegFile((jpeg.segments[0], *segments, *jpeg.segments[1:]), jpeg.scans, jpeg.trailer + trailer).pack()


def save_edited(path: Path, saving: Saving | None = None) -> tuple[bytes, str]:
    photo = load_photo(path)
    kept = keep_jpeg(edit(photo.pixels, 10, 10, 30, 30), photo, saving or Saving())
    return kept.data, kept.note or ""


def test_metadata_stays_as_it_lies_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    extra = [
        Segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x05\x1c\x02\x78\0\0\0"),
        Segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + b"\0\0\0\x09\0\0\0\0" + b"any text?"),
        Segment(0xE4, b"maker's own"),
        Segment(0xFE, b"first comment"),
        Segment(0xFE, "sécond".encode()),
    ]
    path.write_bytes(put_in(make_jpeg("4:2:0", 64, 64, icc_profile=b"p" * 70000, dpi=(300, 300)), *extra))
    data, _ = save_edited(path)
    assert read_segments(data) == read_segments(path.read_bytes())
    data, _ = save_edited(path, Saving(is_marked=True, source_type=SourceType.SYNTHETIC))
    rest = [s for s in read_segments(data) if not s.content.startswith(b"http://ns.adobe.com/xap/1.0/\0")]
    assert rest == read_segments(path.read_bytes())


def test_the_mark_joins_the_xmp_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    packet += b'<rdf:Description rdf:about="" xmlns:a="urn:a#" a:mine="yes"/></rdf:RDF></x:xmpmeta>'
    for xmp in (b"", packet):
        path.write_bytes(make_jpeg("4:2:0", 64, 64, xmp=xmp, exif=make_exif(1)))
        data, _ = save_edited(path, Saving(is_marked=True, source_type=SourceType.TRAINED))
        (tmp_path / "result.jpg").write_bytes(data)
        written = load_photo(tmp_path / "result.jpg").text[XMP_KEY].encode()
        assert read_source_type(written) is SourceType.TRAINED
        assert (b'a:mine="yes"' in written) is bool(xmp)
        # Readers look for Exif right behind the JFIF header.
        assert [s.content[:4] for s in read_segments(data)][:2] == [b"JFIF", b"Exif"]


def test_xmp_without_room_for_the_mark_stays_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    bare = mark_xmp(b"")[0]
    room = 65533 - len(b"http://ns.adobe.com/xap/1.0/\0") - len(bare)
    packet = bare.replace(b"</rdf:RDF>", b"<!--" + b"x" * (room - 20) + b"--></rdf:RDF>")
    path.write_bytes(make_jpeg("4:2:0", 64, 64, xmp=packet))
    data, note = save_edited(path, Saving(is_marked=True, source_type=SourceType.TRAINED))
    assert "no room" in note
    assert read_segments(data) == read_segments(path.read_bytes())


def test_the_preview_of_the_old_picture_goes_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    thumbnail = make_jpeg("4:2:0", 32, 32)
    path.write_bytes(make_jpeg("4:2:0", 64, 64, exif=make_exif(6, thumbnail)))
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)  # it is there
    data, _ = save_edited(path)
    assert thumbnail[20:] not in data
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif().get(0x0112) == 6
        assert not image.getexif().get_ifd(ExifTags.IFD.IFD1)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_damaged_exif_breaks_nothing(junk: bytes, cut: int) -> None:
    block = make_exif(1, make_jpeg("gray", 8, 8))
    for damaged in (block[:cut] + junk, block[: 14 + cut] + junk + block[14 + cut + len(junk) :]):
        assert len(unlink_thumbnail(damaged)) == len(damaged)


def test_content_credentials_go_with_a_word(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    other = Segment(0xEB, b"JP\0\x07\0\0\0\x01\0\0\0\x20jumbsomething else")
    credentials = [
        Segment(0xEB, b"JP\0\x01\0\0\0\x01\0\0\1\0jumb\0\0\0\x1ejumdc2pa\0\x11"),
        Segment(0xEB, b"JP\0\x01\0\0\0\x02\0\0\1\0jumbthe rest of it"),
    ]
    path.write_bytes(put_in(make_jpeg("4:2:0", 64, 64), *credentials, other))
    data, note = save_edited(path)
    assert "Content Credentials" in note
    segments = read_segments(data)
    assert other in segments and not set(credentials) & set(segments)


def make_multi_picture(first: bytes, second: bytes, order: str) -> bytes:
    """A file of two pictures with the index of the Multi-Picture Format."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]

    def index(first_size: int, offset: int) -> Segment:
        entries = struct.pack(f"{order}LLLHH", 0x030000, first_size, 0, 0, 0)
        entries += struct.pack(f"{order}LLLHH", 0, len(second), offset, 0, 0)
        directory = struct.pack(f"{order}HHHL4s", 3, 0xB000, 7, 4, b"0100")
        directory += struct.pack(f"{order}HHLL", 0xB001, 4, 1, 2)
        directory += struct.pack(f"{order}HHLL", 0xB002, 7, len(entries), 8 + 2 + 36 + 4) + bytes(4)
        return Segment(0xE2, b"MPF\0" + mark + struct.pack(f"{order}L", 8) + directory + entries)

    size = len(put_in(first, index(0, 0)))
    header = 2 + len(read_jpeg(first).segments[0].pack()) + 4 + 4
    return put_in(first, index(size, size - header), trailer=second)


@pytest.mark.parametrize("order", "<>")
def test_what_lies_behind_the_picture_stays_and_is_found(tmp_path: Path, order: str) -> None:
    path = tmp_path / "photo.jpg"
    second = make_jpeg("gray", 24, 40)
    path.write_bytes(make_multi_picture(make_jpeg("4:2:0", 64, 64), second, order) + b"a video, say")
    with Image.open(path) as image:
        assert image.format == "MPO"
        image.seek(1)
        assert image.size == (40, 24)
    data, _ = save_edited(path, Saving(is_marked=True, source_type=SourceType.SYNTHETIC))
    assert data.endswith(second + b"a video, say")
    assert len(data) != len(path.read_bytes())
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "MPO"
        assert image.mpinfo[0xB002][0]["Size"] == len(data) - len(second + b"a video, say")  # type: ignore[attr-defined]
        image.seek(1)
        assert np.array_equal(np.asarray(image), decode(second))


def test_a_quality_encodes_the_whole_anew(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(make_jpeg("4:2:0", 96, 128, quality=60))
    photo = load_photo(path)
    pixels = edit(photo.pixels, 30, 40, 30, 40)
    sizes = {}
    for quality in (10, 50, 95):
        save_photo(pixels, photo, tmp_path / "result.jpg", saving=Saving(quality=quality))
        data = (tmp_path / "result.jpg").read_bytes()
        sizes[quality] = len(data)
        with Image.open(io.BytesIO(data)) as new, Image.open(path) as old:
            assert isinstance(new, JpegImagePlugin.JpegImageFile) and isinstance(old, JpegImagePlugin.JpegImageFile)
            assert JpegImagePlugin.get_sampling(new) == JpegImagePlugin.get_sampling(old)
    assert sizes[10] < sizes[50] < sizes[95]


def test_a_photo_of_another_format_has_no_blocks_to_keep(tmp_path: Path) -> None:
    pixels = make_samples(32, 32, 3)
    photo = Photo(pixels)
    with pytest.raises(BlocksNotKept, match="no JPEG"):
        keep_jpeg(pixels, photo, Saving())
    save_photo(pixels, photo, tmp_path / "a.jpg")
    gone = replace(load_photo(tmp_path / "a.jpg"), path=tmp_path / "gone.jpg")
    brighter: Pixels = np.minimum(gone.pixels, 200)
    note = save_photo(brighter, gone, tmp_path / "b.jpg")
    assert note is not None and "its file is gone" in note


def test_an_edit_that_does_not_show_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_jpeg("4:2:0", 96, 128)
    before = decode(source)
    monkeypatch.setattr(jpeg_blocks, "_write_picture", lambda *_: source)
    with pytest.raises(BlocksNotKept, match="would not show"):
        edit_jpeg(source, before, edit(before, 32, 32, 32, 32), read_jpeg(source).segments[:1])


def test_what_would_have_changed_other_pixels_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_jpeg("4:2:0", 96, 128)
    before = decode(source)
    read = jpeg_blocks._read_picture

    def spoil(data: bytes) -> object:
        picture = read(data)
        picture.Y[11, 15, 0, 0] += 9
        return picture

    monkeypatch.setattr(jpeg_blocks, "_read_picture", spoil)
    with pytest.raises(BlocksNotKept, match="other pixels"):
        edit_jpeg(source, before, edit(before, 10, 10, 20, 20), ())
