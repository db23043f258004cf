"""The key of a post's text, by which labels are shipped without the text.

Frozen as version 1: committed keys hang on it. It shares nothing with the cleaning of texts
for models, so that a new cleaning never moves a key.
"""

import hashlib
import html
from typing import Final

TEXT_KEY_VERSION: Final = 1


def restore(text: str) -> str:
    """Undo HTML entities twice (platforms escape what was escaped) and fold white space."""
    return " ".join(html.unescape(html.unescape(text)).split())


def text_key(text: str) -> str:
    """SHA-256 of the restored text in UTF-8, as 64 hex digits.

    Entities and white space do not change the key; anything else does. Lone surrogates,
    which UTF-8 cannot hold, count as the three bytes that "surrogatepass" gives them.
    """
    return hashlib.sha256(restore(text).encode("utf-8", "surrogatepass")).hexdigest()
