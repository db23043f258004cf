"""What happens to an odd text that is kept: told, so that nothing happens in silence."""

import re
from collections.abc import Iterator
from typing import Final

from replyrank.data.cleaning import MAX_CHARS

_NUL: Final = "\0"
_ODD: Final = re.compile("[\0\ud800-\udfff]")


def text_doubts(text: object) -> Iterator[str]:
    """Why a text is not scored, or not written, as it stands; nothing for what is no text."""
    if not isinstance(text, str):
        return
    if len(text) > MAX_CHARS:
        yield f"the text has {len(text):,} characters; only its beginning and end are scored"
    odd = set(_ODD.findall(text))
    if _NUL in odd:
        yield "the text holds NUL characters, which the model does not see"
    if odd - {_NUL}:
        yield "the text holds half a character (a lone surrogate), which is written as U+FFFD"
