"""Files with layers, read back by another program's library: the untouched photo, and every edit with its mask."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from photo.blend import Patch, lay
from photo.canvas import Canvas
from photo.decode import XMP_KEY
from photo.errors import BadOption, UnwritablePhoto
from photo.layers import NamedPatch, check_layers, encode_layers
from photo.mark import SourceType, mark_xmp, read_source_type
from photo.saving import Saving
from photo.types import Box, Photo, Pixels, Region

psd_tools = pytest.importorskip("psd_tools")

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def make_patches(seed: int = 0) -> list[NamedPatch]:
    rng = np.random.default_rng(seed)
    found = []
    for name, box in (("Face 1: right eye", Box(10, 12, 40, 32)), ("Face 2: Mündchen", Box(0, 40, 33, 61))):
        alpha = rng.random((box.height, box.width)).astype(np.float32)
        alpha[0], alpha[-1] = 0, 1
        pixels = rng.integers(0, 256, (box.height, box.width, 3), np.uint8)
        found.append(NamedPatch(name, Patch(Region(box, alpha), pixels)))
    return found


def make_photo(kind: str) -> Photo:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (61, 83, 3), np.uint8)
    if kind == "16 bits":
        deep = pixels.astype(np.uint16) * np.uint16(257)
        return Photo(pixels, native=deep, icc_profile=SRGB, dpi=(300, 150))
    if kind == "gray":
        pixels[...] = pixels[..., :1]
        return Photo(pixels, native=pixels[..., 0].copy())
    return Photo(pixels, icc_profile=SRGB, dpi=(300, 150), text={XMP_KEY: mark_xmp(b"")[0].decode()})


def fix(photo: Photo, patches: list[NamedPatch]) -> Pixels:
    canvas = Canvas(photo.pixels)
    lay(canvas, [named.patch for named in patches])
    return canvas.work.copy()


def read_psd(data: bytes) -> Any:
    return psd_tools.PSDImage.open(io.BytesIO(data))


def extract_psd_layers(tiff: bytes, photo: Photo) -> bytes:
    """The layers of a TIFF, put into a PSD, so that they can be read alike."""
    with Image.open(io.BytesIO(tiff)) as image:
        block = bytes(image.tag_v2[37724])  # type: ignore[attr-defined]
    name = b"Adobe Photoshop Document Data Block\0"
    assert block.startswith(name)
    psd, _ = encode_layers(Path("a.psd"), photo.pixels, photo, [], Saving())
    content = block[len(name) :]
    key, size = content[4:8], int.from_bytes(content[8:12], "big")
    assert content[:4] == b"8BIM" and size == len(content) - 12
    own = 26 + 4
    resources = own + 4 + int.from_bytes(psd[own : own + 4], "big")
    section = int.from_bytes(psd[resources : resources + 4], "big")
    # Layers of 16 bits lie behind an empty list of layers, those of 8 bits before an empty block.
    layers = content[8:] + bytes(4) if key == b"Layr" else bytes(8) + content
    return psd[:resources] + len(layers).to_bytes(4, "big") + layers + psd[resources + 4 + section :]


@pytest.mark.parametrize("ending", [".psd", ".tif"])
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "gray"])
def test_every_edit_is_a_layer_with_its_mask_above_the_photo(kind: str, ending: str) -> None:
    photo, patches = make_photo(kind), make_patches()
    data, note = encode_layers(Path(f"a{ending}"), fix(photo, patches), photo, patches, Saving())
    assert note is None
    picture = read_psd(data if ending == ".psd" else extract_psd_layers(data, photo))
    assert (picture.width, picture.height, picture.depth) == (83, 61, 16 if kind == "16 bits" else 8)
    assert [layer.name for layer in picture] == ["Photo", "Face 1: right eye", "Face 2: Mündchen"]
    base, *edits = picture
    scale = 255 if picture.depth == 8 else 65535
    assert np.array_equal(np.rint(base.numpy("color") * 255), photo.pixels)
    assert not base.has_mask()
    for layer, named in zip(edits, patches, strict=True):
        box, alpha = named.patch.region.box, named.patch.region.alpha
        assert layer.bbox == (box.left, box.top, box.right, box.bottom)
        assert layer.visible and layer.opacity == 255
        assert np.array_equal(np.rint(layer.numpy("color") * 255), named.patch.pixels)
        mask = layer.numpy("mask")[..., 0]
        assert np.abs(mask - alpha).max() <= 0.51 / scale
        assert (mask[0] == 0).all() and (mask[-1] == 1).all()


@pytest.mark.parametrize("kind", ["8 bits", "16 bits"])
def test_the_layers_together_are_the_result(kind: str) -> None:
    photo, patches = make_photo(kind), make_patches()
    result = fix(photo, patches)
    picture = read_psd(encode_layers(Path("a.psd"), result, photo, patches, Saving())[0])
    together = picture.composite(force=True).convert("RGB")
    assert np.abs(np.asarray(together).astype(int) - result).max() <= 1
    # What programs without layers show.
    assert np.array_equal(np.rint(picture.numpy("color") * 255), result)


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "gray"])
def test_the_tiff_is_one_for_every_program(tmp_path: Path, kind: str) -> None:
    photo, patches = make_photo(kind), make_patches()
    result = fix(photo, patches)
    data, _ = encode_layers(Path("a.tif"), result, photo, patches, Saving())
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB" and getattr(image, "n_frames", 1) == 1
        shown = np.asarray(image).astype(int)
        assert image.info.get("icc_profile") == photo.icc_profile
        assert photo.dpi is None or image.info["dpi"] == photo.dpi
    assert np.abs(shown - (result if kind != "gray" else shown[..., :1])).max() == 0


def test_profile_resolution_and_mark_are_in_the_psd() -> None:
    photo = make_photo("8 bits")
    saving = Saving(is_marked=True, source_type=SourceType.CAPTURE)
    picture = read_psd(encode_layers(Path("a.psd"), photo.pixels, photo, [], saving)[0])
    resources = picture.image_resources
    assert resources[1039].data == SRGB
    assert read_source_type(resources[1060].data) is SourceType.CAPTURE
    resolution = resources[1005].data
    assert (resolution.horizontal / 65536, resolution.vertical / 65536) == (300, 150)
    with Image.open(io.BytesIO(encode_layers(Path("a.tif"), photo.pixels, photo, [], saving)[0])) as image:
        assert read_source_type(bytes(image.info["xmp"])) is SourceType.CAPTURE


def test_what_layers_cannot_hold_is_said() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    photo = Photo(pixels, alpha=np.zeros((4, 4), np.uint8), icc_profile=b"p" * 16 + b"CMYK" + b"p" * 200)
    data, note = encode_layers(Path("a.psd"), pixels, photo, [], Saving())
    assert note is not None and "profile" in note and "transparency" in note
    assert 1039 not in read_psd(data).image_resources


def test_too_large_a_photo_is_refused() -> None:
    wide = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (1, 30_001, 3))
    with pytest.raises(UnwritablePhoto, match="of this size"):
        encode_layers(Path("a.psd"), wide, Photo(wide), [], Saving())


def test_only_psd_and_tiff_hold_layers() -> None:
    for name in ("a.psd", "a.TIF", "a.tiff"):
        check_layers(Path(name))
    for name in ("a.xcf", "a", "a.png"):
        with pytest.raises(BadOption, match=r"\.psd or \.tif"):
            check_layers(Path(name))
