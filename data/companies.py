"""Which company a handle, page id or alias belongs to.

The table ``companies.csv`` (alias, company, industry) is the one place that knows. An alias
is lower case, without ``@``, its spaces written ``_``.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from io import StringIO
from typing import Final

_HANDLE: Final = re.compile(r"(?<![\w@])@\s?(\w+)")


@dataclass(frozen=True, slots=True)
class Company:
    """One row's worth of what is known of a company."""

    name: str
    industry: str


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


def companies_mentioned(text: str) -> frozenset[str]:
    """The companies whose ``@handle`` stands in ``text``."""
    if "@" not in text:
        return frozenset()
    found = (company_of(handle) for handle in _HANDLE.findall(text))
    return frozenset(company for company in found if company)


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
            row["alias"]: Company(row["company"], row["industry"]) for row in csv.DictReader(lines)
        }


@cache
def _industries() -> dict[str, str]:
    return {company.name: company.industry for company in _table().values()}
