"""What comes in at the same time goes into one transaction."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence

import pytest

pytest.importorskip("sqlalchemy", reason="the queue needs sqlalchemy (extra serve)")

from sqlalchemy.exc import OperationalError

from replyrank.serving.arrivals import Arrivals
from replyrank.serving.queue.inbound import Inbound
from replyrank.serving.queue.items import Changes, Receipt, Received
from tests.queues import inbound


class Transactions:
    """Takes messages in when it is told to; refuses those that are called ``wrong``."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[str], str | None]] = []
        self.may_go = asyncio.Event()
        self.error: Exception | None = None

    async def take(self, messages: Sequence[Inbound], team: str | None) -> Changes:
        self.seen.append(([one.external_id for one in messages], team))
        await self.may_go.wait()
        if self.error is not None:
            raise self.error
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


def test_teams_do_not_mix_and_do_not_keep_each_other_from_going_together() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        tasks = [hand_in(arrivals, str(n), team="ab"[n % 2]) for n in range(6)]
        transactions.may_go.set()
        await asyncio.gather(*tasks)
        assert transactions.seen == [(["0", "2", "4"], "a"), (["1", "3", "5"], "b")]

    run(work)


def test_a_transaction_has_a_size() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        transactions.may_go.set()
        tasks = [hand_in(arrivals, *(f"{n}-{m}" for m in range(200))) for n in range(4)]
        await asyncio.gather(*tasks)
        assert [len(numbers) for numbers, _ in transactions.seen] == [400, 400]

    run(work)


def test_letters_count_as_well_and_nobody_overtakes_one_of_his_team() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        transactions.may_go.set()
        long = [inbound(f"l{n}", "x" * 90_000) for n in range(3)]
        tasks = [asyncio.create_task(arrivals.ingest([one], None)) for one in long]
        tasks.append(hand_in(arrivals, "short"))
        await asyncio.gather(*tasks)
        assert [numbers for numbers, _ in transactions.seen] == [["l0", "l1"], ["l2", "short"]]

    run(work)


def test_a_database_that_is_down_is_asked_once_for_all() -> None:
    async def work(transactions: Transactions, arrivals: Arrivals) -> None:
        transactions.may_go.set()
        transactions.error = OperationalError("", {}, Exception("down"))
        tasks = [hand_in(arrivals, number) for number in ("1", "2", "3")]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, OperationalError) for one in found)
        assert [numbers for numbers, _ in transactions.seen] == [["1", "2", "3"]]
        transactions.error = None
        assert ids(await hand_in(arrivals, "4")) == ["4"]

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
