"""Misspellings: some texts are read as if typed in haste, so that spelling is no label.

The slips are those of fast typing (two letters swapped, one left out, doubled or hit beside;
Damerau 1964, CACM 7(3)) and the short forms of text messages. Handles, links and hashtags keep
their form.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

#: share of a changed text's words that are changed
_WORDS: Final = 0.2
#: share of the changed texts that lose their punctuation as well
_UNMARKED: Final = 0.5
#: a shorter word is another word after a slip
_SHORTEST: Final = 4
_WORD: Final = re.compile(r"(?<![\w@#/.:])[A-Za-z]+(?:['\u2019][A-Za-z]+)?(?![\w/@]|\.\w|:/)")
_MARK: Final = re.compile(r"(?<=\w)[.,;'\u2019!?](?=\s|$)")
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE: Final = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in _ROWS
    for at, letter in enumerate(row)
}

#: what people type for common words; an English list made for the project
SHORT_FORMS: Final[dict[str, tuple[str, ...]]] = {
    "about": ("abt",), "again": ("agen",), "and": ("n", "&"), "anyone": ("any1",), "are": ("r",),
    "be": ("b",), "because": ("cos", "cuz", "bc"), "before": ("b4",), "cannot": ("cant",),
    "could": ("cud",), "definitely": ("defo", "definately"), "dollars": ("$",), "for": ("4",),
    "going": ("goin",), "great": ("gr8",), "have": ("hav",), "hours": ("hrs",), "just": ("jus",),
    "know": ("kno",), "later": ("l8r",), "love": ("luv",), "message": ("msg",),
    "minutes": ("mins",), "months": ("mths",), "morning": ("mornin",), "much": ("mch",),
    "my": ("me", "ma"), "nothing": ("nothin", "nuthin"), "number": ("nbr", "no."),
    "okay": ("ok", "k"),
    "people": ("ppl",), "phone": ("fone",), "please": ("pls", "plz"), "probably": ("prolly",),
    "problem": ("prob", "problm"), "really": ("rly", "realy"), "received": ("recieved",),
    "should": ("shud", "shld"), "someone": ("some1",), "something": ("smth", "sumthing"),
    "thank": ("thnk",), "thanks": ("thx", "tnx", "thanx"), "that": ("dat", "tht"),
    "the": ("da", "teh"),
    "their": ("there",), "they": ("dey",), "this": ("dis", "ths"), "though": ("tho",),
    "through": ("thru",), "to": ("2",), "today": ("2day",), "tomorrow": ("tmrw", "tomoro", "2moro"),
    "tonight": ("2nite", "tonite"), "too": ("2",), "until": ("til",), "very": ("v", "vry"),
    "was": ("woz",), "weeks": ("wks",), "what": ("wat", "wot"), "when": ("wen",), "why": ("y",),
    "will": ("wil",), "with": ("w/", "wit", "wiv"), "would": ("wud", "wld"), "you": ("u", "ya"),
    "your": ("ur", "yr"), "you're": ("ur", "youre"),
}  # fmt: skip


def misspell(texts: Sequence[str], chance: float, seed: int) -> list[str]:
    """Misspell some texts.

    Args:
        texts: n texts.
        chance: share of the texts to change.
        seed: decides which, and how.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.random(len(texts))
    return [
        _misspelt(text, rng) if value < chance else text
        for text, value in zip(texts, drawn, strict=True)
    ]


def _misspelt(text: str, rng: np.random.Generator) -> str:
    """The text with some words typed in haste; some such texts lose their marks as well."""

    def changed(word: re.Match[str]) -> str:
        return _retyped(word.group(), rng) if rng.random() < _WORDS else word.group()

    text = _WORD.sub(changed, text)
    return _MARK.sub("", text) if rng.random() < _UNMARKED else text


def _retyped(word: str, rng: np.random.Generator) -> str:
    forms = SHORT_FORMS.get(word.lower().replace("\u2019", "'"))
    if forms is not None:
        return forms[int(rng.integers(len(forms)))]
    if "'" in word or "\u2019" in word:
        return word.replace("'", "").replace("\u2019", "")
    if len(word) < _SHORTEST:
        return word
    slip = _SLIPS[int(rng.integers(len(_SLIPS)))]
    # The first letter is the last to go wrong, and readers hang on to it.
    return slip(word, int(rng.integers(1, len(word) - 1)), rng)


def _swapped(word: str, at: int, _: np.random.Generator) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _left_out(word: str, at: int, _: np.random.Generator) -> str:
    return word[:at] + word[at + 1 :]


def _doubled(word: str, at: int, _: np.random.Generator) -> str:
    return word[: at + 1] + word[at:]


def _beside(word: str, at: int, rng: np.random.Generator) -> str:
    near = _BESIDE.get(word[at].lower(), word[at])
    return word[:at] + near[int(rng.integers(len(near)))] + word[at + 1 :]


_SLIPS: Final[tuple[Callable[[str, int, np.random.Generator], str], ...]] = (
    _swapped,
    _left_out,
    _doubled,
    _beside,
)
