"""The body of an answer: read as it comes, never more than a bound, its content encoding undone."""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from zlib_ng import zlib_ng

LARGEST = 64 * 2**20  # bytes, as they come and decoded; a page of 10,000 events has some 4 million
PIECE = 2**16  # bytes decoded at once: a few thousand bytes of gzip may hold a thousand times as many


class MalformedBodyError(Exception):
    """A body is not what it should be; asking again may bring a whole one."""


class OversizedBodyError(Exception):
    """A body goes on past LARGEST; asking again would bring it again."""


@dataclass(frozen=True)
class Body:
    """A whole body, decoded. gzipped: the bytes as they came, if they are gzip in one member, else None.

    is_framed: whether the answer said where it ends, by Content-Length or in chunks. Of another, which ends
    with the connection, nobody can tell that nothing is missing but by what it says.
    """

    content: bytes
    gzipped: bytes | None = None
    is_framed: bool = True


class Gunzip:
    """Undoes gzip piece by piece, in any number of members."""

    def __init__(self) -> None:
        self.members = 0
        self._member: zlib_ng._Decompress | None = None

    def fed(self, data: bytes) -> Iterator[bytes]:
        """What comes out for more bytes, at most PIECE at once. MalformedBodyError when they are no gzip."""
        while data:
            if self._member is None:
                self._member = zlib_ng.decompressobj(wbits=31)
                self.members += 1
            piece = None
            while piece is None or len(piece) == PIECE:  # then there may be more of it
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
    def is_whole(self) -> bool:
        """Whether what was fed so far ends where a member ends."""
        return self._member is None


def read(answer: httpx.Response, until: float) -> Body:
    """Read and decode a body. MalformedBodyError when its gzip is broken or ends early, OversizedBodyError
    when it is too large, TimeoutError when `time.monotonic()` passes `until`.

    httpx sees to it that as many bytes come as were promised, but takes half a gzip stream for a whole one,
    and decodes without a bound.
    """
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise MalformedBodyError(f"it is encoded as {encoding!r}, and gzip was asked for")
    is_framed = "Content-Length" in answer.headers or "Transfer-Encoding" in answer.headers
    wire = _bounded(answer.iter_raw(), until)
    if encoding in ("", "identity"):
        return Body(_joined(wire), None, is_framed)
    gunzip, came = Gunzip(), []

    def pieces() -> Iterator[bytes]:
        for chunk in wire:
            came.append(chunk)
            yield from gunzip.fed(chunk)

    content = _joined(_bounded(pieces(), until))
    if not gunzip.is_whole:
        raise MalformedBodyError("it ends in the middle of its gzip encoding")
    return Body(content, b"".join(came) if gunzip.members == 1 else None, is_framed)


def looks_like_html(answer: httpx.Response, body: Body) -> bool:
    """Whether a proxy in front answered with a page for people."""
    content_type = answer.headers.get("Content-Type", "")
    return "html" in content_type.lower() or body.content[:64].lstrip()[:1] == b"<"


def _joined(chunks: Iterator[bytes]) -> bytes:
    """All chunks in one, without having everything in memory twice, as a join has."""
    buffer = io.BytesIO()
    for chunk in chunks:
        buffer.write(chunk)
    return buffer.getvalue()


def _bounded(chunks: Iterator[bytes], until: float) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST:
            raise OversizedBodyError
        if time.monotonic() > until:
            raise TimeoutError
        yield chunk
