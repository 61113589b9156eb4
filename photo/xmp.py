"""Corrects XMP: turned with its picture, whole again where JPEG splits it, without promises that no longer hold.

XMP is XML from strangers: a packet that declares a document type or entities is not read.
Sources: XMP specification, parts 1 and 3; MWG guidelines 2.0; IPTC Photo Metadata Standard 2023.1 (image regions);
Ultra HDR 1.1; Motion Photo 1.0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from photo.jpeg_file import LARGEST_CONTENT

XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_NAME = b"http://ns.adobe.com/xmp/extension/\0"
"""What the content of a JPEG segment begins with that holds XMP, or a piece of extended XMP."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NOTE = "http://ns.adobe.com/xmp/note/"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_EXIF = "http://ns.adobe.com/exif/1.0/"
_REGIONS = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_MICROSOFT_REGION = "http://ns.microsoft.com/photo/1.2/t/Region#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_GAIN_MAP = "http://ns.adobe.com/hdr-gain-map/1.0/"
_CONTAINERS = ("http://ns.google.com/photos/1.0/container/", "http://ns.google.com/photos/dd/1.0/container/")
_DAMAGED = (ExpatError, ValueError, RecursionError, LookupError, TypeError, AttributeError)

# Bytes. What extended XMP may need at most; a file can claim 4 GB.
_LARGEST = 64 << 20
_ROOM = LARGEST_CONTENT - len(XMP_NAME)
_PIECE = 65400
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta>'


def join(xmp: str, pieces: list[bytes]) -> str | None:
    """Return XMP with its extended part, from the contents of a JPEG's segments that begin with `EXTENSION_NAME`.

    Returns None when the extended part is not whole or cannot be read.
    """
    found = re.search(r"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})", xmp)
    if found is None:
        return None
    identity = found[1].encode().upper()
    extended = b""
    for piece in sorted(pieces, key=lambda piece: piece[len(EXTENSION_NAME) + 36 :][:4]):
        head = piece[len(EXTENSION_NAME) :][:40]
        if len(head) == 40 and head[:32].upper() == identity and int.from_bytes(head[36:], "big") == len(extended):
            extended += piece[len(EXTENSION_NAME) + 40 :]
        if len(extended) > _LARGEST:
            return None
    if hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode() != identity:
        return None
    try:
        document, more = _parse(xmp), _parse(extended.decode())
        root = document.getElementsByTagNameNS(RDF, "RDF")[0]
        for other in more.getElementsByTagNameNS(RDF, "RDF"):
            for description in [node for node in other.childNodes if node.nodeType == node.ELEMENT_NODE]:
                _declare_prefixes(description, other)
                root.appendChild(document.importNode(description, True))
        _remove(document, lambda uri, name: (uri, name) == (_NOTE, "HasExtendedXMP"))
        return _write(document)
    except _DAMAGED:
        return None


def split(xmp: str) -> list[bytes] | None:
    """Return XMP as the contents of the JPEG segments that hold it, extended XMP where it is long.

    Returns None when it is long and cannot be read.
    """
    if len(xmp.encode()) <= _ROOM:
        return [XMP_NAME + xmp.encode()]
    try:
        document = _parse(xmp)
        more = _parse(_EMPTY)
        target: Any = more.getElementsByTagNameNS(RDF, "RDF")[0]
        properties = [child for node in _descriptions(document) for child in node.childNodes if _is_element(child)]
        for node in sorted(properties, key=lambda node: -len(node.toxml())):
            if len(_write(document).encode()) + 300 <= _ROOM:
                break
            parent: Any = node.parentNode
            description = more.createElementNS(RDF, "rdf:Description")
            description.setAttributeNS(RDF, "rdf:about", parent.getAttributeNS(RDF, "about"))
            description.appendChild(more.importNode(node, True))
            ancestor = parent
            while ancestor is not None and _is_element(ancestor):
                _declare_prefixes(description, ancestor)
                ancestor = ancestor.parentNode
            target.appendChild(description)
            parent.removeChild(node)
        extended = target.parentNode.toxml().encode()
        identity = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
        note = document.createElementNS(RDF, "rdf:Description")
        note.setAttributeNS(RDF, "rdf:about", "")
        note.setAttribute("xmlns:xmpNote", _NOTE)
        note.setAttributeNS(_NOTE, "xmpNote:HasExtendedXMP", identity)
        document.getElementsByTagNameNS(RDF, "RDF")[0].appendChild(note)
        main = _write(document).encode()
    except _DAMAGED:
        return None
    if len(main) > _ROOM:
        return None
    head = EXTENSION_NAME + identity.encode() + len(extended).to_bytes(4, "big")
    return [
        XMP_NAME + main,
        *(head + at.to_bytes(4, "big") + extended[at : at + _PIECE] for at in range(0, len(extended), _PIECE)),
    ]


def turn(xmp: str, orientation: int) -> str:
    """Return XMP with orientation 1, and with face regions and sizes turned as the picture of an Exif orientation is.

    IPTC's image regions that cannot be turned, as they are measured in pixels or are circles on their side, are left
    out; `count_regions` tells how many there are. XMP that holds nothing of the kind, or cannot be read, is returned as
    it is.
    """
    if "rientation" not in xmp and "Region" not in xmp:
        return xmp
    try:
        document = _parse(xmp)
        before = _write(document)
        for element in list(_elements(document)):
            _turn_element(element, orientation)
        after = _write(document)
    except _DAMAGED:
        return xmp
    return xmp if after == before else after


def count_regions(xmp: str) -> int:
    """Return how many boundaries of IPTC's image regions XMP names."""
    return len(re.findall(r"<[\w-]+:RegionBoundary\b", xmp))


def drop_promises(xmp: str) -> str:
    """Return XMP without what it says of further pictures or a video behind the picture: they are not there.

    XMP that holds nothing of the kind, or cannot be read, is returned as it is.
    """
    uris = (_CAMERA, _GAIN_MAP, *_CONTAINERS)
    if not any(uri in xmp for uri in uris):
        return xmp

    def is_promise(uri: str | None, name: str) -> bool:
        if uri == _CAMERA:
            return name.startswith(("MicroVideo", "MotionPhoto"))
        return uri in (_GAIN_MAP, *_CONTAINERS)

    try:
        document = _parse(xmp)
        return _write(document) if _remove(document, is_promise) else xmp
    except _DAMAGED:
        return xmp


def find_promises(xmp: str) -> tuple[bool, bool]:
    """Return whether XMP tells of a gain map, and whether of a video, behind the picture."""
    semantics = re.findall(r"Semantic\s*(?:=\s*[\"']|>)\s*(\w+)", xmp)
    has_video = re.search(r"(?:MicroVideo|MotionPhoto)\s*(?:=\s*[\"']|>)\s*1", xmp) is not None
    return _GAIN_MAP in xmp or "GainMap" in semantics, has_video or "MotionPhoto" in semantics


def add_properties(xmp: str, values: Mapping[tuple[str, str, str], tuple[str, list[str]]]) -> str | None:
    """Return XMP with properties that it lacks; None when it cannot be read.

    A key is the URI of the namespace, its prefix and the local name; a value "Alt", "Bag" or "Seq" or "" for a plain
    text, and the texts.
    """
    try:
        document = _parse(xmp or _EMPTY)
        for (uri, prefix, name), (form, texts) in values.items():
            if document.getElementsByTagNameNS(uri, name) or any(
                node.hasAttributeNS(uri, name) for node in _descriptions(document)
            ):
                continue
            element = _add_property(document, _add_description(document), (uri, prefix, name))
            if form:
                items = element.appendChild(document.createElementNS(RDF, f"rdf:{form}"))
                for text in texts:
                    item = items.appendChild(document.createElementNS(RDF, "rdf:li"))
                    if form == "Alt":
                        item.setAttribute("xml:lang", "x-default")
                    item.appendChild(document.createTextNode(text))
            else:
                element.appendChild(document.createTextNode(texts[0]))
        return _write(document)
    except _DAMAGED:
        return None


Property = tuple[str, str, str]
"""A property: the URI of its namespace, the prefix to write where there is none yet, and its local name."""


def read_texts(xmp: str, properties: Sequence[Property]) -> list[str | None] | None:
    """Return the plain texts of properties, None for each that is not there; None in all where XMP cannot be read."""
    try:
        document = _parse(xmp)
        return [_find_text(document, *name) for name in properties]
    except _DAMAGED:
        return None


def update(
    xmp: str, texts: Mapping[Property, str | None], bags: Mapping[Property, tuple[str, Sequence[str]]]
) -> str | None:
    """Return XMP, "" for none yet, with other plain texts and other words in bags; None when it cannot be read.

    A text of None takes the property out. Of a bag those words go that begin with the first text, and those come that
    are listed; all other words stay, and so does everything else.
    """
    try:
        document = _parse(xmp or _EMPTY)
        description = _add_description(document)
        for (uri, prefix, name), text in texts.items():
            holder = next((node for node in _descriptions(document) if _get(node, uri, name) is not None), None)
            if text is not None and holder is not None:
                _set(holder, uri, name, text)
                continue
            _remove(document, partial(_is_named, (uri, name)))
            if text is not None:
                added = _add_property(document, description, (uri, prefix, name))
                added.appendChild(document.createTextNode(text))
        for (uri, prefix, name), (beginning, words) in bags.items():
            found: Any = document.getElementsByTagNameNS(uri, name)
            element = found[0] if found else _add_property(document, description, (uri, prefix, name))
            _change_bag(document, element, beginning, words)
        if not description.childNodes:
            description.parentNode.removeChild(description)
        return _write(document)
    except _DAMAGED:
        return None


def _is_named(wanted: tuple[str, str], uri: str | None, name: str) -> bool:
    return (uri, name) == wanted


def _find_text(document: minidom.Document, uri: str, _prefix: str, name: str) -> str | None:
    values = (_get(node, uri, name) for node in _descriptions(document))
    return next((value for value in values if value is not None), None)


def _add_description(document: minidom.Document) -> Any:
    """A new description, empty, at the end of a document."""
    root: Any = document.getElementsByTagNameNS(RDF, "RDF")[0]
    description = root.appendChild(document.createElementNS(RDF, "rdf:Description"))
    if root.prefix != "rdf":
        description.setAttribute("xmlns:rdf", RDF)
    description.setAttributeNS(RDF, "rdf:about", "")
    return description


def _add_property(document: minidom.Document, description: Any, name: Property) -> Any:
    """A new element for a property in a description."""
    uri, prefix, local = name
    description.setAttribute(f"xmlns:{prefix}", uri)
    return description.appendChild(document.createElementNS(uri, f"{prefix}:{local}"))


def _change_bag(document: minidom.Document, element: Any, beginning: str, words: Sequence[str]) -> None:
    """Take the words out of an array that begin so, and put others in; see `update`."""

    def add(parent: Any, name: str) -> Any:
        child = parent.appendChild(document.createElementNS(RDF, f"rdf:{name}"))
        if document.getElementsByTagNameNS(RDF, "RDF")[0].prefix != "rdf":
            child.setAttribute("xmlns:rdf", RDF)
        return child

    arrays = [node for node in element.childNodes if _is_element(node) and node.localName in ("Bag", "Seq", "Alt")]
    array = arrays[0] if arrays else add(element, "Bag")
    there = set()
    for item in [node for node in array.childNodes if _is_element(node)]:
        text = "".join(node.data for node in item.childNodes if node.nodeType == node.TEXT_NODE)
        if text.startswith(beginning) and text not in words:
            array.removeChild(item)
        else:
            there.add(text)
    for word in words:
        if word not in there:
            add(array, "li").appendChild(document.createTextNode(word))


def _parse(xmp: str) -> minidom.Document:
    """Raises one of `_DAMAGED`."""
    if "<!" in re.sub(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>", "", xmp, flags=re.DOTALL):
        raise ValueError("XMP declares a document type")
    # Text is decoded already: what the XML declaration says of its encoding no longer holds.
    return minidom.parseString(re.sub(r"^\s*<\?xml\b.*?\?>", "", xmp.strip("\0\ufeff \n\r\t")).encode())


def _write(document: minidom.Document) -> str:
    return "".join(node.toxml() for node in document.childNodes)


def _is_element(node: minidom.Node) -> bool:
    return node.nodeType == node.ELEMENT_NODE


def _elements(document: minidom.Document) -> Iterator[minidom.Element]:
    return iter(document.getElementsByTagName("*"))


def _descriptions(document: minidom.Document) -> list[minidom.Element]:
    found = document.getElementsByTagNameNS(RDF, "Description")
    return [node for node in found if getattr(node.parentNode, "localName", None) == "RDF"]


def _declare_prefixes(element: minidom.Element, scope: minidom.Element) -> None:
    """Repeat the namespaces that `scope` declares at `element`, which is to be moved out of it."""
    for name, value in scope.attributes.items():
        if name.startswith("xmlns") and not element.hasAttribute(name):
            element.setAttributeNS(_XMLNS, name, value)


def _remove(document: minidom.Document, is_meant: Callable[[str | None, str], bool]) -> bool:
    """Remove all properties that are meant, by their namespace and name; return whether there were any."""
    found = False
    for element in list(_elements(document)):
        for attribute in list(element.attributes.values()):
            if attribute.namespaceURI != _XMLNS and is_meant(attribute.namespaceURI, attribute.localName):
                element.removeAttributeNode(attribute)
                found = True
        if is_meant(element.namespaceURI, element.localName) and element.parentNode is not None:
            element.parentNode.removeChild(element)
            found = True
    return found


def _get(element: minidom.Element, uri: str, name: str) -> str | None:
    """The value of a property of a structure, an attribute or an element."""
    if element.hasAttributeNS(uri, name):
        return element.getAttributeNS(uri, name)
    children: list[Any] = [node for node in element.childNodes if (node.namespaceURI, node.localName) == (uri, name)]
    return children[0].firstChild.data if children and children[0].firstChild else None


def _set(element: minidom.Element, uri: str, name: str, value: str) -> None:
    """Change a property of a structure that it has."""
    if element.hasAttributeNS(uri, name):
        element.getAttributeNodeNS(uri, name).value = value  # type: ignore[union-attr]
        return
    children: Any = element.childNodes
    for node in children:
        if (node.namespaceURI, node.localName) == (uri, name):
            node.firstChild.data = value


def _swap(element: minidom.Element, uri: str, one: str, other: str) -> None:
    first, second = _get(element, uri, one), _get(element, uri, other)
    if first is not None and second is not None:
        _set(element, uri, one, second)
        _set(element, uri, other, first)


def _turn_element(element: minidom.Element, orientation: int) -> None:
    if _get(element, _TIFF, "Orientation") is not None:
        _set(element, _TIFF, "Orientation", "1")
    if orientation == 1:
        return
    if orientation >= 5:
        _swap(element, _TIFF, "ImageWidth", "ImageLength")
        _swap(element, _EXIF, "PixelXDimension", "PixelYDimension")
    if (element.namespaceURI, element.localName) == (_REGIONS, "Regions"):
        _turn_regions(element, orientation)
    if (element.namespaceURI, element.localName) == (_IPTC, "RegionBoundary"):
        _turn_boundary(element, orientation)
    rectangle = _get(element, _MICROSOFT_REGION, "Rectangle")
    if rectangle is not None:
        left, top, width, height = (float(value) for value in rectangle.split(","))
        x, y, width, height = _turn_box(left + width / 2, top + height / 2, width, height, orientation)
        _set(
            element,
            _MICROSOFT_REGION,
            "Rectangle",
            ", ".join(map(_show, (x - width / 2, y - height / 2, width, height))),
        )


def _turn_boundary(boundary: minidom.Element, orientation: int) -> None:
    """Turn the boundary of one of IPTC's image regions, in shares of the picture; remove a region that cannot be."""
    holder = _find_structure(boundary, _IPTC, "rbUnit")
    shape = _get(holder, _IPTC, "rbShape")
    is_relative = _get(holder, _IPTC, "rbUnit") == "relative"
    # A circle's radius is a share of the width, and XMP does not tell what share of the height that is.
    if not is_relative or shape not in ("rectangle", "polygon", "circle") or (shape == "circle" and orientation >= 5):
        _remove_item(boundary)
    elif shape == "polygon":
        for vertex in boundary.getElementsByTagNameNS(RDF, "li"):
            _turn_place(_find_structure(vertex, _IPTC, "rbX"), orientation)
    else:
        _turn_place(holder, orientation, has_size=shape == "rectangle")


def _turn_place(holder: minidom.Element, orientation: int, *, has_size: bool = False) -> None:
    """Turn IPTC's point or, with a size, rectangle, which starts in its upper left corner."""
    values = [float(_get(holder, _IPTC, name) or 0) for name in ("rbX", "rbY", *(("rbW", "rbH") if has_size else ()))]
    left, top, width, height = (*values, 0.0, 0.0)[:4]
    x, y, width, height = _turn_box(left + width / 2, top + height / 2, width, height, orientation)
    turned = {"rbX": x - width / 2, "rbY": y - height / 2, "rbW": width, "rbH": height}
    for name in list(turned)[: len(values)]:
        _set(holder, _IPTC, name, _show(turned[name]))


def _remove_item(element: minidom.Element) -> None:
    """Remove the item of a list that an element lies in."""
    item: Any = element
    while item.localName != "li" and _is_element(item.parentNode):
        item = item.parentNode
    item.parentNode.removeChild(item)


def _turn_regions(regions: minidom.Element, orientation: int) -> None:
    """Turn the regions of the Metadata Working Group: centre and size, in shares of the picture or in pixels."""
    size = (1.0, 1.0)
    for dimensions in regions.getElementsByTagNameNS(_REGIONS, "AppliedToDimensions"):
        holder = _find_structure(dimensions, _DIMENSIONS, "w")
        wide, tall = _get(holder, _DIMENSIONS, "w"), _get(holder, _DIMENSIONS, "h")
        if wide and tall:
            size = (float(wide), float(tall))
        if orientation >= 5:
            _swap(holder, _DIMENSIONS, "w", "h")
    for area in regions.getElementsByTagNameNS(_REGIONS, "Area"):
        holder = _find_structure(area, _AREA, "x")
        values = {name: _get(holder, _AREA, name) for name in "xywh"}
        if values["x"] is None or values["y"] is None:
            continue
        across, down = size if _get(holder, _AREA, "unit") == "pixel" else (1.0, 1.0)
        x, y = float(values["x"]) / across, float(values["y"]) / down
        width, height = float(values["w"] or 0) / across, float(values["h"] or 0) / down
        turned = dict(zip("xywh", _turn_box(x, y, width, height, orientation), strict=True))
        if orientation >= 5:
            across, down = down, across
        for name, scale in zip("xywh", (across, down, across, down), strict=True):
            if values[name] is not None:
                _set(holder, _AREA, name, _show(turned[name] * scale))


def _find_structure(element: minidom.Element, uri: str, name: str) -> minidom.Element:
    """The element that holds the fields of a structure: itself, or a description inside it."""
    if _get(element, uri, name) is None:
        for child in element.getElementsByTagNameNS(RDF, "Description"):
            return child
    return element


def _turn_box(x: float, y: float, width: float, height: float, orientation: int) -> tuple[float, float, float, float]:
    """The centre and size of a box in a picture of size 1 × 1, once an Exif orientation turned the picture upright."""
    center = {
        2: (1 - x, y), 3: (1 - x, 1 - y), 4: (x, 1 - y), 5: (y, x), 6: (1 - y, x), 7: (1 - y, 1 - x), 8: (y, 1 - x),
    }.get(orientation, (x, y))  # fmt: skip
    return (*center, height, width) if orientation >= 5 else (*center, width, height)


def _show(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
