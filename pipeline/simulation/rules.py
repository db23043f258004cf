"""Keyword rules: what an inbox without a model looks for."""

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from replyrank.data.text_key import restore
from replyrank.pipeline.classes import Frozen
from replyrank.pipeline.settings_file import SettingsFile

#: of a message that no rule matches
_NO_RULE: Final = 3
_WAITS: Final = 4
_FINGERPRINT_DIGITS: Final = 12

Word = Annotated[str, Field(min_length=1)]


class KeywordRule(Frozen):
    """One rule: a message matches if any of the words or phrases occurs in it."""

    name: str
    #: 1 look now, 2 a case, 4 can wait
    tier: Literal[1, 2, 4]
    words: Annotated[tuple[Word, ...], Field(min_length=1)]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # A letter or digit beside a word makes it another; a sign such as "?" stands anywhere.
        parts = [
            rf"(?<!\w){re.escape(word)}(?!\w)" if word[0].isalnum() else re.escape(word)
            for word in self.words
        ]
        return re.compile("|".join(parts), re.IGNORECASE)

    def matches(self, text: str) -> bool:
        """Whether any word occurs."""
        return self._pattern.search(text) is not None


class KeywordRules(Frozen):
    """The rules of a team, in the order of their file."""

    schema_version: Literal[1]
    rules: Annotated[tuple[KeywordRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            message = f"two rules have one name among {', '.join(names)}; rename one"
            raise ValueError(message)
        return self

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that name these very rules."""
        content = self.model_dump_json().encode()
        return hashlib.sha256(content).hexdigest()[:_FINGERPRINT_DIGITS]

    def hits(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """(n, rules): which rules match the texts as they were written."""
        found = np.zeros((len(texts), len(self.rules)), dtype=np.bool_)
        for row, text in enumerate(texts):
            plain = restore(text).replace("\u2019", "'")
            found[row] = [rule.matches(plain) for rule in self.rules]
        return found

    def tiers(self, hits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """(n,) the best tier of the rules that match, 3 where none does."""
        tier = np.array([rule.tier for rule in self.rules])
        best: npt.NDArray[np.int64] = np.where(hits, tier, _WAITS + 1).min(axis=1)
        return np.where(hits.any(axis=1), best, _NO_RULE)

    def counts(self, hits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """(n,) a point for each matching rule, but none for those of what can wait."""
        counted = np.array([rule.tier != _WAITS for rule in self.rules])
        return np.asarray((hits & counted).sum(axis=1), dtype=np.int64)


_FILE: Final = SettingsFile(
    KeywordRules, "keyword rules", "replyrank.pipeline.simulation", "rules.yaml"
)


def load_rules() -> KeywordRules:
    """The rules that ship."""
    return _FILE.load()
