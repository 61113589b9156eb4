"""What a photo's file holds is carried over, corrected or named; small files of every kind are made here."""

from __future__ import annotations

import io
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from photo import iptc, tiff_tags, xmp
from photo.decode import XMP_KEY
from photo.errors import MissingPackage, UnreadablePhoto
from photo.files import load_photo, save_photo
from photo.jpeg_file import Segment
from photo.jpeg_metadata import pack_resources
from photo.saving import Saving
from photo.types import Photo, Pixels

RECORDS = b"".join(
    struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text
    for number, text in ((120, "Köln, am Dom".encode()), (25, b"wedding"), (25, b"family"), (80, b"A. Smith"))
)
REGION = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
 xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" xmlns:MP="http://ns.microsoft.com/photo/1.2/"
 xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#">
<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="40" stDim:h="20" stDim:unit="pixel"/>
<mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource"><mwg-rs:Name>Ada</mwg-rs:Name>
<mwg-rs:Area stArea:x="0.25" stArea:y="0.2" stArea:w="0.1" stArea:h="0.3" stArea:unit="normalized"/></rdf:li></rdf:Bag>
</mwg-rs:RegionList></mwg-rs:Regions>
<MP:Rect rdf:parseType="Resource"><MPReg:Rectangle>0.2, 0.05, 0.1, 0.3</MPReg:Rectangle></MP:Rect>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
ENDINGS = [".jpg", ".png", ".tif", ".webp", ".bmp", ".avif", ".heic"]
LOSSLESS = [".png", ".tif", ".webp", ".bmp"]


def noise(width: int = 40, height: int = 20) -> Image.Image:
    samples = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(samples)


def insert_segments(path: Path, segments: bytes) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:2] + segments + data[2:])


def edit(photo: Photo) -> Pixels:
    pixels = photo.pixels.copy()
    pixels[:4, :4] ^= 16
    return pixels


def save(photo: Photo, target: Path) -> tuple[Photo, str]:
    if target.suffix == ".heic":
        pytest.importorskip("pillow_heif")
    note = save_photo(edit(photo), photo, target)
    return load_photo(target), note or ""


def make_source(path: Path) -> Path:
    """A photo with all kinds of metadata that its format holds, by its ending; text has signs beyond ASCII."""
    image = noise()
    exif = Image.Exif()
    exif[315], exif[271] = "Zoë", "Maker"
    packet = REGION.format(orientation=1)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"exif": exif.tobytes().replace(b"Zo?", "Zoë".encode("latin-1"))}
    if path.suffix == ".jpg":
        image.save(
            path, quality=95, xmp=packet.encode(), icc_profile=profile, dpi=(300, 300), comment="Grüße", **options
        )
        insert_segments(path, pack_resources(iptc.wrap(RECORDS)))
    elif path.suffix == ".png":
        image.save(path, icc_profile=profile, dpi=(300, 300), **options)
    elif path.suffix == ".tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[315], tags.tagtype[315] = "Zoë".encode("latin-1"), 2
        tags[tiff_tags.IPTC_TAG], tags.tagtype[tiff_tags.IPTC_TAG] = RECORDS, 7
        tags[tiff_tags.XMP_TAG], tags.tagtype[tiff_tags.XMP_TAG] = packet.encode(), 1
        image.save(path, tiffinfo=tags, icc_profile=profile, dpi=(300, 300))
    elif path.suffix == ".webp":
        image.save(path, lossless=True, exact=True, xmp=packet.encode(), icc_profile=profile, **options)
    elif path.suffix == ".heic":
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.register_heif_opener()
        image.save(path, "HEIF", quality=90, xmp=packet.encode(), icc_profile=profile, **options)
    else:
        image.save(path, **({} if path.suffix == ".bmp" else {"xmp": packet.encode(), **options}))
    return path


@pytest.mark.parametrize("before", ENDINGS)
@pytest.mark.parametrize("after", ENDINGS)
def test_every_pair_of_formats_keeps_or_names_all_metadata(tmp_path: Path, before: str, after: str) -> None:
    photo = load_photo(make_source(tmp_path / f"source{before}"))
    again, note = save(photo, tmp_path / f"target{after}")
    if after in LOSSLESS:
        assert np.array_equal(again.pixels[4:], photo.pixels[4:])
        assert np.array_equal(again.pixels[:, 4:], photo.pixels[:, 4:])
    elif before == after == ".jpg":
        assert np.array_equal(again.pixels[:, 32:], photo.pixels[:, 32:])  # beyond the block of the edit and its ring
    else:
        assert after == ".jpg" or "encoded anew as a whole" in note
    if photo.exif:
        assert ("Zoë".encode("latin-1") in (again.exif or b"")) or "EXIF" in note
    if XMP_KEY in photo.text:
        assert "Ada" in again.text.get(XMP_KEY, "") or "XMP" in note
    if photo.resources:
        assert again.resources == photo.resources or "wedding" in again.text.get(XMP_KEY, "") or "IPTC" in note
        if after in (".jpg", ".tif"):
            assert iptc.unwrap(again.resources) == RECORDS
        elif after != ".bmp":
            assert "Köln, am Dom" in again.text[XMP_KEY]
    if photo.icc_profile:
        assert again.icc_profile == photo.icc_profile or after == ".bmp"
    if photo.dpi:
        assert again.dpi == pytest.approx(photo.dpi, abs=0.1) or "resolution" in note
    if "Comment" in photo.text:
        assert again.text.get("Comment") == "Grüße" or "omment" in note


@pytest.mark.parametrize("orientation", range(1, 9))
def test_face_regions_turn_with_the_photo(tmp_path: Path, orientation: int) -> None:
    image = Image.new("L", (40, 20))
    image.paste(255, (8, 1, 12, 7))  # where the region lies: its centre at 0.25, 0.2, its size 0.1 × 0.3
    exif = Image.Exif()
    exif[274] = orientation
    jpeg = tmp_path / "source.jpg"
    image.save(jpeg, exif=exif.tobytes(), xmp=REGION.format(orientation=orientation).encode(), quality=100)
    photo = load_photo(jpeg)
    document: Any = xmp._parse(photo.text[XMP_KEY])
    area = document.getElementsByTagName("mwg-rs:Area")[0]
    x, y, width, height = (float(area.getAttribute(f"stArea:{name}")) for name in "xywh")
    rows, columns = np.nonzero(photo.pixels[..., 0] > 128)
    tall, wide = photo.pixels.shape[:2]
    assert (x - width / 2) * wide == pytest.approx(columns.min(), abs=1e-6)
    assert (x + width / 2) * wide == pytest.approx(columns.max() + 1, abs=1e-6)
    assert (y - height / 2) * tall == pytest.approx(rows.min(), abs=1e-6)
    assert (y + height / 2) * tall == pytest.approx(rows.max() + 1, abs=1e-6)
    left, top, *_ = (
        float(value) for value in document.getElementsByTagName("MPReg:Rectangle")[0].firstChild.data.split(",")
    )
    assert (left * wide, top * tall) == pytest.approx((columns.min(), rows.min()), abs=1e-4)
    sizes = document.getElementsByTagName("mwg-rs:AppliedToDimensions")[0]
    assert (sizes.getAttribute("stDim:w"), sizes.getAttribute("stDim:h")) == (str(wide), str(tall))
    assert 'tiff:Orientation="1"' in photo.text[XMP_KEY]


def test_long_xmp_goes_through_a_jpeg_and_back(tmp_path: Path) -> None:
    long_text = "x" * 160_000
    packet = REGION.format(orientation=1).replace("Ada", long_text)
    noise().save(tmp_path / "source.webp", xmp=packet.encode())
    first, _ = save(load_photo(tmp_path / "source.webp"), tmp_path / "first.jpg")
    assert long_text in first.text[XMP_KEY]
    assert "HasExtendedXMP" not in first.text[XMP_KEY]
    assert b"HasExtendedXMP" in (tmp_path / "first.jpg").read_bytes()
    second, _ = save(first, tmp_path / "second.jpg")
    assert long_text in second.text[XMP_KEY]


def test_damaged_extended_xmp_is_told(tmp_path: Path) -> None:
    packet = REGION.format(orientation=1).replace("Ada", "x" * 100_000)
    noise().save(tmp_path / "source.webp", xmp=packet.encode())
    save(load_photo(tmp_path / "source.webp"), tmp_path / "long.jpg")
    data = (tmp_path / "long.jpg").read_bytes()
    (tmp_path / "long.jpg").write_bytes(data.replace(b"x" * 1000, b"y" * 1000, 1))
    _, note = save(load_photo(tmp_path / "long.jpg"), tmp_path / "target.png")
    assert "extended part of the XMP is damaged" in note


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ('xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MotionPhoto="1" G:MicroVideoOffset="9"', "video"),
        ('xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"', "gain map"),
    ],
)
@pytest.mark.parametrize("after", [".jpg", ".png"])
def test_no_promise_stays_of_what_is_left_out(tmp_path: Path, properties: str, words: str, after: str) -> None:
    packet = REGION.format(orientation=1).replace('rdf:about=""', f'rdf:about="" {properties}')
    noise().save(tmp_path / "source.jpg", xmp=packet.encode())
    with (tmp_path / "source.jpg").open("ab") as file:
        file.write(b"a video or a picture")
    photo, target = load_photo(tmp_path / "source.jpg"), tmp_path / f"target{after}"
    # A JPEG that keeps its blocks keeps what lies behind them, too; one that is encoded anew does not.
    note = save_photo(edit(photo), photo, target, saving=Saving(quality=90))
    again = load_photo(target)
    assert note is not None and words in note
    for name in ("MotionPhoto", "MicroVideoOffset", "hdrgm:Version"):
        assert name not in again.text[XMP_KEY]
    assert "Ada" in again.text[XMP_KEY]


@pytest.mark.parametrize("trick", ['<!DOCTYPE x [<!ENTITY a "b">]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">'])
def test_xmp_that_declares_entities_is_left_as_it_is(tmp_path: Path, trick: str) -> None:
    packet = trick + REGION.format(orientation=6)
    assert xmp.turn(packet, 6) == packet
    assert xmp.add_properties(packet, {}) is None


def test_deeply_nested_xmp_raises_nothing() -> None:
    packet = "<a>" * 20_000 + "Region" + "</a>" * 20_000
    assert xmp.turn(packet, 6) == packet


def test_content_credentials_that_are_lost_are_named(tmp_path: Path) -> None:
    noise().save(tmp_path / "source.jpg")
    insert_segments(tmp_path / "source.jpg", Segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb....c2pa").pack())
    _, note = save(load_photo(tmp_path / "source.jpg"), tmp_path / "target.png")
    assert "Content Credentials" in note


def test_png_chunks_on_color_and_time(tmp_path: Path) -> None:
    noise().save(tmp_path / "plain.png")
    data = (tmp_path / "plain.png").read_bytes()
    chunks = b""
    contents = {b"gAMA": struct.pack(">L", 100_000), b"tIME": b"\x07\xe9\1\2\3\4\5", b"cICP": b"\x09\x10\0\1"}
    for kind, content in contents.items():
        chunks += struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))
    (tmp_path / "source.png").write_bytes(data[:33] + chunks + data[33:])
    photo = load_photo(tmp_path / "source.png")
    again, _ = save(photo, tmp_path / "target.png")
    assert again.chunks == photo.chunks
    assert set(photo.chunks) == {b"gAMA", b"tIME", b"cICP"}
    _, note = save(photo, tmp_path / "target.jpg")
    assert "cICP" in note
    assert "tIME" in note


def test_png_texts_become_comments_of_a_jpeg(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "Am Dom")
    info.add_itxt("Author", "Łucja")
    noise().save(tmp_path / "source.png", pnginfo=info)
    again, note = save(load_photo(tmp_path / "source.png"), tmp_path / "target.jpg")
    assert again.text["Comment"].splitlines() == ["Title: Am Dom", "Author: Łucja"]
    assert "comments" in note
    _, note = save(load_photo(tmp_path / "source.png"), tmp_path / "target.webp")
    assert "Title, Author" in note


def make_deep_tiff(path: Path, samples: Any, planar: bool, photometric: int) -> None:
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else 3
    planes = [samples[..., i] for i in range(3)] if planar else [samples]
    data = [plane.astype("<u2").tobytes() for plane in planes]
    directory = {
        256: tiff_tags.longs("<", width), 257: tiff_tags.longs("<", height),
        258: tiff_tags.shorts("<", *[16] * channels),
        259: tiff_tags.shorts("<", 1), 262: tiff_tags.shorts("<", photometric), 277: tiff_tags.shorts("<", channels),
        278: tiff_tags.longs("<", height), 284: tiff_tags.shorts("<", 2 if planar else 1),
        279: tiff_tags.longs("<", *[len(part) for part in data]), 273: tiff_tags.longs("<", *[0] * len(data)),
    }  # fmt: skip
    start = len(tiff_tags.pack("<", directory))
    directory[273] = tiff_tags.longs("<", *[start + sum(map(len, data[:i])) for i in range(len(data))])
    path.write_bytes(tiff_tags.pack("<", directory) + b"".join(data))


@pytest.mark.parametrize("planar", [False, True])
def test_16_bit_planes_are_read_as_colors(tmp_path: Path, planar: bool) -> None:
    samples = np.random.default_rng(2).integers(0, 65536, (6, 9, 3), np.uint16)
    make_deep_tiff(tmp_path / "deep.tif", samples, planar, 2)
    photo = load_photo(tmp_path / "deep.tif")
    assert photo.native is not None
    assert np.array_equal(photo.native, samples)


def test_16_bit_gray_whose_zero_is_white(tmp_path: Path) -> None:
    samples = np.random.default_rng(2).integers(0, 65536, (6, 9), np.uint16)
    make_deep_tiff(tmp_path / "white.tif", samples, False, 0)
    photo = load_photo(tmp_path / "white.tif")
    assert photo.native is not None
    assert np.array_equal(photo.native, 65535 - samples)


def test_lab_is_converted_and_said_so(tmp_path: Path) -> None:
    colors = [(200, 120, 90), (90, 140, 100), (128, 128, 128)]
    image = Image.new("RGB", (3, 1))
    image.putdata(colors)
    lab = ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    converted: Any = ImageCms.applyTransform(image, transform)
    converted.save(tmp_path / "lab.tif")
    photo = load_photo(tmp_path / "lab.tif")
    assert np.abs(photo.pixels[0].astype(int) - colors).max() <= 4
    assert "Lab" in save(photo, tmp_path / "target.png")[1]


def test_a_thumbnail_page_is_passed_over_and_named(tmp_path: Path) -> None:
    image = noise(80, 60)
    image.save(tmp_path / "two.tif", save_all=True, append_images=[image.resize((16, 12))])
    photo = load_photo(tmp_path / "two.tif")
    assert np.array_equal(photo.pixels, np.asarray(image))
    assert "thumbnail" in save(photo, tmp_path / "target.tif")[1]
    image.resize((16, 12)).save(tmp_path / "first.tif", save_all=True, append_images=[image])
    assert np.array_equal(load_photo(tmp_path / "first.tif").pixels, np.asarray(image))


def test_pages_of_several_pictures_are_no_thumbnails(tmp_path: Path) -> None:
    image = noise(80, 60)
    small = image.resize((16, 12))
    small.save(tmp_path / "three.tif", save_all=True, append_images=[small, image])
    with pytest.raises(UnreadablePhoto, match="holds 3 pictures"):
        load_photo(tmp_path / "three.tif")


def test_deep_colors_multiplied_by_transparency_are_refused(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2)).save(tmp_path / "plain.tif")
    tags = dict(tiff_tags.read_tags((tmp_path / "plain.tif").read_bytes()).pages[0])
    tags[258], tags[338] = tiff_tags.shorts("<", *[16] * 4), tiff_tags.shorts("<", 1)
    tags[279], tags[273] = tiff_tags.longs("<", 32), tiff_tags.longs("<", 0)
    tags[273] = tiff_tags.longs("<", len(tiff_tags.pack("<", tags)))
    (tmp_path / "deep.tif").write_bytes(tiff_tags.pack("<", tags) + bytes(32))
    with pytest.raises(UnreadablePhoto, match="multiplied by their transparency"):
        load_photo(tmp_path / "deep.tif")


def make_cmyk_profile_photo(path: Path) -> None:
    """A CMYK photo whose profile is no CMYK profile, and so cannot be used."""
    Image.new("CMYK", (8, 8), (10, 200, 30, 40)).save(path, icc_profile=make_matrix_profile())


def test_a_profile_that_does_not_fit_cmyk_is_named(tmp_path: Path) -> None:
    make_cmyk_profile_photo(tmp_path / "source.tif")
    photo = load_photo(tmp_path / "source.tif")
    again, note = save(photo, tmp_path / "target.tif")
    assert "profile is for another colour model" in note
    assert again.icc_profile is None


def test_a_jpeg_without_its_last_bytes_is_read_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    noise(200, 320).save(path, quality=90)
    whole = load_photo(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 40])
    photo = load_photo(path)
    assert photo.warning is not None
    assert np.array_equal(photo.pixels[:280], whole.pixels[:280])
    assert "lacks its last bytes" in save(photo, tmp_path / "target.png")[1]
    path.write_bytes(data[: len(data) // 4 * 3])
    with pytest.raises(UnreadablePhoto, match="damaged or incomplete"):
        load_photo(path)


def make_matrix_profile() -> bytes:
    """An RGB profile whose red and blue are exchanged, so that converting is seen."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[:] = profile.replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ").replace(b"tmp_", b"bXYZ")
    return bytes(profile)


def test_a_bitmap_gets_srgb(tmp_path: Path) -> None:
    noise().save(tmp_path / "source.png", icc_profile=make_matrix_profile())
    photo = load_photo(tmp_path / "source.png")
    again, note = save(photo, tmp_path / "target.bmp")
    assert "converted to sRGB" in note
    assert np.abs(again.pixels[4:].astype(int) - photo.pixels[4:, :, ::-1]).max() <= 2


@pytest.mark.parametrize("depth", [8, 10])
def test_heic_keeps_depth_and_metadata(tmp_path: Path, depth: int) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    across, down = np.meshgrid(np.linspace(5000, 60000, 64), np.linspace(9000, 50000, 48))
    samples = np.dstack([across, down, (across + down) / 2]).astype(np.uint16)
    if depth == 8:
        heif = pillow_heif.from_bytes("RGB", (64, 48), (samples >> 8).astype(np.uint8).tobytes())
    else:
        heif = pillow_heif.from_bytes("RGB;16", (64, 48), samples.tobytes())
    heif.save(tmp_path / "source.heic", quality=95)
    photo = load_photo(tmp_path / "source.heic")
    assert photo.format == "HEIF"
    assert (photo.native is not None) == (depth == 10)
    again, _ = save(photo, tmp_path / "target.heic")
    assert (again.native is not None) == (depth == 10)
    assert np.abs(photo.pixels.astype(int) - (samples >> 8)).max() <= 6
    assert np.abs(again.pixels[8:, 8:].astype(int) - photo.pixels[8:, 8:]).max() <= 4


@pytest.mark.parametrize(
    ("name", "content", "package"),
    [("photo.heic", b"\0\0\0\x18ftypheic" + bytes(16), "pillow_heif"), ("photo.cr3", b"\0\0\0\x18ftypcrx ", "rawpy")],
)
def test_one_sentence_where_a_package_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MissingPackage, match=r"pip install -r requirements_formats\.txt"):
        load_photo(tmp_path / name)


def test_tags_survive_as_the_bytes_they_were() -> None:
    for order in "<>":
        below = {0x9003: tiff_tags.Entry(2, 20, b"2024:05:06 07:08:09\0"), 0xA434: tiff_tags.Entry(2, 6, b"L\xe9ns!\0")}
        directory = {315: tiff_tags.Entry(2, 4, b"Zo\xeb\0"), tiff_tags.EXIF_IFD: tiff_tags.Entry(4, 1, b"", below)}
        again = tiff_tags.read_tags(tiff_tags.pack(order, directory)).pages[0]
        assert again == directory


@pytest.mark.parametrize("seed", range(60))
def test_damaged_tags_raise_nothing_but_value_errors(seed: int) -> None:
    data = io.BytesIO()
    noise().save(data, "TIFF")
    block, random = bytearray(data.getvalue()), np.random.default_rng(seed)
    for place in random.integers(0, 200, 12):
        block[-int(place)] = random.integers(0, 256)
    block[4:8] = struct.pack("<L", int(random.integers(0, len(block))))
    try:
        pages = tiff_tags.read_tags(bytes(block)).pages
    except ValueError:
        return
    assert len(pages) <= 64


def test_exif_as_imagemagick_puts_it_into_a_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Maker"
    block = exif.tobytes()
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n")
    noise().save(tmp_path / "source.png", pnginfo=info)
    photo = load_photo(tmp_path / "source.png")
    assert np.array_equal(photo.pixels, np.rot90(np.asarray(noise()), -1))
    again, _ = save(photo, tmp_path / "target.png")
    assert b"Maker" in (again.exif or b"")
    assert again.pixels.shape == photo.pixels.shape


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
def test_an_orientation_that_only_the_xmp_names_turns_nothing(tmp_path: Path, ending: str) -> None:
    packet = REGION.format(orientation=6)
    path = tmp_path / f"source{ending}"
    if ending == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt(XMP_KEY, packet)
        noise().save(path, pnginfo=info)
    elif ending == ".tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[tiff_tags.XMP_TAG], tags.tagtype[tiff_tags.XMP_TAG] = packet.encode(), 1
        noise().save(path, tiffinfo=tags)
    else:
        noise().save(path, xmp=packet.encode())
    photo = load_photo(path)
    assert (photo.width, photo.height) == (40, 20)
    assert 'tiff:Orientation="1"' in photo.text[XMP_KEY]
    assert 'stArea:x="0.25"' in photo.text[XMP_KEY]


# ---- IPTC's image regions ------------------------------------------------------------------------------------


def make_regions(*boundaries: str) -> str:
    """XMP with one image region for each boundary."""
    items = "".join(
        "<rdf:li rdf:parseType='Resource'><e:RegionBoundary rdf:parseType='Resource'>"
        f"{boundary}</e:RegionBoundary></rdf:li>"
        for boundary in boundaries
    )
    return (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description rdf:about='' xmlns:e='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'>"
        f"<e:ImageRegion><rdf:Bag>{items}</rdf:Bag></e:ImageRegion></rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def bound(shape: str, unit: str = "relative", **values: float) -> str:
    """A boundary of an image region."""
    numbers = "".join(f"<e:{name}>{value:g}</e:{name}>" for name, value in values.items())
    return f"<e:rbShape>{shape}</e:rbShape><e:rbUnit>{unit}</e:rbUnit>{numbers}"


POLYGON = (
    "<e:rbShape>polygon</e:rbShape><e:rbUnit>relative</e:rbUnit><e:rbVertices><rdf:Seq>"
    "<rdf:li rdf:parseType='Resource'><e:rbX>0.1</e:rbX><e:rbY>0.2</e:rbY></rdf:li>"
    "<rdf:li rdf:parseType='Resource'><e:rbX>0.5</e:rbX><e:rbY>0.25</e:rbY></rdf:li></rdf:Seq></e:rbVertices>"
)


def numbers_in(packet: str) -> list[float]:
    return [float(text) for text in re.findall(r"<e:rb(?:X|Y|W|H|Rx)>([^<]+)<", packet)]


@pytest.mark.parametrize(
    ("boundary", "orientation", "turned"),
    [
        (bound("rectangle", rbX=0.1, rbY=0.2, rbW=0.3, rbH=0.4), 6, [0.4, 0.1, 0.4, 0.3]),
        (bound("rectangle", rbX=0.1, rbY=0.2, rbW=0.3, rbH=0.4), 8, [0.2, 0.6, 0.4, 0.3]),
        (bound("rectangle", rbX=0.1, rbY=0.2, rbW=0.3, rbH=0.4), 3, [0.6, 0.4, 0.3, 0.4]),
        (bound("rectangle", rbX=0.1, rbY=0.2, rbW=0.3, rbH=0.4), 1, [0.1, 0.2, 0.3, 0.4]),
        (bound("circle", rbX=0.1, rbY=0.2, rbRx=0.05), 3, [0.9, 0.8, 0.05]),
        (POLYGON, 6, [0.8, 0.1, 0.75, 0.5]),
    ],
)
def test_image_regions_are_turned_with_the_photo(boundary: str, orientation: int, turned: list[float]) -> None:
    packet = xmp.turn(make_regions(boundary), orientation)
    assert numbers_in(packet) == pytest.approx(turned)
    assert xmp.count_regions(packet) == 1


def test_image_regions_that_cannot_be_turned_are_left_out() -> None:
    boundaries = (
        bound("circle", rbX=0.1, rbY=0.2, rbRx=0.05), bound("rectangle", "pixel", rbX=8, rbY=8, rbW=4, rbH=4), POLYGON,
    )  # fmt: skip
    packet = make_regions(*boundaries)
    assert xmp.count_regions(packet) == 3 and xmp.turn(packet, 1) == packet
    turned = xmp.turn(packet, 6)
    assert xmp.count_regions(turned) == 1 and "polygon" in turned


# ---- raw files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("orientation", "turned"), [(1, [0.1, 0.2, 0.3, 0.4]), (6, [0.4, 0.1, 0.4, 0.3])])
def test_the_xmp_of_a_raw_file_is_kept_and_turned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int, turned: list[float]
) -> None:
    packet = make_regions(bound("rectangle", rbX=0.1, rbY=0.2, rbW=0.3, rbH=0.4))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[274], tags[700] = orientation, packet.encode()
    tags.tagtype[700] = 1
    Image.new("RGB", (8, 6)).save(tmp_path / "made.tif", tiffinfo=tags)
    photo_path = (tmp_path / "made.tif").rename(tmp_path / "photo.dng")
    monkeypatch.setattr("photo.raw.develop", lambda *_: np.full((8, 6, 3), 30000, np.uint16))
    photo = load_photo(photo_path)
    assert numbers_in(photo.text[XMP_KEY]) == pytest.approx(turned)
    save_photo(photo.pixels, photo, tmp_path / "result.tif")
    assert numbers_in(load_photo(tmp_path / "result.tif").text[XMP_KEY]) == pytest.approx(turned)
