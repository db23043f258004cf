"""What happens to an odd text that is kept: told, so that nothing happens in silence."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from replyrank.data.cleaning import MAX_CHARS
from replyrank.data.readers.rows import Notice

_NUL: Final = "\0"
_ODD: Final = re.compile("[\0\ud800-\udfff]")


def text_notices(lines: Iterable[int], texts: Sequence[object]) -> list[Notice]:
    """A notice for each text that is not scored, or not written, as it stands."""
    return [
        Notice(reason, line)
        for line, text in zip(lines, texts, strict=True)
        if isinstance(text, str)
        for reason in _doubts(text)
    ]


def _doubts(text: str) -> Iterator[str]:
    if len(text) > MAX_CHARS:
        yield f"the text has {len(text):,} characters; only its beginning and end are scored"
    odd = set(_ODD.findall(text))
    if _NUL in odd:
        yield "the text holds NUL characters, which the model does not see"
    if odd - {_NUL}:
        yield "the text holds half a character (a lone surrogate), which is written as U+FFFD"
