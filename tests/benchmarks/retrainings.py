"""Ten retrainings, good and spoilt, before the gate: does it refuse every one that is worse.

The team is a company of the gate set, which trained no model; its posts, with what is done to their
labels, correct the shipped model. The gate holds each result against the shipped model on the posts
of the other companies of that set. What the team's own customers would see is said by a part of its
posts that is kept aside.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from replyrank.models.artefact import Artefact, verify
from replyrank.models.errors import ArtefactError
from replyrank.models.find import find_artefact, load_scorer
from replyrank.models.joint import intents
from replyrank.pipeline.markdown import table
from replyrank.training.config import CorrectionConfig, find_config, load_config
from replyrank.training.gate import run_gate
from replyrank.training.gate_posts import GatePosts, gate_posts_of_corpora
from replyrank.training.gate_rules import load_gate_rules
from replyrank.training.material import Material, load_material
from replyrank.training.metrics import IntArray, confusion, macro_f1
from replyrank.training.own_posts import own_dataset
from replyrank.training.rows import TrainingRows
from replyrank.training.runs import open_run
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.retrainings"
_WORDS: Final = ("support_request", "praise", "opinion", "chatter")
_MOODS: Final = ("negative", "neutral", "positive")

#: figures on the other companies that the table shows
_TOLD: Final = ("intent_macro_f1", "urgency_kappa", "ece_intent")

Change = Callable[[TrainingRows, np.random.Generator], TrainingRows]


def as_they_are(rows: TrainingRows, _: np.random.Generator) -> TrainingRows:
    """No label is wrong."""
    return rows


def noisy(share: float) -> Change:
    """A share of the posts has any intent and level."""

    def change(rows: TrainingRows, rng: np.random.Generator) -> TrainingRows:
        hit = rng.random(len(rows)) < share
        return replace(
            rows,
            intent=np.where(hit, rng.integers(0, 4, len(rows)), rows.intent),
            urgency=np.where(hit, rng.integers(0, 4, len(rows)), rows.urgency),
        )

    return change


def mislabelled(rows: TrainingRows, _: np.random.Generator) -> TrainingRows:
    """Requests are called opinions, and nothing is urgent."""
    intent = np.where(rows.intent == 0, 2, rows.intent)
    return replace(rows, intent=intent, urgency=np.zeros_like(rows.urgency))


def all_urgent(rows: TrainingRows, _: np.random.Generator) -> TrainingRows:
    """Everything is a critical request."""
    n = len(rows)
    return replace(rows, intent=np.zeros(n, np.int64), urgency=np.full(n, 3, np.int64))


def skewed(rows: TrainingRows, rng: np.random.Generator) -> TrainingRows:
    """Chatter alone, and a few requests."""
    chatter, others = np.flatnonzero(rows.intent == 3), np.flatnonzero(rows.intent == 0)
    return rows.take(np.concatenate([chatter, rng.permutation(others)[:10]]))


def upside_down(rows: TrainingRows, _: np.random.Generator) -> TrainingRows:
    """Glad is angry, and angry is glad."""
    return replace(rows, sentiment=2 - rows.sentiment)


def some(n: int, then: Change = as_they_are) -> Change:
    """Some of them."""

    def change(rows: TrainingRows, rng: np.random.Generator) -> TrainingRows:
        return then(rows.take(rng.permutation(len(rows))[:n]), rng)

    return change


@dataclass(frozen=True)
class Trial:
    """One retraining."""

    name: str
    change: Change
    seed: int


@dataclass(frozen=True)
class Result:
    """What became of one."""

    trial: str
    passed: bool
    #: the figures that refused it
    failed: tuple[str, ...]
    #: change of macro-F1 of intent on the team's posts that were kept aside
    own: float | None = None
    #: figure -> what it was and what it is, on the posts of other companies
    others: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


TRIALS: Final = (
    Trial("all labels", as_they_are, 1),
    Trial("64 labels", some(64), 2),
    Trial("16 labels", some(16), 3),
    Trial("10 % noise", noisy(0.1), 4),
    Trial("30 % noise", noisy(0.3), 5),
    Trial("60 % noise", noisy(0.6), 6),
    Trial("chatter alone", skewed, 7),
    Trial("requests called opinions, none urgent", mislabelled, 8),
    Trial("everything critical", all_urgent, 9),
    Trial("moods upside down", upside_down, 10),
)


def retrain(
    trial: Trial, rows: TrainingRows, config: CorrectionConfig, folder: Path
) -> Artefact | None:
    """The corrected model of one trial; None where its export was refused."""
    given = trial.change(rows, np.random.default_rng(trial.seed))
    posts = folder / "posts.jsonl"
    with posts.open("w", encoding="utf-8") as file:
        for row, text in enumerate(given.texts):
            line = {
                "text": text,
                "intent": _WORDS[given.intent[row]],
                "urgency": int(given.urgency[row]),
                "sentiment": _MOODS[given.sentiment[row]],
            }
            file.write(json.dumps(line) + "\n")
    material: Material = load_material(config, own_dataset(posts, folder / "dataset"))
    run = open_run(config, material, folder / "work")
    try:
        return verify(run.run(folder / "out", f"corrected-{trial.seed}"))
    except ArtefactError as error:
        print(trial.name, error, file=sys.stderr, flush=True)
        return None


def own_f1(model: Artefact, rows: TrainingRows) -> float:
    """Macro-F1 of intent on some posts."""
    said: IntArray = intents(load_scorer(model.folder).score_batch(rows.texts).need).argmax(axis=1)
    return float(macro_f1(confusion(rows.intent, said, 4)))


def main() -> None:
    """Retrain, hold before the gate, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--company", default="american_airlines")
    arguments = parser.parse_args()
    posts = gate_posts_of_corpora(None)
    is_own = np.array([company == arguments.company for company in posts.companies])
    own = np.random.default_rng(0).permutation(np.flatnonzero(is_own))
    aside, learnt = posts.rows.take(own[:130]), posts.rows.take(own[130:])
    others: GatePosts = posts.take(np.flatnonzero(~is_own), "without the team's posts")
    config = load_config(find_config(Path("corrections")))
    assert isinstance(config, CorrectionConfig)
    champion, rules = find_artefact("default"), load_gate_rules()
    config = config.model_copy(update={"start": str(champion.folder)})
    before = own_f1(champion, aside)
    results = list[Result]()
    for trial in TRIALS:
        with tempfile.TemporaryDirectory() as place:
            model = retrain(trial, learnt, config, Path(place))
            if model is None:
                results.append(Result(trial.name, passed=False, failed=("export",)))
            else:
                report = run_gate(champion, model, others, rules)
                result = Result(
                    trial.name,
                    passed=report.passed,
                    failed=tuple(one.figure for one in report.failures),
                    own=own_f1(model, aside) - before,
                    others={one.figure: (one.champion, one.challenger) for one in report.verdicts},
                )
                results.append(result)
        print(results[-1], file=sys.stderr, flush=True)
    rows = [
        (
            one.trial,
            "passed" if one.passed else "refused",
            "" if one.own is None else f"{one.own:+.3f}",
            *(_change(one, figure) for figure in _TOLD),
            ", ".join(one.failed) or "-",
        )
        for one in results
    ]
    names = ("labels", "gate", "own posts, F1", "others, F1", "others, kappa", "others, ECE", "why")
    body = table(names, rows)
    body += (
        f"\n\nCorrections of {arguments.company} ({len(learnt)} posts), held against "
        f"{champion.config.name} on {len(others):,} posts of other companies by the shipped rules; "
        f"own posts: {len(aside)} that no run has seen, change against {before:.3f}."
    )
    write("retrainings", {"results": [asdict(one) for one in results]}, body, _COMMAND)


def _change(result: Result, figure: str) -> str:
    old, new = result.others.get(figure, (None, None))
    return "" if old is None or new is None else f"{new - old:+.3f}"


if __name__ == "__main__":
    main()
