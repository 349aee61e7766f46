"""Response bodies: read in pieces up to a limit, with the content encoding removed."""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from zlib_ng import zlib_ng

LARGEST = 64 * 2**20  # bytes, on the wire and decoded; a page of 10,000 events has about 4 million
PIECE = 2**16  # bytes decoded at once: a few thousand bytes of gzip may expand a thousandfold


class MalformedBodyError(Exception):
    """A body is invalid; a retry may return a valid one."""


class OversizedBodyError(Exception):
    """A body is larger than LARGEST; a retry would return it again."""


@dataclass(frozen=True)
class Body:
    """A complete body, decoded. gzipped: the bytes on the wire if they are gzip with one member, else None.

    is_framed: whether the response has a Content-Length or is chunked. Without either, the body ends with the
    connection, and a truncated body can only be detected from its content.
    """

    content: bytes
    gzipped: bytes | None = None
    is_framed: bool = True


class GzipDecoder:
    """Decodes gzip piece by piece, with any number of members."""

    def __init__(self) -> None:
        self.members = 0
        self._member: zlib_ng._Decompress | None = None  # the type has no public name

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Decode more bytes, in pieces of at most PIECE. Raises MalformedBodyError."""
        while data:
            if self._member is None:
                self._member = zlib_ng.decompressobj(wbits=31)
                self.members += 1
            piece = None
            while piece is None or len(piece) == PIECE:  # a full piece may not be the last one
                try:
                    piece = self._member.decompress(data, PIECE)
                except zlib_ng.error:  # type: ignore[misc]  # the stub declares an instance
                    raise MalformedBodyError("its gzip encoding is broken") from None
                yield piece
                data = self._member.unconsumed_tail
            if self._member.eof:
                data = self._member.unused_data
                self._member = None

    @property
    def is_complete(self) -> bool:
        """Whether the bytes so far end with a member."""
        return self._member is None


def read_body(response: httpx.Response, until: float) -> Body:
    """Read and decode the body of a response.

    httpx checks the length of a body, but accepts a truncated gzip stream, and decodes without a limit.
    Raises MalformedBodyError if the gzip is broken or truncated, OversizedBodyError, and TimeoutError when
    `time.monotonic()` passes `until`.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise MalformedBodyError(f"it is encoded as {encoding!r} instead of gzip")
    is_framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    chunks = _limit(response.iter_raw(), until)
    if encoding in ("", "identity"):
        return Body(_join(chunks), None, is_framed)
    decoder, received = GzipDecoder(), list[bytes]()
    content = _join(_limit(_decode(chunks, decoder, received), until))
    if not decoder.is_complete:
        raise MalformedBodyError("it ends in the middle of its gzip encoding")
    return Body(content, b"".join(received) if decoder.members == 1 else None, is_framed)


def is_html(response: httpx.Response, body: Body) -> bool:
    """Return whether a body is an HTML page, such as the error page of a proxy."""
    content_type = response.headers.get("Content-Type", "")
    return "html" in content_type.lower() or body.content[:64].lstrip()[:1] == b"<"


def _decode(chunks: Iterator[bytes], decoder: GzipDecoder, received: list[bytes]) -> Iterator[bytes]:
    """Decode chunks, and append each one to received."""
    for chunk in chunks:
        received.append(chunk)
        yield from decoder.decode(chunk)


def _join(chunks: Iterator[bytes]) -> bytes:
    """Join chunks; b"".join would hold all bytes twice."""
    buffer = io.BytesIO()
    for chunk in chunks:
        buffer.write(chunk)
    return buffer.getvalue()


def _limit(chunks: Iterator[bytes], until: float) -> Iterator[bytes]:
    """Pass chunks on. Raises OversizedBodyError after LARGEST bytes, and TimeoutError after `until`."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST:
            raise OversizedBodyError
        if time.monotonic() > until:
            raise TimeoutError
        yield chunk
