"""Marks a picture as edited: XMP that says which program edited it, and what kind of source its pixels have.

The kinds are those of the IPTC vocabulary "Digital Source Type", which viewers and search engines read. XMP that a
photo holds already is kept as it is, byte for byte, but for the properties that are set here.
"""

from __future__ import annotations

import enum
import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from photo.decode import XMP_KEY
from photo.tool import NAME, read_version
from photo.types import Photo

_Name = tuple[str, str]
"""A property: the URI of its namespace and its local name."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
OWN_NAMESPACE = "urn:uuid:6f1a5a0e-8c53-4a0d-9a70-5d0f7e6d1c42#"
"""A name that nobody else has, and that needs no web site: the mark of this program, in whatever it writes."""
_PREFIXES = {_RDF: "rdf", _IPTC: "Iptc4xmpExt", _XMP: "xmp", OWN_NAMESPACE: "openeyes"}

_SOURCE_TYPE, _CREATOR, _EDITED_WITH = (
    (_IPTC, "DigitalSourceType"),
    (_XMP, "CreatorTool"),
    (OWN_NAMESPACE, "editedWith"),
)
_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"

# Attribute values may hold any sign but their quote.
_TAG = re.compile(rb"<(?:[^\"'>]|\"[^\"]*\"|'[^']*')*>")
# A description that an earlier mark was taken out of.
_EMPTY = re.compile(
    rb"<rdf:Description rdf:about=(?:\"[^\"]*\"|'[^']*')(?: xmlns:\w+=\"[^\"]*\")*>\s*</rdf:Description>\s*"
)
_PACKET_END = re.compile(rb"\s*<\?xpacket\s+end")


class SourceType(enum.Enum):
    """The kind of source of an edited photo, those first that say less; the value is its IPTC code.

    CAPTURE: put together from captures of real life. SYNTHETIC: a part was rendered. TRAINED: edited by a trained
    network, as in inpainting. GENERATED: made by one as a whole, which no edit undoes.
    """

    CAPTURE = "compositeCapture"
    SYNTHETIC = "compositeSynthetic"
    TRAINED = "compositeWithTrainedAlgorithmicMedia"
    GENERATED = "trainedAlgorithmicMedia"

    @property
    def uri(self) -> str:
        """Its address in the vocabulary, which is what files hold."""
        return _VOCABULARY + self.value

    def or_more(self, other: SourceType | None) -> SourceType:
        """The one of both that says more."""
        order = list(SourceType)
        return self if other is None or order.index(other) < order.index(self) else other


def mark_photo(photo: Photo, source_type: SourceType | None = None) -> tuple[Photo, str | None]:
    """Return the photo with XMP that names this program and, unless it is None, the source type.

    Where the photo says of itself that its source is of a kind that says more, that stays. The second value is a
    sentence when XMP that cannot be read had to give way, else None.
    """
    before = photo.text.get(XMP_KEY, "").encode()
    xmp, note = mark_xmp(before, source_type)
    return replace(photo, text={**photo.text, XMP_KEY: xmp.decode()}), note


def mark_xmp(xmp: bytes, source_type: SourceType | None = None) -> tuple[bytes, str | None]:
    """Return an XMP packet, empty if there is none yet, with the mark in it; see `mark_photo`."""
    note = None
    try:
        layout = _read_layout(xmp) if xmp else _Layout()
    except ValueError:
        layout, note = _Layout(), "The XMP block is damaged and was replaced."
    tool = name_tool()
    properties = {_EDITED_WITH: tool}
    if layout.values.get(_CREATOR, tool) == tool:
        properties[_CREATOR] = tool  # it names the first tool known, which need not be this one
    if source_type is not None:
        properties[_SOURCE_TYPE] = source_type.or_more(_find_type(layout.values.get(_SOURCE_TYPE, ""))).uri
    return _set_properties(xmp, layout, properties), note


def read_source_type(xmp: bytes) -> SourceType | None:
    """Return the source type that an XMP packet names; None if it names none of these, or cannot be read."""
    try:
        return _find_type(_read_layout(xmp).values.get(_SOURCE_TYPE, ""))
    except ValueError:
        return None


def is_marked(path: Path) -> bool:
    """Return whether a file holds the mark of this program, in whatever format; False when it cannot be read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(OWN_NAMESPACE.encode()) >= 0
    except (OSError, ValueError):  # ValueError: it is empty, or the path holds what is no file name
        return False


@cache
def name_tool() -> str:
    """Return the name of the program with its version, or without where that cannot be read."""
    try:
        return f"{NAME} {read_version()}"
    except OSError:
        return NAME


def _find_type(uri: str) -> SourceType | None:
    code = uri.strip().rstrip("/").rpartition("/")[2]
    return next((kind for kind in SourceType if kind.value == code), None)


@dataclass
class _Layout:
    """Where an XMP packet holds what: offsets in its bytes.

    `values` are simple properties. `elements` and `attributes` are the places, start and end, of each property.
    `insert_at` is where the last description may follow; None if there is no RDF yet. `about` is what all describe.
    """

    values: dict[_Name, str] = field(default_factory=dict)
    elements: dict[_Name, list[tuple[int, int]]] = field(default_factory=dict)
    attributes: dict[_Name, list[tuple[int, int]]] = field(default_factory=dict)
    insert_at: int | None = None
    about: str = ""


class _Reader:
    """Reads the layout of an XMP packet with expat, which tells where in the bytes each element begins and ends."""

    def __init__(self, xmp: bytes) -> None:
        self.layout = _Layout()
        self._xmp = xmp
        self._open: list[tuple[_Name, int]] = []
        self._text = ""
        self._prefixes: dict[str, list[str]] = {}
        self._parser: Any = expat.ParserCreate("utf-8", " ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text
        self._parser.StartNamespaceDeclHandler = self._bind
        self._parser.StartDoctypeDeclHandler = self._refuse

    def read(self) -> _Layout:
        try:
            self._parser.Parse(self._xmp, True)
        except expat.ExpatError as error:
            raise ValueError("this is no XMP") from error
        return self.layout

    def _refuse(self, *_: object) -> None:
        raise ValueError("XMP has no document type")

    def _bind(self, prefix: str | None, uri: str) -> None:
        self._prefixes.setdefault(uri, []).append(prefix or "")

    def _add_text(self, text: str) -> None:
        self._text += text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        start = self._parser.CurrentByteIndex
        self._open.append((_split(name), start))
        self._text = ""
        path = [opened for opened, _ in self._open]
        if path[-2:] == [(_RDF, "RDF"), (_RDF, "Description")]:
            self.layout.about = self.layout.about or attributes.get(f"{_RDF} about", "")
            for key, value in attributes.items():
                self._note_attribute(_split(key), value, start)
        elif path[-3:-1] == [(_RDF, "RDF"), (_RDF, "Description")] and f"{_RDF} resource" in attributes:
            self.layout.values[path[-1]] = attributes[f"{_RDF} resource"]

    def _note_attribute(self, name: _Name, value: str, tag_start: int) -> None:
        self.layout.values[name] = value
        tag = _TAG.match(self._xmp, tag_start)
        for prefix in self._prefixes.get(name[0], ()):
            pattern = rf"\s+{re.escape(prefix)}:{re.escape(name[1])}\s*=\s*(\"[^\"]*\"|'[^']*')".encode()
            for found in re.finditer(pattern, tag[0] if tag else b""):
                place = (tag_start + found.start(), tag_start + found.end())
                self.layout.attributes.setdefault(name, []).append(place)

    def _end(self, _: str) -> None:
        end = self._parser.CurrentByteIndex
        name, start = self._open.pop()
        has_end_tag = self._xmp.startswith(b"</", end)
        if name == (_RDF, "RDF") and has_end_tag:
            self.layout.insert_at = end
        elif [opened for opened, _ in self._open][-2:] == [(_RDF, "RDF"), (_RDF, "Description")]:
            if has_end_tag:
                end = self._xmp.index(b">", end) + 1
            self.layout.elements.setdefault(name, []).append((start, end))
            self.layout.values.setdefault(name, self._text.strip())


def _split(name: str) -> _Name:
    uri, _, local = name.rpartition(" ")
    return uri, local


def _read_layout(xmp: bytes) -> _Layout:
    """The layout of an XMP packet. Raises ValueError when it cannot be parsed."""
    return _Reader(xmp).read()


def _set_properties(xmp: bytes, layout: _Layout, properties: Mapping[_Name, str]) -> bytes:
    """The packet with properties set: their former values are cut out, and a description with all is added."""
    about = layout.about if layout.insert_at is not None else ""
    spaces = "".join(f' xmlns:{_PREFIXES[uri]}="{uri}"' for uri in sorted({_RDF, *(uri for uri, _ in properties)}))
    values = "".join(
        f"\n   <{_PREFIXES[uri]}:{name}>{escape(value)}</{_PREFIXES[uri]}:{name}>"
        for (uri, name), value in properties.items()
    )
    description = f"<rdf:Description rdf:about={quoteattr(about)}{spaces}>{values}\n  </rdf:Description>\n ".encode()
    if layout.insert_at is None:
        return (
            b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
            b' <rdf:RDF xmlns:rdf="%s">\n  %s</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
            % (_RDF.encode(), description)
        )
    places = [
        place for name in properties for place in (*layout.elements.get(name, ()), *layout.attributes.get(name, ()))
    ]
    pieces = sorted([*((start, end, b"") for start, end in places), (layout.insert_at, layout.insert_at, description)])
    changed, at = b"", 0
    for start, end, new in pieces:
        changed += xmp[at:start] + new
        at = end
    return _use_up_padding(_EMPTY.sub(b"", changed + xmp[at:]), len(xmp))


def _use_up_padding(xmp: bytes, length: int) -> bytes:
    """The packet without as much of the white space before its end as keeps it from growing beyond `length` bytes."""
    found = _PACKET_END.search(xmp)
    if found is None or len(xmp) <= length:
        return xmp
    spare = len(found[0]) - len(found[0].lstrip()) - 1
    excess = max(0, min(spare, len(xmp) - length))
    return xmp[: found.start()] + xmp[found.start() + excess :]
