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
from dataclasses import dataclass
from typing import Literal, cast

from lxml import etree

from paysvc.core.source import Source
from paysvc.domain.errors import FileRefused

ISO_20022 = "urn:iso:std:iso:20022:tech:xsd:"

#: A statement of ten million entries has 5-10 GB; nothing of ours is longer.
MAX_FILE_BYTES = 1 << 34

#: Below this the parser is done before the scanner's kernels are loaded (bytes).
WORTH_SCANNING = 1 << 20

#: One record (an entry, a payment) is a few thousand bytes; past this it is an attack on memory.
MAX_RECORD_BYTES = 1 << 24

#: No field that is kept is longer than Max140Text; banks that overrun it stay far below this.
MAX_FIELD_LENGTH = 2_000

#: ISO 20022: what stands for the EndToEndId where the payer gave none.
NO_REFERENCE = "NOTPROVIDED"

#: A statement's header has some dozen elements; each is looked at again in every stride.
_MOST_HEADERS = 1_000

#: Bytes in a row without a tag's beginning, white space aside; of attributes libxml2 makes thirty times as many.
_LONGEST_TAG = 1 << 21

_STRIDE = 1 << 16
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


def message_name(content: bytes | Source) -> str:
    """Which ISO 20022 message these bytes are, as `camt.053.001.08`, by their namespace.

    Raises `FileRefused` with `file_empty`, `file_compressed`, `file_too_large`,
    `xml_not_well_formed`, `xml_wrong_encoding`, `xml_has_dtd`, `xml_too_large` or `wrong_message`.
    """
    source = Source.of(content)
    _refuse_what_is_no_text(source)
    for _, root in _growing(source, event="start", tag=None):
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


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a message keeps what is many, in local names.

    `Document/<body>/<container>*/<record>*`, and, where one record may itself hold many parts,
    `<record>/<parts>*/<part>*`.
    """

    body: str
    container: str
    record: str
    parts: str = ""
    part: str = ""


def records(source: Source, name: str, shape: Shape) -> Iterator[Element]:
    """The elements that a reader takes, each when it is whole, in document order.

    `name` is what `message_name` said of the same bytes. Handed out are the body's other
    children (headers), the records, and each container after its records, with its own
    header still in it. Parts come by themselves, before their record, only out of a record
    that is longer than the parser's stride; all others are still inside it. What was handed
    out is dropped when the next is asked for. Raises `FileRefused` as `message_name` does,
    wherever in the file the fault lies, and with `wrong_structure`.
    """
    walk = _Walk(name, shape)
    last_record = 0
    for position, root in _growing(source, event="start", tag=qualified(name, "Document")):
        for element in walk.whole(root, is_complete=position == source.size):
            last_record = position
            yield element
        if position - last_record > MAX_RECORD_BYTES:
            raise FileRefused("xml_too_large", "One record of the file never ends.", place=f"byte {last_record}")


def qualified(name: str, local: str) -> str:
    """The element `local` of the message `name`, in the parser's `{namespace}local` form."""
    return f"{{{ISO_20022}{name}}}{local}"


def text_of(element: Element | None) -> str:
    """The element's text without surrounding white space; "" for an absent or empty element."""
    return (element.text or "").strip() if element is not None else ""


def place_of(element: Element, what: str) -> str:
    """`entry 12, line 340`: where a person finds the element in the file."""
    return ", ".join(filter(None, (what, f"line {element.sourceline}" if element.sourceline else "")))


class _Walk:
    """Takes from a growing tree what is whole, and takes it out of the tree.

    An element is whole as soon as another follows it. The last one stays, because it may be
    the one that the parser is still filling.
    """

    def __init__(self, name: str, shape: Shape) -> None:
        self._body, self._container = qualified(name, shape.body), qualified(name, shape.container)
        self._record = qualified(name, shape.record)
        self._parts, self._part = qualified(name, shape.parts), qualified(name, shape.part)
        self._headers = 0

    def whole(self, root: Element, *, is_complete: bool) -> Iterator[Element]:
        """What became whole since the last time; all the rest when the tree `is_complete`."""
        if len(root) > 1 or (len(root) and root[0].tag != self._body):
            place = place_of(root[-1], "")
            raise FileRefused("wrong_structure", "The message is not what its name says.", place=place)
        if not len(root):
            return
        body = root[0]
        children = list(body)
        end = len(children) if is_complete else len(children) - 1
        for child in children[:end]:
            if child.tag == self._container:
                yield from self._take(child, self._record, len(child))
            elif child.tag in (self._record, self._part):
                place = place_of(child, "")
                raise FileRefused("wrong_structure", "The file's elements are not where they belong.", place=place)
            else:
                self._headers += 1
                if self._headers > _MOST_HEADERS:
                    raise FileRefused("xml_too_large", "The file's headers never end.", place=place_of(child, ""))
            yield child
            child.clear()
        del body[: max(end, 0)]
        if not is_complete and children and children[-1].tag == self._container:
            yield from self._in_open_container(children[-1])

    def _in_open_container(self, container: Element) -> Iterator[Element]:
        yield from self._take(container, self._record, len(container) - 1)
        if len(container) and container[-1].tag == self._record:
            for parts in self._new_parts(container[-1]):
                is_open = parts.getnext() is None
                yield from self._take(parts, self._part, len(parts) - 1 if is_open else len(parts))

    def _new_parts(self, record: Element) -> list[Element]:
        """The record's groups of parts that were not emptied yet: the last ones."""
        new: list[Element] = []
        parts = next(record.iterchildren(reversed=True), None)
        while parts is not None and parts.tag == self._parts:
            if new and next(parts.iterchildren(self._part), None) is None:
                break
            new.append(parts)
            parts = parts.getprevious()
        return new[::-1]

    def _take(self, parent: Element, tag: str, end: int) -> Iterator[Element]:
        """The children `tag` of `parent` before `end`, which stand together by every schema."""
        first = last = -1
        for at, child in enumerate(list(parent)[: max(end, 0)]):
            if child.tag == tag:
                if first < 0:
                    first = at
                elif last != at - 1:
                    place = place_of(child, "")
                    raise FileRefused("wrong_structure", "The file's elements are not in their order.", place=place)
                last = at
                yield child
                # Of what is taken out while held, lxml moves the children, in a time that grows with their square.
                child.clear()
        if first >= 0:
            del parent[first : last + 1]
        elif end > _MOST_HEADERS:
            raise FileRefused("xml_too_large", "A header of the file never ends.", place=place_of(parent, ""))


def _refuse_what_is_no_text(source: Source) -> None:
    if all(not source.read(start, start + _STRIDE).strip() for start in range(0, source.size, _STRIDE)):
        raise FileRefused("file_empty", "The file is empty.", next_step="Ask for the file again.", place="byte 0")
    if source.read(0, 16).startswith(_COMPRESSED):
        raise FileRefused(
            "file_compressed",
            "The file is compressed; a bank message is plain XML.",
            next_step="Unpack it first.",
            place="byte 0",
        )
    if source.size > MAX_FILE_BYTES:
        raise FileRefused("file_too_large", f"The file is larger than {MAX_FILE_BYTES >> 20} MiB.", place="byte 0")


def _growing(source: Source, event: Literal["start"], tag: str | None) -> Iterator[tuple[int, Element]]:
    """The root and how many bytes are in it, again after each stride, the last time when all are."""
    parser = etree.XMLPullParser(
        events=(event,),
        tag=tag,
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
    root: Element | None = None
    untagged = 0
    try:
        for start in range(0, source.size, _STRIDE):
            stride = source.read(start, start + _STRIDE)
            parser.feed(stride)
            # A tag is parsed when its end has come, however many attributes it has by then.
            untagged = 0 if b"<" in stride else untagged + len(stride.strip())
            if untagged > _LONGEST_TAG:
                raise FileRefused("xml_too_large", "A tag or a text of the file never ends.", place=f"byte {start}")
            if root is None:
                root = next((cast("Element", element) for _, element in parser.read_events()), None)
            if root is not None and start + _STRIDE < source.size:
                yield start + _STRIDE, root
        parser.close()
    except etree.XMLSyntaxError as failure:
        raise _refusal(source, failure) from None
    if root is not None:
        yield source.size, root


def _refusal(source: Source, failure: etree.XMLSyntaxError) -> FileRefused:
    line, column = failure.position
    place = f"line {line}, column {column}"
    code = getattr(failure, "code", None)
    if b"<!DOCTYPE" in source.read(0, _STRIDE):
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
