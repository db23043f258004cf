"""How often English is taken for another language, and how much of the rest is found."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from replyrank.data.corpora import corpora_root, joined_posts
from replyrank.data.splits import Split, split_of
from replyrank.models.find import find_artefact
from replyrank.models.language import english_margin
from replyrank.training.markdown import table
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.language"
_MARGINS: Final = (0.0, 1.0, 2.0, 3.0, 3.5, 3.75, 4.0, 5.0)


def labelled_tweets(root: Path) -> Iterator[tuple[str, bool]]:
    """Tweets and whether they are English, of both language-labelled corpora.

    Tweets that their readers call ambiguous, mixed or automatic are left out.
    """
    with (root / "data/langid_umass/all_annotated.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            clear = row["Code-Switched"] == "0" and row["Ambiguous"] == "0"
            if clear and row["Automatically Generated Tweets"] == "0":
                yield row["Tweet"], row["Definitely English"] == "1"
    for part in ("train", "test"):
        path = root / f"data/langid_tweets_carter/langid_{part}.tsv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield row["text"], row["lang"] == "english"


def _flagged(
    codes: Sequence[str | None], margins: npt.NDArray[np.float64], margin: float
) -> npt.NDArray[np.bool_]:
    """Which texts the margin calls another language."""
    other = np.array([code not in (None, "en") for code in codes])
    flagged: npt.NDArray[np.bool_] = other & (margins > margin)
    return flagged


def main() -> None:
    """Measure every margin and write the report."""
    root = corpora_root()
    pairs = list(labelled_tweets(root))
    english = np.array([is_english for _, is_english in pairs])
    codes, margins = english_margin([text for text, _ in pairs])
    posts = [post.text for post in joined_posts(root) if split_of(post) is Split.TRAIN]
    post_codes, post_margins = english_margin(posts)
    shipped = find_artefact().config.thresholds.language_margin
    rows, facts = [], []
    for margin in sorted({*_MARGINS, shipped}):
        flagged = _flagged(codes, margins, margin)
        on_posts = _flagged(post_codes, post_margins, margin)
        figures = [float(part.mean()) for part in (flagged[english], flagged[~english], on_posts)]
        names = ("margin", "english", "other", "posts")
        facts.append(dict(zip(names, [margin, *figures], strict=True)))
        mark = " (shipped)" if margin == shipped else ""
        rows.append((f"{margin:g}{mark}", *(f"{100 * figure:.2f} %" for figure in figures)))
    header = (
        "margin",
        f"English flagged (n = {english.sum():,})",
        f"other languages found (n = {(~english).sum():,})",
        f"brand posts flagged (n = {len(posts):,})",
    )
    write("language", {"margins": facts}, table(header, rows), _COMMAND)


if __name__ == "__main__":
    main()
