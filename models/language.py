"""Which posts are not English: a margin that another language must win by.

Short English posts must not fall out of the queue, so doubt counts for English. A post with
enough English function words is never looked at further (four of five posts to brands, and
what makes this cheap); of the others py3langid says how much likelier the best other
language is.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

ENGLISH: Final = "en"

#: Languages that posts are written in; small, ancient and made-up ones only attract slang.
LANGUAGES: Final = tuple(
    """
    af ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it
    ja ka kk km kn ko lo lt lv mk ml mn mr ms my ne nl no pa pl ps pt ro ru si sk sl sq sr sv sw
    ta te th tl tr uk ur uz vi zh
    """.split()  # noqa: SIM905 (a word a line would fill a page)
)

# Frequent words of English that are rare in other languages written in Latin letters.
_FUNCTION_WORDS: Final = frozenset(
    """
    about after all am an and any are as be because been but by can can't could did do does
    doesn't don't for from get got had has have he her his how i'm i've if in is isn't it it's
    just like my need not now of or our out please she should some that the their them there they
    this to up was we were what when where which who why will with would you you're your
    """.split()  # noqa: SIM905
)
_MIN_DISTINCT_FUNCTION_WORDS: Final = 2
_MIN_SHARE_OF_FUNCTION_WORDS: Final = 0.2

# Fewer words say too little; outside Latin letters the script itself speaks.
_MIN_WORDS: Final = 3
_MIN_OTHER_LETTERS: Final = 6
_FIRST_NON_LATIN: Final = "\u0370"

# The head of a long text decides.
_MAX_CHARS: Final = 400

# Addresses, handles, hashtags and entities belong to no language; nor do the names of places
# that check-in services write around or instead of a text.
_NOT_LANGUAGE: Final = re.compile(
    r"\bI'm at .*|^(?:At|With) .*\u2014.*|\((?:@|at|with) .*?(?:\)|$)|(?:^|\s)@ .*"
    r"|\s[\u2014-] (?:at|with) .*"
    r"|https?://\S+|www\.\S+|\b[a-z0-9-]+\.(?:com|ly|org|net|me|gl|co)/\S*|[@#]\w+|&#?\w+;|\bRT\b",
    re.IGNORECASE | re.DOTALL,
)
_MARKS: Final = ("@", "#", "http")
_NOT_WORD: Final = re.compile(r"(?:[^\w'\u2019]|[\d_])+")

# py3langid answers in float32; what underflowed to 0 still needs a logarithm.
_LEAST_PROBABILITY: Final = float(np.finfo(np.float32).tiny)


class _Identifier(Protocol):
    nb_ptc: npt.NDArray[np.floating]

    def rank(self, text: str) -> list[tuple[str, float]]: ...


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of n texts."""

    #: n codes of ISO 639-1; None where a text is too short or the two best are too close
    codes: tuple[str | None, ...]
    #: (n,) bool: surely not English
    foreign: npt.NDArray[np.bool_]


@lru_cache(maxsize=1)
def _identifier() -> _Identifier:
    # Only a text that is not plainly English needs the library.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    # Choosing languages leaves the table column by column; it is read row by row (1.3 times
    # as fast so).
    identifier.nb_ptc = np.ascontiguousarray(identifier.nb_ptc)
    return cast("_Identifier", identifier)


def load() -> None:
    """Load the language model (about half a second), so that no message waits for it."""
    _identifier()


def _language_text(text: str) -> str:
    return _NOT_WORD.sub(" ", _NOT_LANGUAGE.sub(" ", text[:_MAX_CHARS])).strip()


def _says_enough(words: Sequence[str], text: str) -> bool:
    if sum(len(word) > 1 for word in words) >= _MIN_WORDS:
        return True
    if text.isascii():
        return False
    return sum(letter >= _FIRST_NON_LATIN for letter in text) >= _MIN_OTHER_LETTERS


def _reads_as_english(words: Sequence[str]) -> bool:
    known = [word for word in words if word in _FUNCTION_WORDS]
    return (
        len(known) >= _MIN_SHARE_OF_FUNCTION_WORDS * len(words)
        and len(set(known)) >= _MIN_DISTINCT_FUNCTION_WORDS
    )


def _plainly_english(text: str) -> bool:
    # Looks at bare words only, so that the many plain posts cost no regular expression.
    words = [word for word in text[:_MAX_CHARS].lower().split() if not word.startswith(_MARKS)]
    return _reads_as_english(words)


def _margin(text: str) -> tuple[str | None, float]:
    if _plainly_english(text):
        return ENGLISH, -math.inf
    text = _language_text(text)
    words = text.lower().replace("\u2019", "'").split()
    if not _says_enough(words, text):
        return None, -math.inf
    if _reads_as_english(words):
        return ENGLISH, -math.inf
    p_by_code = dict(_identifier().rank(text))
    log_english = _log(p_by_code.pop(ENGLISH))
    code, p_other = max(p_by_code.items(), key=itemgetter(1))
    margin = _log(p_other) - log_english
    return (code if margin > 0 else ENGLISH), margin


def _log(probability: float) -> float:
    return math.log(max(probability, _LEAST_PROBABILITY))


def english_margin(texts: Sequence[str]) -> tuple[list[str | None], npt.NDArray[np.float64]]:
    """How much likelier than English the best other language is.

    Args:
        texts: n posts as they were written (cleaning turns emoji into English words).

    Returns:
        n codes of the likeliest language, None where a text is too short to say; and (n,)
        margins in log-probability, ``log p(other) - log p(English)``, below 0 where English
        wins and minus infinity where it was not contested. Probabilities are those of
        py3langid, tempered by the square root of the text's length in bytes.
    """
    pairs = [_margin(text) for text in texts]
    return [code for code, _ in pairs], np.array([margin for _, margin in pairs], dtype=np.float64)


def detect(texts: Sequence[str], margin: float) -> Languages:
    """Tell the languages of posts and which posts are surely not English.

    Args:
        texts: n posts as they were written.
        margin: log-probability by which another language must beat English to be flagged
            (``Thresholds.language_margin`` of the artefact).
    """
    codes, margins = english_margin(texts)
    foreign = margins > margin
    clear = foreign | (margins <= 0)
    return Languages(
        codes=tuple(code if sure else None for code, sure in zip(codes, clear, strict=True)),
        foreign=foreign,
    )
