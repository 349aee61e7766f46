"""Turns: the order of requests, and the bounds of a request."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from api import turns as module
from api.errors import ApiError
from api.turns import REQUESTS, REQUESTS_OF_TOKEN, UNSENT_OF_TOKEN, Turns, Work


async def stays() -> Message:
    """Behave as a client that keeps its connection."""
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}


async def leaves() -> Message:
    """Behave as a client that has closed its connection."""
    return {"type": "http.disconnect"}


def run_in_loop(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test, for two minutes at most."""

    async def bounded() -> None:
        async with asyncio.timeout(120):
            await test()

    asyncio.run(bounded())


@pytest.fixture
def one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow one turn at a time."""
    monkeypatch.setattr(module, "AT_ONCE", 1)


def test_tokens_take_turns(one_at_once: None) -> None:
    done: list[str] = []

    async def test() -> None:
        turns = Turns()
        works = [turns.admit(token, stays) for token in ["a"] * 5 + ["b"] * 2 + ["c"]]
        await asyncio.gather(*(work.run(done.append, work.token) for work in works))

    run_in_loop(test)
    assert done == ["a", "a", "b", "c", "a", "b", "a", "a"]


def test_a_token_has_two_turns_at_once() -> None:
    running: list[int] = []

    async def test() -> None:
        turns = Turns()

        def note() -> None:
            running.append(turns.running["a"])

        await asyncio.gather(*(turns.admit("a", stays).run(note) for _ in range(10)))
        assert not turns.running and not turns.waiting

    run_in_loop(test)
    assert max(running) == 2


def test_work_for_a_closed_connection_is_skipped(one_at_once: None) -> None:
    done: list[str] = []

    async def test() -> None:
        turns = Turns()
        first = turns.admit("a", stays)
        gone = [turns.admit("a", leaves) for _ in range(5)]
        results = await asyncio.gather(
            *(work.run(done.append, "work") for work in (first, *gone)), return_exceptions=True
        )
        assert [type(result) for result in results[1:]] == [ClientDisconnect] * 5
        for work in (first, *gone):
            work.end()
        assert not turns.requests and not turns.running and not turns.waiting and not turns.unsent

    run_in_loop(test)
    assert done == ["work"]


def test_the_ignored_body_of_a_request_is_limited(one_at_once: None) -> None:
    async def sends_on() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    async def test() -> None:
        turns = Turns()
        turns.running["b"] = 1  # nobody else gets a turn
        with pytest.raises(ClientDisconnect):
            await turns.admit("a", sends_on).run(int)

    run_in_loop(test)


def test_requests_in_progress_are_limited_per_token_and_in_all() -> None:
    async def test() -> None:
        turns = Turns()
        works = [turns.admit("a", stays) for _ in range(REQUESTS_OF_TOKEN)]
        with pytest.raises(ApiError) as error:
            turns.admit("a", stays)
        assert (error.value.status, error.value.code) == (429, "rate_limited")
        works += [turns.admit(str(number), stays) for number in range(REQUESTS - REQUESTS_OF_TOKEN)]
        with pytest.raises(ApiError) as error:
            turns.admit("b", stays)
        assert (error.value.status, error.value.code) == (503, "busy")
        assert error.value.headers == {"Retry-After": "1"}
        for work in works:
            work.end()
        turns.admit("a", stays)

    run_in_loop(test)


def test_a_token_whose_clients_do_not_read_waits_and_others_do_not() -> None:
    async def test() -> None:
        turns = Turns()
        slow, next_one = turns.admit("a", stays), turns.admit("a", stays)
        slow.count_unsent(UNSENT_OF_TOKEN)
        waiting = asyncio.create_task(next_one.run(int))
        await turns.admit("b", stays).run(int)
        assert not waiting.done()
        slow.end()
        await waiting

    run_in_loop(test)


def test_unsent_bytes_of_all_tokens_are_limited_but_a_token_without_any_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "UNSENT", 100)

    async def test() -> None:
        turns = Turns()
        works: list[Work] = [turns.admit(token, stays) for token in "ab"]
        for work in works:
            work.count_unsent(50)
        waiting = asyncio.create_task(turns.admit("a", stays).run(int))
        await turns.admit("c", stays).run(int)
        assert not waiting.done()
        works[1].count_unsent(10)
        await waiting

    run_in_loop(test)
