# A multiplication sign is what a reader of a reason expects.
# ruff: noqa: RUF001, RUF002
"""The one line that says why an item stands where it stands.

``2.79 pts/agent-min = 9.35 pts/min ÷ 3.35 min; high 13.5%×20×1 (target 15 min)
+ support 82.9%×3×1 (target 60 min) + critical 1.2%×100×1 (target 7.5 min) + rest 0.0151;
reach ×1, repeat ×1.46 (1 follow-up); waited 75 min``

Every number is the index's own, to three digits: a term is p × weight × phi (and × reach, if
its class is among those named behind the reach), terms and rest times repeat are the points per
minute, and these by the minutes are the index. For an agent who answered the customer before it
counts more: ``3.49 pts/agent-min = 9.35 pts/min ÷ 3.35 min × 1.25 (answered this customer
before); ...``
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.index import Index
from replyrank.pipeline.policy import Policy

# Terms below this share of the harm are summed up as the rest.
_SHOWN_FROM: Final = 0.05


def figure(value: float) -> str:
    """A number to three significant digits, without exponent or trailing zeros."""
    short = f"{value:.3g}"
    return np.format_float_positional(float(short), trim="-") if "e" in short else short


def explain(
    scored: Index,
    row: int,
    policy: Policy,
    *,
    age: float,
    follow_ups: int,
    notes: Sequence[str],
    preferred: float = 1.0,
) -> str:
    """The reason of one item.

    Args:
        scored: the index with its terms.
        row: which of its n items.
        policy: the numbers it was made with.
        age: minutes waited, in open hours.
        follow_ups: messages after the first one.
        notes: what else a reader must know.
        preferred: factor by which the index is raised for the agent who asks.
    """
    # A float of Python is put into words faster than one of numpy.
    columns = (scored.harm, scored.handling, scored.reach, scored.repeat)
    harm, handling, reach, repeat = (figure(float(column[row])) for column in columns)
    line = f"{figure(preferred * float(scored.value[row]))} pts/agent-min = {harm} pts/min"
    line += f" ÷ {handling} min"
    if preferred != 1:
        line += f" × {figure(preferred)} (answered this customer before)"
    line += f"; {_terms(scored, row, policy)}"
    if scored.reach[row] != 1:
        reach += f" ({', '.join(policy.reach.classes)})"
    if follow_ups:
        repeat += f" ({follow_ups} follow-up{'s' if follow_ups > 1 else ''})"
    waited = f"waited {figure(age)} min" + ("" if policy.calendar.always_open else " of open hours")
    return "; ".join([line, f"reach ×{reach}, repeat ×{repeat}", waited, *notes])


def _terms(scored: Index, row: int, policy: Policy) -> str:
    terms: list[float] = scored.terms[row].tolist()
    shares: list[float] = scored.posterior[row].tolist()
    phi: list[float] = scored.phi[row].tolist()
    targets: list[float] = scored.targets[row].tolist()
    weights: list[float] = policy.column("weight").tolist()
    least = _SHOWN_FROM * sum(terms)
    parts = [
        f"{POLICY_CLASSES[k]} {figure(100 * shares[k])}%×{figure(weights[k])}×{figure(phi[k])}"
        f" (target {figure(targets[k])} min)"
        for k in sorted(range(len(terms)), key=lambda k: -terms[k])
        if terms[k] >= least
    ]
    rest = sum(term for term in terms if term < least)
    return " + ".join([*parts, f"rest {figure(rest)}"] if rest > 0 else parts)
