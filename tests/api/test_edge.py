"""Responses at the edge: chunks and slow clients."""

import anyio
import pytest
from starlette.types import Message

from api import edge
from api.edge import CHUNK, Answer, SlowClientError


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
@pytest.mark.parametrize("more", [True, False])
def test_a_body_is_sent_whole_or_in_pieces(size: int, more: bool) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    body = bytes(range(256)) * (size // 256 + 1)
    anyio.run(Answer(send), {"type": "http.response.body", "body": body[:size], "more_body": more})
    assert b"".join(message["body"] for message in sent) == body[:size]
    assert [len(message["body"]) for message in sent][:-1] == [CHUNK] * (len(sent) - 1)
    assert len(sent) == max(-(-size // CHUNK), 1)
    assert [message["more_body"] for message in sent] == [True] * (len(sent) - 1) + [more]


@pytest.mark.parametrize("within", [0.05, 300.0])
def test_an_answer_that_is_read_too_slowly_ends(monkeypatch: pytest.MonkeyPatch, within: float) -> None:
    monkeypatch.setattr(edge, "GRACE", 0.05 if within > 1 else 300.0)
    monkeypatch.setattr(edge, "LEAST_RATE", 10 * CHUNK)
    pieces = 0

    async def send(message: Message) -> None:
        nonlocal pieces
        pieces += 1
        await anyio.sleep(0.03 if pieces < 4 else 60)

    answer = Answer(send)
    answer.within = within
    with pytest.raises(SlowClientError):
        anyio.run(answer, {"type": "http.response.body", "body": b" " * 20 * CHUNK, "more_body": False})
    assert pieces == (2 if within < 1 else 4)
