"""The card of a training set: Markdown for people, every number counted from the rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from replyrank.data.text_key import TEXT_KEY_VERSION
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.training.build_rows import BuildConfig, Row
from replyrank.training.markdown import table
from replyrank.training.rows import MASKED


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What was built."""

    folder: Path
    #: split -> rows
    rows: Mapping[str, int]
    #: split -> SHA-256 of its rows as JSON lines
    hashes: Mapping[str, str]
    #: (source, reason) -> rows that were left out
    dropped: Mapping[tuple[str, str], int]


def card(splits: Mapping[str, Sequence[Row]], summary: BuildSummary, config: BuildConfig) -> str:
    """The card: splits with hashes, rows per source and label, and what was left out and why."""
    words: list[tuple[str, Sequence[str]]] = [
        ("intent", list(INTENTS)),
        ("urgency", [level.label for level in URGENCY_LEVELS]),
        ("sentiment", list(SENTIMENT_LABELS)),
    ]
    parts = [
        "# Training set",
        "Labels are integers in the order of the tables below; "
        f"{MASKED} says that the label is not known. `key` is `text_key` version "
        f"{TEXT_KEY_VERSION} of the text as its corpus has it.",
        "The texts are under the licences of their corpora, most of them non-commercial: "
        "do not pass this folder on.",
        "## Splits",
        table(
            ("split", "rows", "SHA-256 of the rows"),
            [(name, f"{n:,}", f"`{summary.hashes[name]}`") for name, n in summary.rows.items()],
        ),
    ]
    for name, rows in splits.items():
        parts += [f"## {name}: rows per source", _sources(rows)]
        for head, labels in words:
            parts += [f"### {name}: {head}", _labels(rows, head, labels)]
    parts += [
        "## Left out, and why",
        table(
            ("source", "reason", "rows"),
            [(source, reason, f"{n:,}") for (source, reason), n in summary.dropped.items()],
        ),
        "## Config",
        f"```json\n{config.model_dump_json(indent=2)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _sources(rows: Sequence[Row]) -> str:
    counts = Counter(row.source for row in rows)
    companies: dict[str, set[str]] = {source: set() for source in counts}
    for row in rows:
        if row.company:
            companies[row.source].add(row.company)
    return table(
        ("source", "rows", "companies"),
        [(source, f"{n:,}", str(len(companies[source]))) for source, n in sorted(counts.items())],
    )


def _labels(rows: Sequence[Row], head: str, labels: Sequence[str]) -> str:
    counts = Counter[tuple[str, int]]((row.source, getattr(row, head)) for row in rows)
    sources = sorted({source for source, _ in counts})
    places = [*range(len(labels)), MASKED]
    lines = [(source, *(f"{counts[source, place]:,}" for place in places)) for source in sources]
    total = [sum(counts[source, place] for source in sources) for place in places]
    lines.append(("all", *(f"{n:,}" for n in total)))
    return table(("source", *labels, "not known"), lines)
