"""The one address of the XML parser: a bank's bytes in, its records one by one, or `FileRefused`.

What a bank file could do to us is refused here and nowhere else: a document type of any
kind (with `resolve_entities=False` lxml passes `&a;` on as text without a word, so an entity
could end up in a payee's name), external resources, texts and depths beyond libxml2's own
limits (`huge_tree` stays off), compressed bytes, and records that never end. Records are
handed out while the file is still being read and dropped as soon as the next one comes, so
that memory does not grow with the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, cast

from lxml import etree

from paysvc.domain.errors import FileRefused

ISO_20022 = "urn:iso:std:iso:20022:tech:xsd:"

#: A statement of a million entries has 0.5-1 GB; nothing of ours is longer.
MAX_FILE_BYTES = 1 << 30

#: One record (an entry, a payment) is a few thousand bytes; past this it is an attack on memory.
MAX_RECORD_BYTES = 1 << 24

#: No field that is kept is longer than Max140Text; banks that overrun it stay far below this.
MAX_FIELD_LENGTH = 2_000

#: ISO 20022: what stands for the EndToEndId where the payer gave none.
NO_REFERENCE = "NOTPROVIDED"

_CHUNK = 1 << 16
_MESSAGE_NAME = re.compile(r"[a-z]{4}\.[0-9]{3}\.[0-9]{3}\.[0-9]{2}")
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c")
_WRONG_ENCODING = {
    etree.ErrorTypes.ERR_INVALID_ENCODING,
    etree.ErrorTypes.ERR_UNSUPPORTED_ENCODING,
    etree.ErrorTypes.ERR_UNKNOWN_ENCODING,
    etree.ErrorTypes.ERR_ENCODING_NAME,
}
_RESOURCE_LIMIT = 114  # XML_ERR_RESOURCE_LIMIT; lxml has no name for it yet

Element = etree._Element  # lxml gives its element type no public name


def message_name(content: bytes) -> str:
    """Which ISO 20022 message these bytes are, as `camt.053.001.08`, by their namespace.

    Raises `FileRefused` with `file_empty`, `file_compressed`, `file_too_large`,
    `xml_not_well_formed`, `xml_wrong_encoding`, `xml_has_dtd`, `xml_too_large` or `wrong_message`.
    """
    _refuse_what_is_no_text(content)
    for root in _elements(content, event="start", tags=None):
        # The document type stands before the root, so it is known by now, and nothing was expanded.
        if root.getroottree().docinfo.internalDTD is not None:
            raise FileRefused(
                "xml_has_dtd",
                "The file carries a document type (DTD); no bank message does.",
                next_step="Ask the bank for the file without a DOCTYPE.",
                place="line 1",
            )
        return _name_of(str(root.tag))
    raise FileRefused("xml_not_well_formed", "The file holds no XML element.", place="byte 0")


def refuse_unless(name: str, accepted: frozenset[str], wanted: str) -> None:
    """Raise `FileRefused` (`wrong_message`) unless the message is one of `accepted`."""
    if name not in accepted:
        raise FileRefused(
            "wrong_message",
            f"This is a {name} message; {wanted} ({', '.join(sorted(accepted))}) is needed.",
            next_step="Check which file was meant.",
        )


def records(content: bytes, name: str, ends: tuple[str, ...]) -> Iterator[Element]:
    """The elements with the local names `ends`, each when it is complete, in document order.

    `name` is what `message_name` said of the same bytes. The element handed out is whole;
    the reader drops it when it is done with it (`drop_previous`). Raises `FileRefused` as
    `message_name` does, wherever in the file the fault lies.
    """
    return _elements(content, event="end", tags=tuple(qualified(name, end) for end in ends))


def qualified(name: str, local: str) -> str:
    """The element `local` of the message `name`, in the parser's `{namespace}local` form."""
    return f"{{{ISO_20022}{name}}}{local}"


def text_of(element: Element | None) -> str:
    """The element's text without surrounding white space; "" for an absent or empty element."""
    return (element.text or "").strip() if element is not None else ""


def place_of(element: Element, what: str) -> str:
    """`entry 12, line 340`: where a person finds the element in the file."""
    return f"{what}, line {element.sourceline}" if element.sourceline else what


class Sweeper:
    """Forgets records that were read, one step behind the parser.

    The element that just ended is still the parser's last node and has to stay; the one
    before it under the same parent goes, with the white space behind it.
    """

    def __init__(self) -> None:
        self._parent: Element | None = None
        self._previous: Element | None = None

    def sweep(self, done: Element, parent: Element | None) -> None:
        """Take the element swept before out of `parent`, which is also the parent of `done`."""
        if self._previous is not None and parent is not None and self._parent is parent:
            parent.remove(self._previous)
        self._previous, self._parent = done, parent


def _refuse_what_is_no_text(content: bytes) -> None:
    if not content.strip():
        raise FileRefused("file_empty", "The file is empty.", next_step="Ask for the file again.", place="byte 0")
    if content.startswith(_COMPRESSED):
        raise FileRefused(
            "file_compressed",
            "The file is compressed; a bank message is plain XML.",
            next_step="Unpack it first.",
            place="byte 0",
        )
    if len(content) > MAX_FILE_BYTES:
        raise FileRefused("file_too_large", f"The file is larger than {MAX_FILE_BYTES >> 20} MiB.", place="byte 0")


def _elements(content: bytes, event: Literal["start", "end"], tags: tuple[str, ...] | None) -> Iterator[Element]:
    parser = etree.XMLPullParser(
        events=(event,),
        tag=tags,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        collect_ids=False,
        remove_comments=True,
        remove_pis=True,
    )
    last_record = 0
    try:
        for start in range(0, len(content), _CHUNK):
            parser.feed(content[start : start + _CHUNK])
            for _, element in parser.read_events():
                last_record = start
                yield cast("Element", element)
            if start - last_record > MAX_RECORD_BYTES:
                raise FileRefused("xml_too_large", "One record of the file never ends.", place=f"byte {last_record}")
        parser.close()
        for _, element in parser.read_events():
            yield cast("Element", element)
    except etree.XMLSyntaxError as failure:
        raise _refusal(content, failure) from None


def _refusal(content: bytes, failure: etree.XMLSyntaxError) -> FileRefused:
    line, column = failure.position
    place = f"line {line}, column {column}"
    code = getattr(failure, "code", None)
    if b"<!DOCTYPE" in content[:_CHUNK]:
        return FileRefused("xml_has_dtd", "The file carries a document type (DTD); no bank message does.", place=place)
    if code in _WRONG_ENCODING:
        return FileRefused(
            "xml_wrong_encoding", "The file's bytes are not in the encoding that it names (UTF-8 if none).", place=place
        )
    if code == _RESOURCE_LIMIT:
        return FileRefused(
            "xml_too_large", "A text or a nesting in the file is beyond every bank message.", place=place
        )
    return FileRefused(
        "xml_not_well_formed",
        "The file is not whole XML: it is cut off, damaged, or another kind of file.",
        next_step="Fetch the file again and compare its length with the bank's.",
        place=place,
    )


def _name_of(tag: str) -> str:
    # Taken apart here, because lxml's QName raises ValueError for a namespace with a brace in it.
    namespace, _, local = tag.rpartition("}")
    name = namespace.removeprefix("{" + ISO_20022)
    if local != "Document" or name == namespace or not _MESSAGE_NAME.fullmatch(name):
        raise FileRefused(
            "wrong_message",
            "The file is XML, but no ISO 20022 message (its root is not a Document of that standard).",
            next_step="Check which file was meant.",
            place="line 1",
        )
    return name
