"""The ways of ordering a queue that are compared."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import numpy as np

from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.pipeline.index import Ageless, class_targets
from replyrank.pipeline.policy import FloatArray, IntArray, Policy
from replyrank.pipeline.simulation.engine import ClockedOrder, FixedOrder, Order
from replyrank.pipeline.simulation.population import Population
from replyrank.pipeline.simulation.world import World

#: names of the models in a population
MODEL: Final = "model"
FALLBACK: Final = "fallback"


class OrderName(StrEnum):
    """The policies, in the order in which they are told."""

    FIFO = "first come, first served"
    LIFO = "newest first"
    SENTIMENT = "angriest first"
    KEYWORDS = "keyword tiers"
    RULE_COUNT = "keyword points"
    STRICT = "predicted class, strictly"
    EDF = "predicted class, by deadline"
    OURS = "replyrank"
    OURS_FALLBACK = "replyrank, linear model"
    ORACLE = "replyrank, true labels"


class Orders:
    """Makes the orders of one world.

    Args:
        world: the arrivals.
        population: what the models say of them.
        policy: of the index.
        sharpness: power of the models' probabilities; 1 leaves them as they are.
    """

    def __init__(
        self, world: World, population: Population, policy: Policy, sharpness: float = 1.0
    ) -> None:
        self._world = world
        self._population = population
        self._policy = policy
        self._sharpness = sharpness

    def make(self, name: OrderName) -> Order:
        """An empty queue in that order."""
        match name:
            case OrderName.OURS:
                return self._ranked(self._posterior(MODEL))
            case OrderName.OURS_FALLBACK:
                return self._ranked(self._posterior(FALLBACK))
            case OrderName.ORACLE:
                return self._ranked(np.eye(len(POLICY_CLASSES))[self._world.true])
            case _:
                return FixedOrder(self._key(name))

    def _key(self, name: OrderName) -> FloatArray:
        """(n,) what an order that the clock does not change goes by, the smallest first."""
        keys: dict[OrderName, Callable[[], FloatArray]] = {
            OrderName.FIFO: lambda: np.arange(len(self._world), dtype=np.float64),
            OrderName.LIFO: lambda: -np.arange(len(self._world), dtype=np.float64),
            OrderName.SENTIMENT: lambda: -self._population.gloom[self._world.post],
            OrderName.KEYWORDS: lambda: self._of_rules(self._population.tiers),
            OrderName.RULE_COUNT: lambda: -self._of_rules(self._population.points),
            OrderName.STRICT: lambda: self._predicted().astype(np.float64),
            OrderName.EDF: self._deadline,
        }
        return keys[name]()

    def _deadline(self) -> FloatArray:
        targets = class_targets(self._world.channel_target, self._policy)
        due = targets[np.arange(len(self._world)), self._predicted()]
        return np.asarray(self._world.work.arrival + due, dtype=np.float64)

    def _of_rules(self, values: np.ndarray | None) -> FloatArray:
        if values is None:
            message = "the rules that the posts were matched with are not known"
            raise ValueError(message)
        return np.asarray(values[self._world.post], dtype=np.float64)

    def _posterior(self, model: str) -> FloatArray:
        posterior = self._population.posterior[model][self._world.post]
        if self._sharpness == 1:
            return posterior
        powered = posterior**self._sharpness
        sharper: FloatArray = powered / powered.sum(axis=1, keepdims=True)
        return sharper

    def _predicted(self) -> IntArray:
        likeliest: IntArray = self._posterior(MODEL).argmax(axis=1)
        return likeliest

    def _ranked(self, posterior: FloatArray) -> Order:
        world, policy = self._world, self._policy
        arrival = world.work.arrival
        ageless = Ageless.of(
            posterior,
            channel_target=world.channel_target,
            reach=world.reach,
            repeat=np.ones(len(world)),
            policy=policy,
        )

        def value(rows: np.ndarray, now: float) -> FloatArray:
            return ageless.value(rows, now - arrival[rows])

        def has_waited_long(row: int, now: float) -> bool:
            return bool(now - arrival[row] > policy.guard.limit_hours * 60)

        return ClockedOrder(value, oldest=policy.guard.one_in, patience=has_waited_long)
