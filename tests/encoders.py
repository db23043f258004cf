"""A tiny pretrained encoder, and a labelled training set that it can learn in seconds."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch (extra train)")
pytest.importorskip("transformers", reason="training needs transformers (extra train)")
pytest.importorskip("datasets", reason="training sets need datasets (extra train)")

import torch
from datasets import Dataset, DatasetDict
from transformers import BertConfig, BertModel

from replyrank.models.encoder import TriageModel
from replyrank.models.tokens import PostTokenizer
from replyrank.training import distillation, fitting
from replyrank.training.rows import TrainingRows
from tests.artefacts import word_pieces

HIDDEN: Final = 32

#: (intent, urgency, sentiment) -> words that give it away
SIGNALS: Final[dict[tuple[int, int, int], tuple[str, ...]]] = {
    (0, 3, 0): ("fire", "danger", "police", "hurt"),
    (0, 1, 1): ("where", "order", "when", "open"),
    (1, 0, 2): ("thanks", "great", "love", "best"),
    (2, 0, 0): ("bad", "slow", "worst", "awful"),
    (3, 0, 1): ("bus", "cat", "rain", "song"),
}
_FILLERS: Final = (
    *("the", "my", "is", "it", "on", "day", "shop", "app", "bank", "this", "line", "house"),
    *("today", "again", "so", "card", "phone", "and", "here", "with", "your", "people"),
)
_MARKS: Final = tuple("@.,!?'#-")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
VOCABULARY: Final = (
    *_SPECIAL,
    *_MARKS,
    *_LETTERS,
    *(f"##{letter}" for letter in _LETTERS),
    *("user", "http"),
    *_FILLERS,
    *(word for words in SIGNALS.values() for word in words),
)

#: companies of the table and the handle by which a text names each
COMPANIES: Final = {"delta": "@delta", "ee": "@EE", "three_uk": "@ThreeUK", "spotify": "@spotify"}


@contextmanager
def on_cpu() -> Generator[None]:
    """Train on the CPU, whatever the machine has; the generator's state is put back."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        for module in (distillation, fitting):
            patch.setattr(module, "device", lambda: torch.device("cpu"))
        yield


def tiny_tokenizer() -> PostTokenizer:
    """Wordpieces: letters and the words of the training set."""
    return PostTokenizer(word_pieces(VOCABULARY), 64)


def tiny_encoder(folder: Path, *, seed: int = 0, vocabulary: int = len(VOCABULARY)) -> Path:
    """A random BERT of two layers with its tokenizer, as transformers saves them.

    Args:
        folder: to write to.
        seed: of the weights; the generator's state is left as it was.
        vocabulary: rows of the embedding table; those past the tokenizer's are never used.
    """
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        # Ten times the usual: small random weights would leave every text alike.
        initializer_range=0.2,
    )
    # On several threads, products as small as these mostly wait for each other.
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        BertModel(config, add_pooling_layer=False).save_pretrained(str(folder))
    tiny_tokenizer().save(folder / "tokenizer.json")
    return folder


def tiny_model(folder: Path, *, dropout: float = 0.0, **changes: Any) -> TriageModel:
    """A model with heads on a tiny encoder that is written to ``folder``."""
    encoder = tiny_encoder(folder, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return TriageModel.from_encoder(str(encoder), dropout=dropout)


def toy_texts(kind: tuple[int, int, int], n: int, seed: int) -> list[str]:
    """Texts of one kind: two of its words among fillers, no two of them near-copies."""
    rng = np.random.default_rng([seed, *kind])
    texts: list[str] = []
    for _ in range(n):
        words = [*rng.choice(SIGNALS[kind], 2), *rng.choice(_FILLERS, rng.integers(4, 9))]
        texts.append(" ".join(rng.permutation(words)))
    return texts


def toy_rows(n_each: int = 12, seed: int = 0) -> TrainingRows:
    """``n_each`` labelled texts of every kind, the kinds taking turns."""
    columns = [toy_texts(kind, n_each, seed) for kind in SIGNALS]
    labels = np.array(list(SIGNALS) * n_each, dtype=np.int64)
    texts = tuple(text for turn in zip(*columns, strict=True) for text in turn)
    return TrainingRows(texts, labels[:, 0], labels[:, 1], labels[:, 2])


def toy_posts(n_each: int = 12, seed: int = 0) -> list[dict[str, Any]]:
    """The same as rows of a training set, each addressed to one company, these taking turns."""
    rows, names = toy_rows(n_each, seed), list(COMPANIES)
    return [
        dataset_row(
            f"{COMPANIES[names[number % len(names)]]} {text}",
            labels=(rows.intent[number], rows.urgency[number], rows.sentiment[number]),
            company=names[number % len(names)],
        )
        for number, text in enumerate(rows.texts)
    ]


def dataset_row(
    text: str, *, labels: Sequence[int], company: str = "", source: str = "toy"
) -> dict[str, Any]:
    """One row as ``build_dataset`` writes it."""
    intent, urgency, sentiment = map(int, labels)
    return {
        "source": source,
        "text": text,
        "intent": intent,
        "urgency": urgency,
        "sentiment": sentiment,
        "company": company,
        "channel": "twitter",
    }


def write_dataset(folder: Path, **splits: Sequence[dict[str, Any]]) -> Path:
    """A training set on disk; as in a real one, a split without rows is not written."""
    whole = DatasetDict(
        {name: Dataset.from_list(list(rows)) for name, rows in splits.items() if rows}
    )
    whole.save_to_disk(str(folder))
    return folder
