"""From cleaned texts to token ids: the same cut in training and in serving."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class PostTokenizer:
    """A tokenizer that keeps head and tail of a text with too many tokens.

    What is asked often stands at the end of a long message, so a quarter of its tokens come from
    there.

    Args:
        tokenizer: its own padding and truncation are switched off.
        max_tokens: the most ids of a text, those of the beginning and the end included.
    """

    def __init__(self, tokenizer: "Tokenizer", max_tokens: int) -> None:
        # What a training library leaves in the file must not reach a model.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._tail = max_tokens // 4
        self._head = max_tokens - self._tail

    @classmethod
    def from_file(cls, path: Path, max_tokens: int) -> "PostTokenizer":
        """Open a ``tokenizer.json``; what the library raises on a broken one is its own."""
        from tokenizers import Tokenizer  # noqa: PLC0415 (the linear model runs without it)

        return cls(Tokenizer.from_file(str(path)), max_tokens)

    def save(self, path: Path) -> None:
        """Write the ``tokenizer.json``."""
        self._tokenizer.save(str(path), pretty=False)

    def ids(self, texts: Sequence[str], *, parallel: bool = True) -> list[list[int]]:
        """Token ids of each text, at most ``max_tokens``.

        Args:
            texts: cleaned.
            parallel: whether to run on every core of the machine, or on this thread alone.
        """
        if parallel and len(texts) > 1:
            return [self._cut(found.ids) for found in self._tokenizer.encode_batch_fast(texts)]
        return [self._cut(self._tokenizer.encode(text).ids) for text in texts]

    def _cut(self, ids: list[int]) -> list[int]:
        if len(ids) <= self._head + self._tail:
            return ids
        return ids[: self._head] + ids[-self._tail :]
