"""What comes in at the same time goes into one transaction."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")

from replyrank.serving.arrivals import Arrivals
from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Changes, Receipt, Received
from tests.queues import inbound


class Transactions:
    """Takes messages in when it is told to; refuses those that are called ``wrong``."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[str], str | None]] = []
        self.may_go = asyncio.Event()

    async def take(self, messages: Sequence[Inbound], team: str | None) -> Changes:
        self.seen.append(([one.external_id for one in messages], team))
        await self.may_go.wait()
        if any(one.external_id == "wrong" for one in messages):
            message = "not these"
            raise ValueError(message)
        return Changes([Received(one.external_id, Receipt.ACCEPTED, None) for one in messages])


def run(work: Callable[[Transactions, Arrivals], Coroutine[None, None, None]]) -> None:
    async def go() -> None:
        transactions = Transactions()
        await work(transactions, Arrivals(transactions.take))

    asyncio.run(go())


def hand_in(
    arrivals: Arrivals, *numbers: str, team: str | None = None
) -> "asyncio.Task[Sequence[Received]]":
    return asyncio.create_task(arrivals.ingest([inbound(number) for number in numbers], team))


def ids(received: Sequence[Received]) -> list[str]:
    return [one.external_id for one in received]


def test_what_waits_goes_together_and_each_hears_of_its_own() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        first = hand_in(arrivals, "1")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        later = [hand_in(arrivals, "2", "3"), hand_in(arrivals, "4")]
        await asyncio.sleep(0)
        transactions.may_go.set()
        assert [ids(one) for one in await asyncio.gather(first, *later)] == [
            ["1"], ["2", "3"], ["4"],
        ]  # fmt: skip
        assert [numbers for numbers, _ in transactions.seen] == [["1"], ["2", "3", "4"]]

    run(work)


def test_teams_do_not_mix_and_order_is_kept() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        tasks = [hand_in(arrivals, "1", team="a"), hand_in(arrivals, "2", team="b")]
        tasks += [hand_in(arrivals, "3", team="b"), hand_in(arrivals, "4", team="a")]
        transactions.may_go.set()
        await asyncio.gather(*tasks)
        assert transactions.seen == [(["1"], "a"), (["2", "3"], "b"), (["4"], "a")]

    run(work)


def test_a_transaction_has_a_size() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        transactions.may_go.set()
        tasks = [hand_in(arrivals, *(f"{n}-{m}" for m in range(200))) for n in range(4)]
        await asyncio.gather(*tasks)
        assert [len(numbers) for numbers, _ in transactions.seen] == [400, 400]

    run(work)


def test_what_is_wrong_with_one_is_no_fault_of_the_others() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        transactions.may_go.set()
        tasks = [hand_in(arrivals, number) for number in ("1", "wrong", "2")]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found[1], ValueError)
        assert [ids(one) for one in found if not isinstance(one, BaseException)] == [["1"], ["2"]]

    run(work)


def test_who_goes_leaves_the_others_and_his_messages_there() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        gone, waits = hand_in(arrivals, "1"), hand_in(arrivals, "2")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        transactions.may_go.set()
        assert ids(await waits) == ["2"]
        assert transactions.seen[0][0] == ["1", "2"]
        # It works on after that.
        assert ids(await hand_in(arrivals, "3")) == ["3"]

    run(work)
