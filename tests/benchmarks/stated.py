"""What is known of a post's level once a person has said its intent, where the model had it wrong.

For the held-out posts of the shipped models: the log loss of the true level, given the true intent,
by how much a model's own split is trusted where it gave that intent little. Needs no corpora.
"""

from typing import Final
from unittest.mock import patch

import numpy as np

from replyrank.models import joint as joint_module
from replyrank.models.find import DEFAULT, FALLBACK, FAST, find_artefact
from replyrank.models.held_out import HeldOut, load_held_out
from replyrank.models.joint import intents, levels, stated
from replyrank.pipeline.markdown import table
from tests.benchmarks.reporting import write

_COMMAND: Final = "python -m tests.benchmarks.stated"
_TRUSTED: Final = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08)
#: what counts as next to nothing
_LITTLE: Final = 0.02
_CRITICAL: Final = 3


def _figures(posts: HeldOut, prior: tuple[float, ...], trusted: float) -> dict[str, float]:
    rows = np.arange(len(posts))
    wrong = intents(posts.need).argmax(axis=1) != posts.intent
    little = intents(posts.need)[rows, posts.intent] < _LITTLE
    usual = np.asarray(prior, dtype=np.float64)
    with patch.object(joint_module, "_TRUSTED", trusted):
        said = [
            stated(need, int(intent), None, usual)
            for need, intent in zip(posts.need, posts.intent, strict=True)
        ]
    level = levels(np.stack(said))
    loss = -np.log(np.maximum(level[rows, posts.urgency], 1e-9))
    return {
        "wrong": float(loss[wrong].mean()),
        "little": float(loss[little].mean()),
        "critical": float(level[little, _CRITICAL].mean()),
        "true": float((posts.urgency[little] == _CRITICAL).mean()),
    }


def main() -> None:
    """Measure the shipped models and write the report."""
    found = {}
    for name in (DEFAULT, FAST, FALLBACK):
        artefact = find_artefact(name)
        posts, prior = load_held_out(artefact), artefact.config.priors.need
        found[name] = {str(one): _figures(posts, prior, one) for one in _TRUSTED}
    rows = [
        (name, trusted, *(f"{one[key]:.3f}" for key in ("wrong", "little", "critical", "true")))
        for name, of in found.items()
        for trusted, one in of.items()
    ]
    head = (
        *("model", "trusted half at", "log loss, intent wrong", "log loss, intent given little"),
        *("critical, by the model", "critical, by the labels"),
    )
    body = table(head, rows) + (
        f"\n\nHeld-out posts of companies never seen. Given little: less than {_LITTLE}; the last "
        "two columns are of those. At 0 the model's own split is kept whole."
    )
    write("stated", {"models": found}, body, _COMMAND)


if __name__ == "__main__":
    main()
