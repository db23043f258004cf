r"""The index: expected harm per agent-minute of letting an item wait.

    I(t) = repeat / S * sum_k  p_k * w_k * reach_k * phi_k(age)
    phi_k(age) = 2 ** (-r_k * max(0, d_k - S - age) / d_k)

    p_k      calibrated probability of class k (never the likeliest class alone)
    w_k      harm points per minute once the target of k is reached
    reach_k  factor for the audience, 1 for classes that reach does not count for
    d_k      target of k on this channel, in minutes
    S        expected handling minutes, sum_k p_k * mean minutes of k, within bounds
    r_k      doublings of harm over the whole target; 0 is full harm at once
    age      minutes waited, counted in open hours
    repeat   factor for having written again

It is the generalized c-mu rule, "serve the largest mu * C'(age)" (Van Mieghem 1995, Ann. Appl.
Probab. 5(3):809-833; with agents of several skills Mandelbaum & Stolyar 2004, Oper. Res.
52(6):836-855), on the posterior instead of a predicted class: where types are seen only through
a signal, ranking by the signal itself beats every finite set of priority classes (Argon & Ziya
2009, M&SOM 11(4):674-693). The factor phi is that of the ATC rule (Vepsalainen & Morton 1987,
Management Science 33(8):1035-1047): exponential until the target, flat after it, hence the
marginal of a convex cost, and bounded, so that age alone never carries a quiet message past an
urgent one.

Everything here is a pure function of arrays: n items are rows, the six classes are columns in
the order of ``POLICY_CLASSES``.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import (
    INTENTS,
    Channel,
    Intent,
    UrgencyLevel,
    Visibility,
)
from replyrank.models.joint import joint
from replyrank.pipeline.classes import ASKING_CLASSES
from replyrank.pipeline.policy import FloatArray, IntArray, Policy

_QUIET_LEVELS: Final = UrgencyLevel.HIGH.value
_ASKING: Final = len(ASKING_CLASSES)
_KEY_DIGITS: Final = 12


@dataclass(frozen=True)
class Index:
    """The index of n items and the terms that it is made of."""

    #: (n,) harm points per agent-minute
    value: FloatArray
    #: (n,) harm points per minute: the numerator, repeat included
    harm: FloatArray
    #: (n,) expected handling minutes S: the denominator
    handling: FloatArray
    #: (n, 6) p_k * w_k * reach_k * phi_k; rows times repeat sum to harm
    terms: FloatArray
    #: (n, 6) phi_k, 0 to 1
    phi: FloatArray
    #: (n, 6) targets d_k in minutes
    targets: FloatArray
    #: (n, 6) the posterior
    posterior: FloatArray
    #: (n,) factor for the audience, where it counts
    reach: FloatArray
    #: (n,) factor for having written again
    repeat: FloatArray


def class_posterior(need: FloatArray) -> FloatArray:
    """The six classes of the policy as sums over the cells of need.

    ``critical`` is any intent at level critical, ``high`` any intent at level high; ``support``,
    ``opinion``, ``praise`` and ``chatter`` are that intent at the levels none and low.

    Args:
        need: (n, 16), the joint of intent and urgency level, row-major.

    Returns:
        (n, 6), rows summing to what the rows of ``need`` sum to.
    """
    cells = joint(need)
    quiet = cells[:, :, :_QUIET_LEVELS].sum(axis=2)
    columns = (
        cells[:, :, UrgencyLevel.CRITICAL].sum(axis=1),
        cells[:, :, UrgencyLevel.HIGH].sum(axis=1),
        quiet[:, INTENTS.index(Intent.SUPPORT_REQUEST)],
        quiet[:, INTENTS.index(Intent.OPINION)],
        quiet[:, INTENTS.index(Intent.PRAISE)],
        quiet[:, INTENTS.index(Intent.CHATTER)],
    )
    return np.stack(columns, axis=1)


def asking_probability(posterior: FloatArray) -> FloatArray:
    """(n,): p that the author asks for something: critical, high or support."""
    asking: FloatArray = posterior[:, :_ASKING].sum(axis=1)
    return asking


def reach_factor(followers: FloatArray, policy: Policy) -> FloatArray:
    """(n,): factor for an audience of so many followers; 0 followers give 1."""
    curve = policy.reach.curve
    grown = 1 + curve.slope * np.log10(1 + followers / policy.reach.followers_unit)
    return np.minimum(grown, curve.cap)


def repeat_factor(follow_ups: FloatArray, policy: Policy) -> FloatArray:
    """(n,): factor for so many unanswered follow-ups; it stops growing at one."""
    return 1 + policy.threads.repeat_bonus * np.minimum(follow_ups, 1.0)


def expected_handling(posterior: FloatArray, policy: Policy) -> FloatArray:
    """(n,): expected handling minutes, within the policy's bounds."""
    expected: FloatArray = (posterior * policy.column("handling")).sum(axis=1)
    return np.clip(expected, *policy.handling_bounds)


def class_targets(channel_target: FloatArray, policy: Policy) -> FloatArray:
    """(n, 6): target of every class in minutes, from (n,) targets of the channels."""
    return np.minimum(channel_target[:, None] * policy.column("target"), policy.target_caps)


@dataclass(frozen=True)
class Ageless:
    """What of the index of n items the clock does not change: the rest is asked again and again."""

    #: (n, 6)
    posterior: FloatArray
    #: (n,), see ``Index``
    handling: FloatArray
    reach: FloatArray
    repeat: FloatArray
    #: (n, 6)
    targets: FloatArray
    #: (n, 6) d_k - S: minutes of waiting until the harm of a class is full
    leeway: FloatArray
    #: (n, 6) p_k * w_k * reach_k
    weight: FloatArray
    #: (6,) -r_k
    decay: FloatArray

    @classmethod
    def of(
        cls,
        posterior: FloatArray,
        *,
        channel_target: FloatArray,
        reach: FloatArray,
        repeat: FloatArray,
        policy: Policy,
    ) -> Self:
        """Of n items; for the arguments see ``index``."""
        handling = expected_handling(posterior, policy)
        targets = class_targets(channel_target, policy)
        audience = np.where(policy.reach_mask, reach[:, None], 1.0)
        return cls(
            posterior=posterior,
            handling=handling,
            reach=reach,
            repeat=repeat,
            targets=targets,
            leeway=targets - handling[:, None],
            weight=posterior * policy.column("weight") * audience,
            decay=-policy.column("doublings"),
        )

    def index(self, age: FloatArray) -> Index:
        """The index of all, with its terms, after (n,) minutes of waiting."""
        phi = self._phi(slice(None), age)
        terms = self.weight * phi
        harm = self.repeat * terms.sum(axis=1)
        return Index(
            value=harm / self.handling,
            harm=harm,
            handling=self.handling,
            terms=terms,
            phi=phi,
            targets=self.targets,
            posterior=self.posterior,
            reach=self.reach,
            repeat=self.repeat,
        )

    def value(self, rows: IntArray, age: FloatArray) -> FloatArray:
        """(k,) the index of k of the items, after (k,) minutes of waiting."""
        terms = self.weight[rows] * self._phi(rows, age)
        value: FloatArray = self.repeat[rows] * terms.sum(axis=1) / self.handling[rows]
        return value

    def _phi(self, rows: "IntArray | slice", age: FloatArray) -> FloatArray:
        slack = np.maximum(self.leeway[rows] - age[:, None], 0.0)
        phi: FloatArray = np.exp2(self.decay * slack / self.targets[rows])
        return phi


def index(
    posterior: FloatArray,
    *,
    channel_target: FloatArray,
    age: FloatArray,
    reach: FloatArray,
    repeat: FloatArray,
    policy: Policy,
) -> Index:
    """The index of n items, with its terms.

    Args:
        posterior: (n, 6), calibrated, rows sum to 1.
        channel_target: (n,), minutes within which an ordinary support question is due there.
        age: (n,), minutes waited in open hours, not negative.
        reach: (n,), factor for the audience, 1 where nobody else can read the message.
        repeat: (n,), factor for having written again.
        policy: the numbers.
    """
    return Ageless.of(
        posterior, channel_target=channel_target, reach=reach, repeat=repeat, policy=policy
    ).index(age)


def queue_index(need: FloatArray, policy: Policy) -> FloatArray:
    """(n,) index of n messages that differ only in their text.

    All are new, public tweets of people without followers who write for the first time: what
    remains is what the model says.

    Args:
        need: (n, 16), joint of intent and urgency level.
        policy: the numbers.
    """
    n = len(need)
    target = policy.target_minutes(Channel.TWITTER, Visibility.PUBLIC)
    return index(
        class_posterior(need),
        channel_target=np.full(n, target),
        age=np.zeros(n),
        reach=np.ones(n),
        repeat=np.ones(n),
        policy=policy,
    ).value


def growth_bound(channel_target: float, minutes: float, policy: Policy) -> float:
    """The greatest factor by which an index can grow in so many minutes of waiting.

    max_k 2 ** (r_k * minutes / d_k) on a channel with that target. A queue that recomputes
    only its top items serves an item within this factor of the best one.
    """
    targets = class_targets(np.array([channel_target]), policy)[0]
    return float(np.exp2((policy.column("doublings") * minutes / targets).max()))


def due_minutes(posterior: FloatArray, targets: FloatArray, chance: float) -> FloatArray:
    """(n,): the target by which the chance that the answer is already due reaches ``chance``.

    With probability p_k the answer is due after d_k minutes: the result is the quantile of
    that distribution. More chance of an urgent class never makes it later.

    Args:
        posterior: (n, 6).
        targets: (n, 6), minutes.
        chance: the quantile, above 0 and at most 1.
    """
    order = np.argsort(targets, axis=1, kind="stable")
    due_by: FloatArray = np.cumsum(np.take_along_axis(posterior, order, axis=1), axis=1)
    # Rows sum to 1 only up to rounding: a chance of 1 must still find the last class.
    reached: npt.NDArray[np.bool_] = due_by >= np.minimum(chance, due_by[:, -1:])
    first = reached.argmax(axis=1)[:, None]
    return np.take_along_axis(np.take_along_axis(targets, order, axis=1), first, axis=1)[:, 0]


def sort_key(value: FloatArray) -> FloatArray:
    """The index to twelve digits, so that rounding noise never decides between equal items."""
    mantissa, exponent = np.frexp(value)
    return np.ldexp(np.round(mantissa, _KEY_DIGITS), exponent)
