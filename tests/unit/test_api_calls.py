"""How routes are called: by what way, and for how long somebody waits."""

import asyncio
from collections.abc import Coroutine
from inspect import signature
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi (extra serve)")

from fastapi import Request

from replyrank.serving.api import queue, scoring
from replyrank.serving.api.app import DIRECT, asked_often
from replyrank.serving.api.context import ClientGoneError, while_connected


def request(*messages: str, after: float = 0.0) -> Request:
    """A request whose connection says these things, and then nothing more."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(after)
        if not left:
            await asyncio.Event().wait()
        return {"type": left.pop(0)}

    return Request({"type": "http", "headers": []}, receive)


def test_routes_that_are_called_directly_take_the_request_alone() -> None:
    # A parameter of another kind would need what is bypassed.
    routes = [*asked_often(scoring.router), *asked_often(queue.router)]
    assert sorted(one.path for one in routes) == sorted(DIRECT)
    for one in routes:
        assert list(signature(one.endpoint).parameters) == ["request"]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


def test_the_result_comes_whether_or_not_the_connection_was_watched() -> None:
    async def go() -> None:
        for seconds in (0.0, 0.1):
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_later(seconds, future.set_result, 7)
            assert await while_connected(request("http.request"), future) == 7

    run(go())


def test_the_error_of_the_work_comes_through() -> None:
    async def go() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_exception(ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            await while_connected(request(), future)

    run(go())


def test_work_of_a_client_that_went_is_cancelled() -> None:
    async def go() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with pytest.raises(ClientGoneError):
            await while_connected(request("http.request", "http.disconnect"), future)
        assert future.cancelled()

    run(go())


def test_who_is_cancelled_himself_drops_his_work() -> None:
    async def go() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(while_connected(request(), future))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert future.cancelled()

    run(go())
