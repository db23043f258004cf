"""Quality of the shipped model on the test posts and on TweetEval's sentiment test."""

import csv
import sys
import tempfile
from pathlib import Path
from typing import Final

from replyrank.data.corpora import corpora_root, joined_posts, training_text
from replyrank.data.splits import Split, split_of
from replyrank.models import load_scorer
from replyrank.models.cpus import available_cpus
from replyrank.training.evaluate_file import EvaluateOptions, evaluate_file
from replyrank.training.labelled import LabelledOptions
from replyrank.training.markdown import table
from tests.benchmarks.reporting import REPORTS, write
from tests.benchmarks.tweeteval import macro_recall_of

_COMMAND: Final = "python -m tests.benchmarks.quality"
#: published macro-averaged recalls on the same test set (TweetEval leaderboard)
_PUBLISHED: Final = (("RoBERTa-base", 0.713), ("BERTweet", 0.734), ("TimeLMs-2021", 0.737))


def _announce(line: str) -> None:
    print(line, file=sys.stderr)


def _training_posts(path: Path) -> None:
    """Write what baselines may learn from: the posts that our model may, none of the gate's."""
    with path.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["text", "intent", "urgency", "sentiment"])
        for post in joined_posts():
            if split_of(post) is Split.TRAIN:
                labels = post.labels
                level = None if labels.urgency is None else labels.urgency.label
                rows.writerow([training_text(post), labels.intent, level, labels.sentiment])


def _test_posts() -> None:
    """The report of ``replyrank evaluate`` on the split ``test``, plots beside it."""
    posts = corpora_root() / "labelled" / "posts.csv"
    with tempfile.TemporaryDirectory() as place:
        folder, training = Path(place) / "report", Path(place) / "training_posts.csv"
        _training_posts(training)
        evaluate_file(
            None,
            posts,
            folder,
            baseline_train=training,
            reading=LabelledOptions(split="test"),
            options=EvaluateOptions(announce=_announce),
            threads=available_cpus(),
        )
        page = (folder / "report.md").read_text(encoding="utf-8")
        for plot in sorted((folder / "plots").iterdir()):
            name = f"test-posts-{plot.name}"
            (REPORTS / name).write_bytes(plot.read_bytes())
            page = page.replace(f"plots/{plot.name}", name)
        (REPORTS / "test-posts.md").write_text(f"{page}\nMade by `{_COMMAND}`.\n", encoding="utf-8")
        (REPORTS / "test-posts.json").write_bytes((folder / "report.json").read_bytes())


def main() -> None:
    """Write both reports."""
    REPORTS.mkdir(exist_ok=True)
    _test_posts()
    names = ("default", "fallback")
    recalls = {name: macro_recall_of(load_scorer(name)) for name in names}
    rows = [(f"replyrank, {name}", f"{100 * recall:.1f}") for name, recall in recalls.items()]
    rows += [(f"{name} (published)", f"{100 * recall:.1f}") for name, recall in _PUBLISHED]
    body = table(("model", "macro-averaged recall"), rows)
    write("tweeteval", {"macro_recall": recalls}, body, _COMMAND)


if __name__ == "__main__":
    main()
