"""What happens to a row before a model sees it: cleaned, or set aside with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from replyrank.data.cleaning import clean
from replyrank.data.vocabulary import Review
from replyrank.models.language import detect


@dataclass(frozen=True, slots=True)
class Intake:
    """n rows, and which of them a model can score."""

    #: positions of the rows that can be scored, ascending
    rows: list[int]
    #: their cleaned texts
    texts: list[str]
    #: n language codes, None where unknown
    language: list[str | None]
    #: n reasons why a row cannot be scored, None where it can
    review: list[Review | None]


def take_in(values: Sequence[object], language_margin: float) -> Intake:
    """Clean n values and set aside what no model can score; never raises for a row.

    Args:
        values: n texts; anything that is not ``str`` is unreadable.
        language_margin: see ``Thresholds``.
    """
    review: list[Review | None] = [None] * len(values)
    language: list[str | None] = [None] * len(values)
    rows: list[int] = []
    originals: list[str] = []
    texts: list[str] = []
    for row, value in enumerate(values):
        if not isinstance(value, str):
            review[row] = Review.UNREADABLE
            continue
        text = clean(value)
        if any(map(str.isalnum, text)):
            rows.append(row)
            originals.append(value)
            texts.append(text)
        else:
            review[row] = Review.EMPTY
    # The text as written: cleaning turns emoji into English words.
    languages = detect(originals, language_margin)
    for row, code, foreign in zip(rows, languages.codes, languages.foreign, strict=True):
        language[row] = code
        if foreign:
            review[row] = Review.LANGUAGE
    kept = [i for i, foreign in enumerate(languages.foreign) if not foreign]
    return Intake(
        rows=[rows[i] for i in kept],
        texts=[texts[i] for i in kept],
        language=language,
        review=review,
    )


def joined(parts: Sequence[Intake]) -> Intake:
    """What was taken in part by part, as if at once."""
    whole = Intake([], [], [], [])
    for part in parts:
        whole.rows.extend(len(whole.review) + row for row in part.rows)
        whole.texts.extend(part.texts)
        whole.language.extend(part.language)
        whole.review.extend(part.review)
    return whole
