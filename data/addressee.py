"""Whom a post is addressed to: the handle of the account that it reached, told from the others.

"@acme my bag is lost" asks Acme; "@bob @acme lost mine too" answers Bob. Cleaning makes one word of
every handle, so that no name is a label; where the account that a message reached is known, its
handle becomes another word first.
"""

import re
from typing import Final

from replyrank.data.cleaning import BRAND_HANDLE
from replyrank.data.companies import company_of, normalise_alias

_HANDLE: Final = re.compile(r"(?<![\w@])@(\w+)")


def mark_addressee(text: str, brand: str | None) -> str:
    """Write ``BRAND_HANDLE`` for every handle of the brand in ``text``.

    Args:
        text: a post as its platform gave it.
        brand: a handle, name or alias of the account that the post reached; every handle that the
            table of companies has for the same company counts as well. None changes nothing.
    """
    if not brand or "@" not in text:
        return text
    alias, company = normalise_alias(brand), company_of(brand)

    def marked(handle: re.Match[str]) -> str:
        name = handle.group(1)
        is_own = normalise_alias(name) == alias or (company and company_of(name) == company)
        return BRAND_HANDLE if is_own else handle.group()

    return _HANDLE.sub(marked, text)
