"""Answers on their way out."""

import anyio
import pytest
from starlette.types import Message

from api.edge import CHUNK, Answer


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5])
@pytest.mark.parametrize("more", [True, False])
def test_a_body_goes_out_whole_and_in_pieces(size: int, more: bool) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    body = bytes(range(256)) * (size // 256 + 1)
    anyio.run(Answer(send), {"type": "http.response.body", "body": body[:size], "more_body": more})
    assert b"".join(message["body"] for message in sent) == body[:size]
    assert [len(message["body"]) for message in sent][:-1] == [CHUNK] * (len(sent) - 1)
    assert len(sent) == max(-(-size // CHUNK), 1)
    assert [message["more_body"] for message in sent] == [True] * (len(sent) - 1) + [more]
