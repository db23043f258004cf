"""What customers say in dialogues with customer care on Twitter."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from replyrank.data.companies import company_of
from replyrank.data.corpora.base import CorpusPost, csv_records, open_text, time_or_none
from replyrank.data.text_key import restore
from replyrank.data.vocabulary import Channel

_TURN: Final = re.compile(r"\s*<BR>\s*")
_FIRST_WORD: Final = re.compile(r"\w+")


def tweetsumm(root: Path) -> Iterator[CorpusPost]:
    """Customers' turns of dialogues from Customer Support on Twitter, other brands among them.

    The file has no speakers, and handles without their ``@``. A customer opens the dialogue
    and addresses the company by its handle, which an agent never does: these turns are given,
    with the ``@`` put back.
    """
    parts = (
        csv_records(root, f"tweetsumm/dialogues_with_text_{part}.csv")
        for part in ("train", "valid", "test")
    )
    for dialogue in chain.from_iterable(parts):
        turns = [turn for turn in _TURN.split(dialogue["inputs"].strip()) if turn]
        handles = [_handle(turn) for turn in turns]
        brand = next((handle for handle in handles if handle), None)
        for number, (turn, handle) in enumerate(zip(turns, handles, strict=True)):
            if number and not handle:
                continue
            text = f"@{turn}" if handle else turn
            yield CorpusPost(
                source="tweetsumm",
                text=restore(text.replace("<LINK>", "{link}")),
                brand=brand,
                channel=Channel.TWITTER,
            )


def ibm_care(root: Path) -> Iterator[CorpusPost]:
    """Customers' messages of support dialogues on Twitter in 2020."""
    for part in ("dev", "test"):
        with open_text(root, f"ibm_customer_care/{part}.json") as lines:
            dialogues = json.load(lines)
        for dialogue in dialogues:
            for turn in dialogue["dialogContent"]:
                if "message" not in turn or not any(key.startswith("client") for key in turn):
                    continue
                yield CorpusPost(
                    source="ibm_care",
                    text=restore(turn["message"]),
                    brand=dialogue["dialogHeader"]["company"],
                    channel=Channel.TWITTER,
                    created_at=time_or_none(turn.get("datetime", "")),
                    native={"id": turn.get("tweet_ID", "")},
                )


def _handle(turn: str) -> str | None:
    """The handle of a company that opens a turn; its letters tell it from a word ("Apple")."""
    match = _FIRST_WORD.match(turn)
    if match is None or not company_of(match.group()):
        return None
    word = match.group()
    return word if any(letter.isupper() for letter in word[1:]) else None
