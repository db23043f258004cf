"""Cleaning of posts before they meet a model: one function, versioned with every artefact.

What a model learns must not hang on who is addressed or linked, so handles and addresses
become one word each; what carries feeling (emoji, elongation) stays, as words that a
tokenizer knows and in a bounded form. The function is idempotent and linear in the length
of the text.
"""

import html
import re
import unicodedata
from functools import lru_cache
from typing import Final

import ftfy
from ftfy.badness import is_bad

#: Raised whenever the output of ``clean`` changes for any text; an artefact names its version.
CLEANING_VERSION: Final = 2

#: A longer text keeps its head and its tail: what is asked often stands at the end.
MAX_CHARS: Final = 4_000
_HEAD_CHARS: Final = 3_000
_TAIL_CHARS: Final = MAX_CHARS - _HEAD_CHARS - 1

HANDLE: Final = "@user"
LINK: Final = "http"
EMAIL: Final = "email"

# Decoding may uncover what an earlier step would have changed ("&amp;#64;bob" is a handle),
# so the steps run until nothing moves. Two rounds are the rule; the bound keeps the function
# linear on text built to need more, which then is cut to its plain letters and digits: there
# is nothing left in them to decode, and every further change makes the text shorter.
_MAX_ROUNDS: Final = 8
_NOT_PLAIN: Final = re.compile(r"[^0-9A-Za-z]+")

_PUNCTUATION: Final = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"',
        "\u2013": "-", "\u2014": "-", "\u2026": "...",
    }
)  # fmt: skip

# What a reader cannot see: zero-width and bidirectional marks, soft hyphens, joiners and
# selectors (they only choose an emoji's looks, and emoji become words), skin tones.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U0001f3fb-\U0001f3ff\U000e0000-\U000e01ef]"
)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_EMOJI: Final = re.compile(
    "[\u203c\u2049\u2122\u2139\u2190-\u21ff\u231a-\u23ff\u2460-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]+"
)
# Words of Unicode names that say nothing of what is meant.
_EMOJI_STOP_WORDS: Final = frozenset(
    ["AND", "BLACK", "FACE", "HEAVY", "OF", "PERSON", "SIGN", "SYMBOL", "WHITE", "WITH"]
)
_EMOJI_IN_A_RUN: Final = 3

_LINK: Final = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]+|\b(?:t\.co|bit\.ly|pic\.twitter\.com|goo\.gl|fb\.me)/\S+"
    r"|\{link\}|\bhttps?\b:?(?!\w)",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
# "@ 5pm" and "@ the gate" say when and where, not to whom.
_HANDLE: Final = re.compile(r"(?<![\w@])@(?:\w+|\s?\{mention\})")
_MANY_HANDLES: Final = re.compile(rf"{HANDLE}(?:[\s,.:;]*{HANDLE})+")
_MANY_LINKS: Final = re.compile(rf"\b{LINK}(?:\s+{LINK}\b)+")
# "soooo" and "!!!!!" keep three: enough to show the loudness, too few to fill the window.
_ELONGATED: Final = re.compile(r"(\S)\1{3,}")
_HASHTAG: Final = re.compile(r"(?<!\w)#+(?=\w)")


def clean(text: str) -> str:
    """Give ``text`` the form that every model of this version reads.

    Args:
        text: a post as its platform gave it; any string, lone surrogates included.

    Returns:
        One line of at most ``MAX_CHARS`` characters; empty if nothing readable is left.
        ``clean(clean(text)) == clean(text)``.
    """
    text, is_settled = _settle(_clip(text))
    return text if is_settled else _settle(_NOT_PLAIN.sub(" ", text))[0]


def _settle(text: str) -> tuple[str, bool]:
    """The text after at most ``_MAX_ROUNDS`` rounds, and whether a further one changes nothing."""
    for _ in range(_MAX_ROUNDS):
        cleaned = _one_round(text)
        if cleaned == text:
            return text, True
        text = cleaned
    return text, False


def _one_round(text: str) -> str:
    if not text.isascii():
        text = _plain_characters(text)
    if "&" in text:
        text = html.unescape(html.unescape(text))
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    if "@" in text:
        text = _EMAIL.sub(EMAIL, text)
        text = _MANY_HANDLES.sub(HANDLE, _HANDLE.sub(HANDLE, text))
    if _may_hold_a_link(text):
        text = _MANY_LINKS.sub(LINK, _LINK.sub(LINK, text))
    if "#" in text:
        text = _HASHTAG.sub("", text)
    text = _ELONGATED.sub(r"\1\1\1", text)
    return _clip(" ".join(text.split()))


def _may_hold_a_link(text: str) -> bool:
    """Whether it holds what every match of ``_LINK`` has some of; cheaper than to look for one."""
    if "/" in text or "{" in text:
        return True
    lower = text.lower()
    return "http" in lower or "www." in lower


def _plain_characters(text: str) -> str:
    """Mend mojibake, drop what cannot be seen, and say emoji and fancy letters plainly."""
    text = _LONE_SURROGATE.sub(" ", text)
    if is_bad(text):
        text = ftfy.fix_encoding(text)
    text = _INVISIBLE.sub("", text.translate(_PUNCTUATION))
    text = _EMOJI.sub(_emoji_words, text)
    # NFKC makes one letter of its wide, circled and "mathematical bold" variants.
    return unicodedata.normalize("NFKC", text)


def _emoji_words(run: re.Match[str]) -> str:
    """The names of the first few different emoji of a run: repeating one says no more."""
    different = list(dict.fromkeys(run.group()))[:_EMOJI_IN_A_RUN]
    return f" {' '.join(map(_emoji_name, different))} "


@lru_cache(maxsize=4096)
def _emoji_name(character: str) -> str:
    name = unicodedata.name(character, "").replace("-", " ").split()
    return " ".join(word for word in name if word not in _EMOJI_STOP_WORDS).lower()


def _clip(text: str) -> str:
    if len(text) <= MAX_CHARS:
        return text
    return f"{text[:_HEAD_CHARS].rstrip()} {text[-_TAIL_CHARS:].lstrip()}"
