"""Which company a handle, page id or alias belongs to.

The table ``companies.csv`` (alias, company, industry, in_text) is the one place that knows. An
alias is lower case, without ``@``, its spaces written ``_``. ``in_text`` says whether it names
the company in running text as well, and in which letters: ``any``; ``capital`` for names that
are words too ("target"), every word of which must begin with one; ``capitals`` for short ones
("HP"). Names that are mostly something else ("three", "united", "visa") have none.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from io import StringIO
from typing import Final

_BETWEEN_WORDS: Final = re.compile(r"[ -]")
_HANDLE: Final = re.compile(r"(?<![\w@])@\s?(\w+)")


class Letters(StrEnum):
    """The letters in which an alias names its company in running text."""

    ANY = "any"
    CAPITAL = "capital"
    CAPITALS = "capitals"

    def fit(self, written: str) -> bool:
        """Whether ``written``, an alias in some letters, is the name and not a common word."""
        if self is Letters.CAPITALS:
            return written.isupper()
        words = _BETWEEN_WORDS.split(written)
        return self is Letters.ANY or all(word[:1].isupper() for word in words)


@dataclass(frozen=True, slots=True)
class Company:
    """One row's worth of what is known of a company."""

    name: str
    industry: str
    #: None for an alias that is only a handle or a page id
    letters: Letters | None


@dataclass(frozen=True, slots=True)
class NameInText:
    """A company's name in running text, at ``text[start:end]``."""

    start: int
    end: int
    company: str


def normalise_alias(alias: str) -> str:
    """The form in which the table writes a handle, page id or name."""
    return "_".join(alias.strip().removeprefix("@").lower().split())


def company_of(alias: str | None) -> str | None:
    """The company behind a handle, page id or name; None where the table has none.

    Topics such as "retail" or "random_tweet", which some corpora give for a brand, are no
    companies and have none.
    """
    if not alias:
        return None
    found = _table().get(normalise_alias(alias))
    return found.name if found else None


def names_in(text: str) -> Iterator[NameInText]:
    """The names of companies in running text, left to right; none in handles or after a slash."""
    table = _table()
    for match in _names().finditer(text):
        # None where ignoring case let a foreign letter through, such as a dotless i.
        company = table.get(_alias_written(match.group()))
        if company and company.letters is not None and company.letters.fit(match.group()):
            yield NameInText(match.start(), match.end(), company.name)


def companies_addressed(text: str) -> frozenset[str]:
    """The companies whose ``@handle`` stands in ``text``."""
    if "@" not in text:
        return frozenset()
    found = (company_of(handle) for handle in _HANDLE.findall(text))
    return frozenset(company for company in found if company)


def companies_mentioned(text: str) -> frozenset[str]:
    """The companies whose ``@handle`` or name stands in ``text``."""
    return companies_addressed(text) | {name.company for name in names_in(text)}


def industry_of(company: str) -> str | None:
    """The industry of a company by its name in the table; None if it is not there."""
    return _industries().get(company)


def companies() -> tuple[str, ...]:
    """The companies of the table, in the order of their names."""
    return tuple(sorted(_industries()))


@cache
def _table() -> dict[str, Company]:
    source = resources.files("replyrank.data").joinpath("companies.csv")
    with StringIO(source.read_text(encoding="utf-8")) as lines:
        return {
            row["alias"]: Company(
                row["company"],
                row["industry"],
                Letters(row["in_text"]) if row["in_text"] else None,
            )
            for row in csv.DictReader(lines)
        }


@cache
def _names() -> re.Pattern[str]:
    """Every alias that names its company in running text; of two that begin alike the longer."""
    written = sorted(
        (alias for alias, company in _table().items() if company.letters), key=len, reverse=True
    )
    forms = (re.escape(alias).replace("_", "[ -]").replace("'", "['\u2019]") for alias in written)
    return re.compile(rf"(?<![\w@/])(?:{'|'.join(forms)})(?!\w)", re.IGNORECASE)


def _alias_written(name: str) -> str:
    return name.lower().replace("\u2019", "'").replace(" ", "_").replace("-", "_")


@cache
def _industries() -> dict[str, str]:
    return {company.name: company.industry for company in _table().values()}
