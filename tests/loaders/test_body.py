"""Bodies are kept as they arrive; truncated and oversized ones are refused."""

import gzip
import random
import tracemalloc
import zlib
from math import inf

import httpx
import pytest

from loaders import body
from loaders.body import Body, MalformedBodyError, OversizedBodyError, is_html, read_body
from tests.fal_server.faults import zip_bomb
from tests.fal_server.messages import Answer
from tests.loaders.conftest import Wire

CSV = b"BilledCost\n" + b"".join(b"%d.5\n" % number for number in range(20_000))


def answer(content: bytes, *, chunk: int = 1000, **headers: str) -> httpx.Response:
    """Return a response whose body arrives in chunks of a size."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    chunks = (content[at : at + chunk] for at in range(0, len(content), chunk))
    return httpx.Response(200, headers=named, stream=Wire(chunks))


@pytest.mark.parametrize("chunk", [1, 7, 1000, 10**9])
@pytest.mark.parametrize("piece", [1, 1000, 2**20])
def test_gzip_in_any_chunks_is_decoded_and_kept(
    monkeypatch: pytest.MonkeyPatch, chunk: int, piece: int
) -> None:
    monkeypatch.setattr(body, "PIECE", piece)
    content = CSV[:5000]
    wire = gzip.compress(content, 1)
    got = read_body(answer(wire, chunk=chunk, Content_Encoding="gzip", Content_Length=str(len(wire))), inf)
    assert got == Body(content, wire, is_framed=True)


def test_a_body_without_encoding_is_unchanged() -> None:
    assert read_body(answer(CSV, Transfer_Encoding="chunked"), inf) == Body(CSV, None, is_framed=True)
    assert read_body(answer(CSV), inf) == Body(CSV, None, is_framed=False)


def test_a_body_of_several_gzip_members_is_decoded_and_not_kept_as_gzip() -> None:
    wire = gzip.compress(b"BilledCost\n") + gzip.compress(b"1.5\n")
    for chunk in (1, 5, 1000):
        got = read_body(answer(wire, chunk=chunk, Content_Encoding="gzip"), inf)
        assert (got.content, got.gzipped) == (b"BilledCost\n1.5\n", None)


def test_every_truncation_of_a_gzip_stream_is_detected() -> None:
    wire = gzip.compress(b"BilledCost\n1.5\n") + gzip.compress(b"2.5\n")
    whole = len(gzip.compress(b"BilledCost\n1.5\n"))
    for end in {*range(1, len(wire))} - {whole}:
        with pytest.raises(MalformedBodyError, match="in the middle of its gzip encoding"):
            read_body(answer(wire[:end], Content_Encoding="gzip"), inf)


@pytest.mark.parametrize(
    "wire",
    [
        b"BilledCost\n",
        zlib.compress(CSV),
        gzip.compress(CSV) + b"\0",
        gzip.compress(CSV)[:-8] + b"\0" * 8,
        gzip.compress(CSV) + b"more",
    ],
    ids=["none", "zlib", "zeros after", "wrong checksum", "text after"],
)
def test_invalid_or_truncated_gzip_is_refused(wire: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="gzip encoding"):
        read_body(answer(wire, Content_Encoding="gzip"), inf)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_requested_is_refused(encoding: str) -> None:
    with pytest.raises(MalformedBodyError, match="instead of gzip"):
        read_body(answer(CSV, Content_Encoding=encoding), inf)


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "LARGEST", len(CSV))
    assert read_body(answer(CSV), inf).content == CSV
    assert read_body(answer(gzip.compress(CSV), Content_Encoding="gzip"), inf).content == CSV
    for wire, headers in ((CSV + b"1", {}), (gzip.compress(CSV + b"1"), {"Content_Encoding": "gzip"})):
        with pytest.raises(OversizedBodyError):
            read_body(answer(wire, **headers), inf)


def test_compressed_bytes_are_limited_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = random.Random(1).randbytes(3000)
    wire = gzip.compress(noise)
    assert len(wire) > len(noise)
    monkeypatch.setattr(body, "LARGEST", len(noise))
    with pytest.raises(OversizedBodyError):
        read_body(answer(wire, Content_Encoding="gzip"), inf)


def test_a_zip_bomb_is_refused_before_it_fills_the_memory() -> None:
    bomb = zip_bomb(Answer(200, b"")).body
    assert len(bomb) < body.LARGEST / 400
    tracemalloc.start()
    try:
        with pytest.raises(OversizedBodyError):
            read_body(answer(bomb, chunk=2**16, Content_Encoding="gzip"), inf)
        assert tracemalloc.get_traced_memory()[1] < body.LARGEST + 2**23
    finally:
        tracemalloc.stop()


def test_a_body_that_takes_too_long_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        read_body(answer(CSV), until=0)


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json", "text/csv", ""])
def test_html_is_detected_with_any_content_type(content_type: str) -> None:
    reply = httpx.Response(200, headers={"Content-Type": content_type})
    assert is_html(reply, Body(b"\n <!doctype html>"))
    assert is_html(reply, Body(b"sorry")) == ("html" in content_type)
