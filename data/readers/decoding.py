"""From bytes to text: UTF-8, and what is not UTF-8 as far as it can be read."""

from dataclasses import dataclass
from enum import StrEnum


class Decoded(StrEnum):
    """How bytes were read."""

    ASCII = "ASCII"
    UTF8 = "UTF-8"
    WINDOWS_1252 = "Windows-1252"
    BROKEN_UTF8 = "UTF-8 with bytes replaced by U+FFFD"


@dataclass(frozen=True, slots=True)
class Text:
    """A decoded text and how it was read."""

    text: str
    how: Decoded


def decode(raw: bytes) -> Text:
    """Decode bytes of which the encoding is not known; never fails.

    UTF-8 first: text in another encoding is almost never valid UTF-8 by chance. Surrogates
    that were encoded one by one (CESU-8) are joined where they pair and kept where they do
    not. Of other bytes, those without any valid UTF-8 character are Windows-1252; where
    valid characters stand among them, the invalid ones become U+FFFD.
    """
    try:
        return Text(raw.decode(), Decoded.ASCII if raw.isascii() else Decoded.UTF8)
    except UnicodeDecodeError:
        pass
    try:
        units = raw.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
        return Text(units.decode("utf-16-le", "surrogatepass"), Decoded.UTF8)
    except UnicodeDecodeError:
        pass
    if raw.decode("utf-8", "ignore").isascii():
        return Text(raw.decode("cp1252", "replace"), Decoded.WINDOWS_1252)
    return Text(raw.decode("utf-8", "replace"), Decoded.BROKEN_UTF8)
