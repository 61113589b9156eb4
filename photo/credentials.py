"""Signs an edited photo: Content Credentials (C2PA) that name the edited regions, made without any network.

A photo's own credentials stay readable as those of an ingredient. The package for it is optional.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photo.errors import BadOption, MissingPackage
from photo.formats import BY_NAME
from photo.jpeg_file import foresee_growth
from photo.mark import SourceType
from photo.tool import NAME, read_version
from photo.types import Box

_INSTALL = "the packages for signing are not installed; run: pip install -r requirements_sign.txt"
# Nothing is fetched: neither what a photo's credentials refer to, nor whether a certificate was revoked.
# Nor are small copies made: one of the source would show the old picture to everybody.
_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": False},
    "builder": {"thumbnail": {"enabled": False}},
}
_SOURCE_ID = "source"
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class EditedRegion:
    """One edit as the credentials name it: what it is, where, in pixels of the upright photo, and its source type."""

    name: str
    box: Box
    source_type: SourceType


@dataclass(frozen=True)
class Signature:
    """Who signs: the files of a certificate chain and of its private key, both PEM, and what was edited."""

    certificate: Path
    key: Path
    regions: tuple[EditedRegion, ...] = ()


def check_signature(signature: Signature) -> None:
    """Raise BadOption when nothing can be signed with it, MissingPackage when its package is missing."""
    _make_signer(signature)


def check_format(format_name: str) -> None:
    """Raise BadOption when files of a format, by Pillow's name, cannot be signed."""
    if not BY_NAME[format_name].signed_as:
        raise BadOption(f"A {format_name} file cannot be signed; choose .jpg, .png, .webp or .tif.")


def sign(data: bytes, format_name: str, source: Path | None, signature: Signature) -> bytes:
    """Return a written photo with Content Credentials: edited from the file `source`, in the regions of `signature`.

    Raises BadOption when it cannot be signed, and MissingPackage.
    """
    check_format(format_name)
    made = _sign(data, format_name, source, signature)
    if format_name == "JPEG":
        # The credentials lie before the further pictures that a file may hold, and move them.
        foreseen = foresee_growth(data, made)
        if foreseen != data:
            return _sign(foreseen, format_name, source, signature)
    return made


def _sign(data: bytes, format_name: str, source: Path | None, signature: Signature) -> bytes:
    signer = _make_signer(signature)
    import c2pa

    context = c2pa.Context(c2pa.Settings.from_dict(_SETTINGS))
    try:
        with c2pa.Builder(_describe(format_name, source, signature.regions), context) as builder:
            if source is not None and (kind := _find_media_type(source)):
                ingredient = {"title": source.name, "relationship": "parentOf", "instance_id": _SOURCE_ID}
                with source.open("rb") as file:
                    builder.add_ingredient(ingredient, kind, file)
            signed = io.BytesIO()
            builder.sign(signer, BY_NAME[format_name].signed_as, io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise BadOption(f"The photo cannot be signed with {signature.certificate}: {_shorten(error)}.") from error
    return signed.getvalue()


def _describe(format_name: str, source: Path | None, regions: Sequence[EditedRegion]) -> dict[str, Any]:
    """The manifest: the photo was opened, and each region edited."""
    agent = {"name": NAME, "version": read_version()}
    actions: list[dict[str, Any]] = []
    ingredients = []
    if source is not None:
        actions.append({"action": "c2pa.opened", "parameters": {"ingredientIds": [_SOURCE_ID]}})
        if not _find_media_type(source):  # of a format that holds no credentials: named, but not bound to its bytes
            ingredients.append({"title": source.name, "relationship": "parentOf", "instance_id": _SOURCE_ID})
    for region in regions:
        place = {
            "type": "spatial",
            "shape": {
                "type": "rectangle",
                "unit": "pixel",
                "origin": {"x": region.box.left, "y": region.box.top},
                "width": region.box.width,
                "height": region.box.height,
            },
        }
        actions.append(
            {
                "action": "c2pa.edited",
                "softwareAgent": agent,
                "description": region.name,
                "digitalSourceType": region.source_type.uri,
                "changes": [{"region": [place], "description": region.name}],
            }
        )
    return {
        "claim_generator_info": [agent],
        "format": BY_NAME[format_name].signed_as,
        "ingredients": ingredients,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _find_media_type(path: Path) -> str:
    """The media type of a photo's file; empty for a format that holds no credentials."""
    with path.open("rb") as file:
        head = file.read(12)
    starts = {b"\xff\xd8": "JPEG", b"\x89PNG": "PNG", b"RIFF": "WEBP", b"II": "TIFF", b"MM": "TIFF"}
    found = next((name for start, name in starts.items() if head.startswith(start)), None)
    if found is not None:
        return BY_NAME[found].signed_as
    return {b"ftypheic": "image/heic", b"ftypmif1": "image/heif", b"ftypavif": "image/avif"}.get(head[4:12], "")


def _make_signer(signature: Signature) -> Any:
    """The signer of the package. Raises BadOption, MissingPackage."""
    try:
        import c2pa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise MissingPackage(_INSTALL) from error
    try:
        certificate, secret = signature.certificate.read_bytes(), signature.key.read_bytes()
    except OSError as error:
        raise BadOption(f"{error.filename} cannot be read; --sign takes a certificate chain and its key.") from error
    try:
        algorithm = _choose_algorithm(load_pem_private_key(secret, password=None))
    except (TypeError, ValueError) as error:  # TypeError: it is locked with a password
        raise BadOption(f"{signature.key} is no private key in PEM form without a password.") from error
    try:
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, certificate, secret, None))
    except c2pa.C2paError as error:
        raise BadOption(f"{signature.certificate} cannot sign: {_shorten(error)}.") from error


def _choose_algorithm(key: Any) -> str:
    """The name of the signing algorithm for a private key. Raises ValueError for a key that no algorithm takes."""
    curve = getattr(getattr(key, "curve", None), "name", None)
    if curve is not None:
        if curve not in _CURVES:
            raise ValueError(f"no algorithm has the curve {curve}")
        return _CURVES[curve]
    return "ps256" if hasattr(key, "private_numbers") else "ed25519"


def _shorten(error: Exception) -> str:
    """The first line of an error of the package, without its full stop."""
    return (str(error).strip().splitlines() or ["it does not say why"])[0].rstrip(".")
