"""A hundred errors of the shipped model, read one by one and sorted by what misled it.

The errors are among the artefact's held-out posts: each was judged by a model that had not seen
its company. What the reader said of them lies in ``errors.csv``, by the first 16 hex digits of the
text's key; no text is committed. A new model errs elsewhere: then ``--show`` writes what is to be
read, and ``errors.csv`` is written anew.
"""

import argparse
import csv
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from replyrank.data.corpora import joined_posts, training_text
from replyrank.data.errors import UsageError
from replyrank.data.labels import LabelRow, read_control_labels, read_labels
from replyrank.data.text_key import text_key
from replyrank.data.vocabulary import INTENTS, URGENCY_LEVELS, UrgencyLevel
from replyrank.models.find import find_artefact
from replyrank.models.held_out import HeldOut, load_held_out, short_key
from replyrank.models.joint import intents, levels
from replyrank.pipeline.index import queue_index
from replyrank.pipeline.markdown import table
from replyrank.pipeline.policy_file import load_policy
from replyrank.training.evaluate import TOP_SHARE
from replyrank.training.metrics import BoolArray, FloatArray
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.errors"
SORTED: Final = Path(__file__).with_name("errors.csv")
COLUMNS: Final = ("key", "stratum", "kind", "remark")
_SEED: Final = 1
_MISSED: Final = 0.3
_RAISED: Final = 0.5
_NOTES: Final = (
    "Of all errors: each post weighs as many errors of its stratum as it stands for; the figure "
    "rests on few posts. The probability is that of critical; of high or critical; of none or low; "
    "of the labelled intent; of the labelled level, by stratum. One reader sorted the posts, who "
    "saw the guideline, the label and what the model says: this favours the label."
)

#: stratum -> posts drawn, and what is in it unless it is in one before
STRATA: Final[Mapping[str, tuple[int, str]]] = {
    "late_critical": (10, "critical, not in the first fifth by the index of the queue"),
    "missed_urgent": (30, f"high or critical, urgency below {_MISSED}"),
    "false_urgent": (20, f"none or low, urgency {_RAISED} or more"),
    "intent": (30, "another intent is likelier"),
    "level": (10, "another level is likelier"),
}

#: kind -> what it means
KINDS: Final[Mapping[str, str]] = {
    "doubtful_label": "the guideline speaks for what the model says",
    "border": "two neighbouring levels, and the guideline decides for neither",
    "needs_context": "what decides stands in the thread or a picture, not in the text",
    "calm_harm": "somebody is stranded, hurt, in danger or harassed, without a word of alarm",
    "unsaid_deadline": "a flight, a parcel or a sale will not wait, which is not said",
    "blocked": "what was paid for does not work at all now, told like an ordinary bug",
    "money": "money is gone or at stake today, told in passing",
    "let_down": "a wait of days or another try in vain, in words of its own",
    "threat": "the author leaves, or takes it to the law, said in passing",
    "open_or_past": "a failure is told, argued or vented; whether it is still open decides",
    "to_others": "said to friends or other users, or by the agent of another brand",
    "words_of_need": "words of travel, waiting or failure, and nothing is asked or at stake",
    "irony": "sarcasm, a joke or a question that wants no answer",
    "judged_at_all": "a few words or a bare fact: is the brand judged or commended at all?",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A post on which the model errs."""

    key: str
    stratum: str
    #: its place among the held-out posts
    row: int
    #: probability of what is true, in the terms of the stratum
    p_true: float


@dataclass(frozen=True)
class Draw:
    """Errors of every stratum, and how many there are."""

    posts: Sequence[Drawn]
    #: stratum -> errors that it holds in all
    sizes: Mapping[str, int]

    def weight(self, stratum: str) -> float:
        """How many errors one that was drawn stands for."""
        return self.sizes[stratum] / sum(post.stratum == stratum for post in self.posts)


def draw(posts: HeldOut) -> Draw:
    """The errors that are read: of each stratum those first by a hash of seed and key."""
    drawn, sizes, left = list[Drawn](), dict[str, int](), np.ones(len(posts), dtype=np.bool_)
    for stratum, (errs, p_true) in _errors(posts).items():
        rows = np.flatnonzero(errs & left)
        left &= ~errs
        sizes[stratum] = len(rows)
        keys = {f"{int(posts.key[row]):016x}": int(row) for row in rows}
        first = sorted(keys, key=lambda key: hashlib.sha256(f"{_SEED} {key}".encode()).digest())
        drawn += [
            Drawn(key, stratum, keys[key], float(p_true[keys[key]]))
            for key in first[: STRATA[stratum][0]]
        ]
    return Draw(drawn, sizes)


def _errors(posts: HeldOut) -> dict[str, tuple[BoolArray, FloatArray]]:
    """Stratum -> (n,) which posts are such errors, and (n,) the probability of what is true."""
    p_intent, p_level = intents(posts.need), levels(posts.need)
    urgency = p_level[:, UrgencyLevel.HIGH :].sum(axis=1)
    is_critical, is_urgent = (
        posts.urgency >= n for n in (UrgencyLevel.CRITICAL, UrgencyLevel.HIGH)
    )
    order = np.argsort(-queue_index(posts.need, load_policy()), kind="stable")
    is_late = np.argsort(order) >= TOP_SHARE * len(posts)
    rows = np.arange(len(posts))
    return {
        "late_critical": (is_critical & is_late, p_level[:, UrgencyLevel.CRITICAL]),
        "missed_urgent": (is_urgent & (urgency < _MISSED), urgency),
        "false_urgent": (~is_urgent & (urgency >= _RAISED), 1 - urgency),
        "intent": (p_intent.argmax(axis=1) != posts.intent, p_intent[rows, posts.intent]),
        "level": (p_level.argmax(axis=1) != posts.urgency, p_level[rows, posts.urgency]),
    }


def read_sorted(path: Path = SORTED) -> dict[str, dict[str, str]]:
    """Key -> the row of what was read."""
    with path.open(encoding="utf-8", newline="") as lines:
        return {row["key"]: row for row in csv.DictReader(lines)}


def check(read: Mapping[str, Mapping[str, str]], drawn: Sequence[Drawn]) -> None:
    """Refuse a sorting that is not of the posts that were drawn.

    Raises:
        UsageError: if posts are missing or too many, or one has another stratum or no known kind.
    """
    strata = {post.key: post.stratum for post in drawn}
    wrong = {
        "not sorted": strata.keys() - read.keys(),
        "sorted but not drawn": read.keys() - strata.keys(),
        "of another stratum": {k for k in strata.keys() & read if read[k]["stratum"] != strata[k]},
        "of no known kind": {key for key, row in read.items() if row["kind"] not in KINDS},
    }
    found = [f"{len(keys)} {what} ({min(keys)}, ...)" for what, keys in wrong.items() if keys]
    if found:
        message = f"{SORTED.name} is not of the errors drawn: {'; '.join(found)}; "
        raise UsageError(message + "write them with --show FILE, read them, and sort them there")


def shares(read: Mapping[str, Mapping[str, str]], errors: Draw) -> list[dict[str, Any]]:
    """Of each kind: posts by stratum, share of them and of all errors, mean p of the truth."""
    rows = []
    for kind in KINDS:
        of_kind = [post for post in errors.posts if read[post.key]["kind"] == kind]
        stands_for = sum(errors.weight(post.stratum) for post in of_kind)
        strata = {name: sum(post.stratum == name for post in of_kind) for name in STRATA}
        rows.append(
            {
                "kind": kind,
                "posts": len(of_kind),
                "strata": strata,
                "share": len(of_kind) / len(errors.posts),
                "share_of_all": stands_for / sum(errors.sizes.values()),
                "p_true": float(np.mean([post.p_true for post in of_kind])) if of_kind else None,
            }
        )
    return rows


def reader_shares() -> dict[str, float]:
    """How often another reader, who did not see the label, says otherwise of urgent and not."""
    urgent = {(row.source, row.key): _is_urgent(row) for row in read_labels()}
    pairs = [(urgent[row.source, row.key], _is_urgent(row)) for row in read_control_labels()]
    said = {side: [told for given, told in pairs if given is side] for side in (True, False)}
    return {
        "missed": said[True].count(False) / len(said[True]),
        "raised": said[False].count(True) / len(said[False]),
    }


def _is_urgent(row: LabelRow) -> bool:
    level = row.labels.urgency
    return level is not None and level >= UrgencyLevel.HIGH


def _page(rows: Sequence[Mapping[str, Any]], errors: Draw, about: str) -> str:
    counts = [
        (
            row["kind"],
            *(str(n or "") for n in row["strata"].values()),
            str(row["posts"]),
            f"{row['share_of_all']:.0%}",
            "-" if row["p_true"] is None else f"{row['p_true']:.2f}",
        )
        for row in rows
    ]
    read = Counter(post.stratum for post in errors.posts)
    drawn = [(n, what, str(read[n]), f"{errors.sizes[n]:,}") for n, (_, what) in STRATA.items()]
    return "\n\n".join(
        (
            about,
            table(("stratum", "labelled and said", "read", "errors"), drawn),
            table(("kind", *STRATA, "posts", "of all errors", "mean p of the truth"), counts),
            _NOTES,
            table(("kind", "meaning"), list(KINDS.items())),
        )
    )


def _about(rows: Sequence[Mapping[str, Any]], errors: Draw, model: str, held: int) -> str:
    doubtful = next(row for row in rows if row["kind"] == "doubtful_label")
    readers = reader_shares()
    return (
        f"{len(errors.posts)} of the {sum(errors.sizes.values()):,} errors of {model} on {held:,} "
        "posts of companies that it had not seen, drawn by stratum; a post is in the first that "
        f"fits. Doubtful labels: {doubtful['share']:.0%} of what was read, "
        f"{doubtful['share_of_all']:.0%} of all errors. To compare: readers who did not see the "
        f"label (controls.csv) put {readers['missed']:.0%} of the posts labelled high or critical "
        f"below high, and {readers['raised']:.0%} of the others at high or critical."
    )


def show(path: Path, posts: HeldOut, drawn: Sequence[Drawn]) -> None:
    """Write the errors with their texts, which no repository may hold; needs the corpora."""
    labels = [row for row in read_labels() if row.split == "train"]
    texts = {
        short_key(text_key(text)): text for text in map(training_text, joined_posts(labels=labels))
    }
    read = read_sorted() if SORTED.exists() else {}
    p_intent, p_level = intents(posts.need), levels(posts.need)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow((*COLUMNS, "labelled", "said", "urgency", "text"))
        for post in drawn:
            row, known = post.row, read.get(post.key, {})
            given, said = (
                f"{INTENTS[intent]} {URGENCY_LEVELS[level].label}"
                for intent, level in (
                    (posts.intent[row], posts.urgency[row]),
                    (p_intent[row].argmax(), p_level[row].argmax()),
                )
            )
            urgency = f"{p_level[row, UrgencyLevel.HIGH :].sum():.3f}"
            remarks = (known.get("kind", ""), known.get("remark", ""))
            text = texts.get(int(post.key, 16), "")
            out.writerow((post.key, post.stratum, *remarks, given, said, urgency, text))


def main() -> None:
    """Draw, check that what was drawn is what was sorted, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="write the texts there; no report"
    )
    arguments = parser.parse_args()
    artefact = find_artefact("default")
    posts = load_held_out(artefact)
    errors = draw(posts)
    if arguments.show:
        show(arguments.show, posts, errors.posts)
        return
    read = read_sorted()
    check(read, errors.posts)
    rows, model = shares(read, errors), artefact.config.name
    facts = {
        "model": model,
        "seed": _SEED,
        "errors": dict(errors.sizes),
        "readers": reader_shares(),
        "kinds": rows,
    }
    about = _about(rows, errors, model, len(posts))
    write("errors", facts, _page(rows, errors, about), _COMMAND)


if __name__ == "__main__":
    main()
