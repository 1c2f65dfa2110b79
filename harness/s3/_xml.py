"""S3's XML: what is answered and what is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from harness.s3._errors import S3Refusal

__all__ = ["Element", "document", "error_document", "parse_complete", "parse_delete", "url_encode"]

Element = tuple[str, "str | int | bool | Sequence[Element]"]
"""A name and its text or children."""

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def document(root: str, children: Sequence[Element]) -> bytes:
    """An answer's body."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{_render(children)}</{root}>'.encode()


def error_document(code: str, message: str, resource: str, request_id: str) -> bytes:
    fields: list[Element] = [
        ("Code", code),
        ("Message", message),
        ("Resource", resource),
        ("RequestId", request_id),
    ]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_render(fields)}</Error>'.encode()


def _render(children: Iterable[Element]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in children)


def _text(value: str | int | bool | Sequence[Element]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _UNPRINTABLE.sub(lambda found: f"&#x{ord(found[0]):x};", escape(value))
    return _render(value)


def url_encode(text: str) -> str:
    """``encoding-type=url``."""
    return quote(text, safe="/-_.~")


def _parse(body: bytes, root: str) -> ElementTree.Element:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise S3Refusal("MalformedXML", "The XML you provided declares a document type")
    try:
        parsed = ElementTree.fromstring(body)  # noqa: S314  (no document type, hence no entities)
    except ElementTree.ParseError as error:
        raise S3Refusal("MalformedXML", f"The XML you provided was not well-formed: {error}") from error
    if _local(parsed) != root:
        raise S3Refusal("MalformedXML", f"The XML you provided is no {root}")
    return parsed


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _field(element: ElementTree.Element, name: str) -> str | None:
    return next((child.text or "" for child in element if _local(child) == name), None)


def parse_delete(body: bytes) -> tuple[list[str], bool]:
    """(keys, quiet) of a batch delete."""
    root = _parse(body, "Delete")
    keys = [_field(child, "Key") for child in root if _local(child) == "Object"]
    if not keys or len(keys) > 1000:
        raise S3Refusal("MalformedXML", "A batch delete names 1 to 1000 objects")
    found = [key for key in keys if key is not None]
    if len(found) != len(keys):
        raise S3Refusal("MalformedXML", "An object of the batch delete has no Key")
    return found, (_field(root, "Quiet") or "").lower() == "true"


def parse_complete(body: bytes) -> list[tuple[int, str]]:
    """(part number, etag without quotes) of the parts an upload is made of."""
    root = _parse(body, "CompleteMultipartUpload")
    parts: list[tuple[int, str]] = []
    for child in root:
        if _local(child) != "Part":
            continue
        number, etag = _field(child, "PartNumber"), _field(child, "ETag")
        if number is None or not number.isdigit() or etag is None:
            raise S3Refusal("MalformedXML", "A part has no PartNumber or no ETag")
        parts.append((int(number), etag.strip().strip('"')))
    if not parts:
        raise S3Refusal("MalformedXML", "You must specify at least one part")
    if [number for number, _ in parts] != sorted({number for number, _ in parts}):
        raise S3Refusal("InvalidPartOrder", "The list of parts was not in ascending order")
    return parts
