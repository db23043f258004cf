"""How far the readers of the added labels agree with the labels of ``posts.csv``.

Among the posts that they read were some of ``posts.csv``, which nothing told from the others;
what they said of these lies in ``controls.csv``.
"""

from typing import Any, Final

from replyrank.data.labels import LabelRow, read_control_labels, read_labels
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS
from replyrank.training.markdown import table
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.labels"


def agreement() -> list[tuple[str, str, str, str]]:
    """Label, posts, share that both give alike, and kappa (quadratic for urgency)."""
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415  (extra train)

    ours = {(row.source, row.key): row for row in read_labels()}
    pairs = [(ours[row.source, row.key], row) for row in read_control_labels()]
    rows = []
    for name, classes in (("intent", INTENTS), ("urgency", None), ("sentiment", SENTIMENT_LABELS)):
        first, second = (
            [_class(row, name, classes) for row in side] for side in zip(*pairs, strict=True)
        )
        same = sum(a == b for a, b in zip(first, second, strict=True)) / len(pairs)
        kappa = cohen_kappa_score(first, second, weights=None if classes else "quadratic")
        rows.append((name, f"{len(pairs):,}", f"{same:.1%}", f"{kappa:.2f}"))
    return rows


def agreement_table() -> str:
    """The figures as Markdown."""
    return table(("label", "posts", "the same", "kappa"), agreement())


def _class(row: LabelRow, name: str, classes: Any) -> int:
    value = getattr(row.labels, name)
    return int(value.value) if classes is None else list(classes).index(value)


def main() -> None:
    """Measure and write the report."""
    rows = [dict(zip(("label", "posts", "same", "kappa"), row, strict=True)) for row in agreement()]
    write("labels", {"rows": rows}, agreement_table(), _COMMAND)


if __name__ == "__main__":
    main()
