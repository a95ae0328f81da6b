"""Spans of a trace as OTLP writes them in JSON, the way Tempo and others give them back.

Ids are hexadecimal by OTLP's own rule, and Base64 where somebody left protobuf's rule in force; both are read. Knows
nothing of where the JSON came from.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from parley.waterfall import Span, root_of
from parley_cli.trace.fields import FAILED, mapping, mappings, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NS_PER_MS: Final = 1e6
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{16}){1,2}")
# Of 8 or 16 bytes, with or without what fills them up.
_BASE64: Final = re.compile(r"(?:[\w+/-]{11}=?|[\w+/-]{22}(?:==)?)", re.ASCII)
_ERROR: Final = (2, "STATUS_CODE_ERROR", "ERROR")


def spans_of(document: object) -> tuple[Span, ...]:
    """The spans in an answer of Tempo's, in milliseconds from the begin of their root; none where there are none."""
    answer = mapping(document)
    # The second version of the API wraps the trace, the first names its parts as they were once called.
    trace = mapping(answer.get("trace")) or answer
    found = [
        (span, service)
        for of_process in mappings(trace.get("resourceSpans") or trace.get("batches"))
        for service in [_service(mapping(of_process.get("resource")))]
        for of_scope in mappings(of_process.get("scopeSpans") or of_process.get("instrumentationLibrarySpans"))
        for span in mappings(of_scope.get("spans"))
    ]
    zero_ns = min((whole(span.get("startTimeUnixNano")) for span, _ in found), default=0)
    spans = [_span(span, service, zero_ns) for span, service in found]
    root = root_of(spans)
    if root is None:
        return ()
    return tuple(replace(span, start_ms=span.start_ms - root.start_ms) for span in spans)


def attributes_of(listed: object) -> dict[str, object]:
    """Attributes by their key, as plain values."""
    return {text(each.get("key")): _plain(mapping(each.get("value"))) for each in mappings(listed)}


def hexadecimal(identity: object) -> str:
    """An id in hexadecimal, however it was written; empty: it is none, or stands for none."""
    written = text(identity)
    if _HEX.fullmatch(written):
        found = written.lower()
    elif _BASE64.fullmatch(written):
        try:
            raw = base64.urlsafe_b64decode(written.rstrip("=") + "==")
        except binascii.Error:
            return ""
        found = raw.hex()
    else:
        return ""
    return found if found.strip("0") else ""


def _span(written: Mapping[str, object], service: str, zero_ns: int) -> Span:
    start_ns, end_ns = whole(written.get("startTimeUnixNano")), whole(written.get("endTimeUnixNano"))
    attributes = attributes_of(written.get("attributes"))
    return Span(
        name=text(written.get("name")),
        service=service,
        id=hexadecimal(written.get("spanId")),
        parent=hexadecimal(written.get("parentSpanId")),
        start_ms=(start_ns - zero_ns) / _NS_PER_MS,
        duration_ms=max(0, end_ns - start_ns) / _NS_PER_MS,
        error=_error(written, attributes),
        attributes=attributes,
    )


def _service(resource: Mapping[str, object]) -> str:
    return str(attributes_of(resource.get("attributes")).get("service.name", ""))


def _error(written: Mapping[str, object], attributes: Mapping[str, object]) -> str:
    """What a failed span says of its failure."""
    status = mapping(written.get("status"))
    if status.get("code") not in _ERROR:
        return ""
    kinds = [attributes.get("error.type"), *(each.get("exception.type") for each in _events(written))]
    kind = next((str(each) for each in kinds if each), "")
    said = text(status.get("message"))
    return ": ".join(each for each in (kind, said) if each and not (each is kind and said.startswith(kind))) or FAILED


def _events(written: Mapping[str, object]) -> Iterator[dict[str, object]]:
    return (attributes_of(event.get("attributes")) for event in mappings(written.get("events")))


def _plain(value: Mapping[str, object]) -> object:
    for kind, plain in value.items():
        match kind:
            case "intValue":
                return whole(plain) if not text(plain).startswith("-") else -whole(text(plain)[1:])
            case "arrayValue":
                return [_plain(each) for each in mappings(mapping(plain).get("values"))]
            case "kvlistValue":
                return attributes_of(mapping(plain).get("values"))
            case _:
                return plain
    return None
