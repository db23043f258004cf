"""The key of a post's text, by which labels are shipped without the text.

Frozen as version 1: committed keys hang on it. It shares nothing with the cleaning of texts
for models, so that a new cleaning never moves a key.
"""

import hashlib
import html
import re
from typing import Final

TEXT_KEY_VERSION: Final = 1

#: a number of a character that is written out longer than Python reads a number
_ENDLESS: Final = re.compile(r"&#0*([0-9]+)")
#: from here on no digits name a character
_MOST_DIGITS: Final = 8


def unescape(text: str) -> str:
    """Undo HTML entities twice; platforms escape what was escaped.

    Beyond some thousands of digits ``html.unescape`` raises; they mean what the first eight mean.
    """
    for _ in range(2):
        try:
            text = html.unescape(text)
        except ValueError:
            text = html.unescape(_ENDLESS.sub(_shortened, text))
    return text


def _shortened(match: re.Match[str]) -> str:
    return f"&#{match[1][:_MOST_DIGITS]}"


def restore(text: str) -> str:
    """Undo HTML entities twice and fold white space."""
    return " ".join(unescape(text).split())


def text_key(text: str) -> str:
    """SHA-256 of the restored text in UTF-8, as 64 hex digits.

    Entities and white space do not change the key; anything else does. Lone surrogates,
    which UTF-8 cannot hold, count as the three bytes that "surrogatepass" gives them.
    """
    return hashlib.sha256(restore(text).encode("utf-8", "surrogatepass")).hexdigest()
