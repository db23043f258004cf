"""The card of a model: what it is, what it was made of, how it does, where not to use it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import yaml

from replyrank.models.artefact import Artefact
from replyrank.models.config import ModelConfig
from replyrank.models.parity import Check
from replyrank.pipeline.markdown import table
from replyrank.training.config import CorrectionConfig, FallbackConfig, TrainConfig
from replyrank.training.licence import LICENCE, commercial_use, weights_licence
from replyrank.training.material import Material
from replyrank.training.oof import FoldFigures

_INTENDED = """\
Short English posts and messages to or about a brand. The scores order a queue in which
everything is read by a person; they are not meant to answer, hide or delete anything.
Messages in other languages get the class priors and the review reason `language`."""

#: what ``tests/benchmarks/reports/errors.md`` shows; it rests on one model
_ERRORS = """\
Of the errors of minilm-l6-0.3 that were read one by one, more turned on two questions than on any
other: whether a few words judge the brand at all, and whether a case that is told is still open.
Critical posts that stood too low mostly told of harm without a word of alarm."""

_LIMITS = f"""\
The labels were made under one written guideline; a team that sees urgency otherwise should
retrain on its own corrections. Brands never seen cost accuracy: the figures above are of
such brands. {_ERRORS}"""


_LIMITS_OF_CORRECTED = f"""\
The figures above are of the team's own posts. What the correction costs or gains on brands that
neither model has seen is for the gate to say. {_ERRORS}"""


@dataclass(frozen=True, slots=True)
class Papers:
    """What an artefact says of itself in prose."""

    card: str
    licence: str


def papers(
    name: str,
    config: TrainConfig | FallbackConfig,
    material: Material,
    folds: FoldFigures,
    checks: Sequence[Check],
) -> Papers:
    """The card of a model, and the licence of its weights.

    Args:
        name: of the artefact.
        config: of the run that made it.
        material: what it was trained on.
        folds: figures out of fold.
        checks: of the export; none for a model that is not exported.
    """
    return Papers(
        model_card(name, config, material, folds, checks),
        weights_licence(_sources(material.counts)),
    )


def correction_papers(
    made: ModelConfig,
    config: CorrectionConfig,
    start: Artefact,
    material: Material,
    *,
    figures: tuple[FoldFigures, FoldFigures],
    checks: Sequence[Check],
    known: int,
) -> Papers:
    """The card of a corrected model, and the licence that it has from the one it began with.

    Args:
        made: the config of the artefact.
        config: of the run that made it.
        start: the model it began with.
        material: the team's posts, and what was read beside them.
        figures: out of fold on these posts, before and after.
        checks: of the export.
        known: how many of the posts had trained the model it began with.
    """
    before, after = figures
    rows = [
        (what, *("-" if np.isnan(one) else f"{one:.3f}" for one in (old, new)))
        for (what, old), (_, new) in zip(before.figures, after.figures, strict=True)
    ]
    begun = f"{start.config.name} (manifest {start.manifest_sha256[:12]})"
    name = start.config.name
    told = (
        f"{after.rows:,} labelled posts in {config.folds} folds: before, as {name} answers; after, "
        f"as a model answers that learnt the other folds. {_kept(start, made)}{_known(name, known)}"
    )
    card = "\n\n".join(
        [
            f"# {made.name}",
            f"{begun}, corrected by a team's own labels.",
            "## Use",
            _INTENDED,
            "## Figures on the team's posts",
            told,
            table(("figure", "before", "after"), rows),
            *_export(checks),
            "## Training data (rows)",
            _counts(material.counts),
            "The texts are not part of this artefact. What the model it began with was trained on "
            "is told by that model's card.",
            "## Limits",
            _LIMITS_OF_CORRECTED,
            "## Config",
            f"```yaml\n{yaml.safe_dump(config.model_dump(mode='json'), sort_keys=False)}```\n",
        ]
    )
    return Papers(card, _inherited_licence(start, material))


def _known(name: str, known: int) -> str:
    """What it means for the figures that posts had trained the model it began with."""
    if not known:
        return ""
    return (
        f" {known:,} of the team's posts had trained {name} already: they are left out where there "
        "are others, and flatter these figures where there are none."
    )


def _kept(start: Artefact, made: ModelConfig) -> str:
    """What was taken over, and how far the one threshold moved."""
    old, new = start.config.thresholds.support_request, made.thresholds.support_request
    if old == new:
        return "Calibration, priors and thresholds are those it began with."
    return (
        "Calibration and priors are those it began with. The threshold of support_request went "
        f"from {old:g} to {new:g}, as far as requests and other posts around it moved alike."
    )


def _inherited_licence(start: Artefact, material: Material) -> str:
    """That of the model it began with, where it states one: no label makes it wider."""
    stated = start.path(LICENCE)
    if not stated.is_file():
        return weights_licence(_sources(material.counts))
    return (
        f"{stated.read_text(encoding='utf-8').rstrip()}\n\nThese weights began as those of "
        f"{start.config.name} and were trained further on a team's own labels.\n"
    )


def model_card(
    name: str,
    config: TrainConfig | FallbackConfig,
    material: Material,
    folds: FoldFigures,
    checks: Sequence[Check],
) -> str:
    """Markdown of ``card.md``."""
    return "\n\n".join(
        [
            f"# {name}",
            _what(config),
            "## Use",
            _INTENDED,
            "## Figures on " + ("companies" if material.by_company else "posts") + " never seen",
            _how_measured(config, material, folds),
            table(("figure", "value"), [(key, f"{value:.3f}") for key, value in folds.figures]),
            *_export(checks),
            "## Training data (rows)",
            _counts(material.counts),
            "The texts are not part of this artefact. "
            f"{_terms(material.counts)}: see LICENSE-WEIGHTS.md.",
            "## Limits",
            _LIMITS,
            "## Config",
            f"```yaml\n{yaml.safe_dump(config.model_dump(mode='json'), sort_keys=False)}```\n",
        ]
    )


def _how_measured(
    config: TrainConfig | FallbackConfig, material: Material, folds: FoldFigures
) -> str:
    """By what each post was predicted and judged, no more than is true."""
    unseen = "its company" if material.by_company else "it"
    # Of a single fold, calibration and thresholds are fitted on other posts of its companies.
    unfitted = unseen if len(config.folds_run) > 1 else "it"
    return (
        f"{folds.rows:,} posts in {len(config.folds_run)} of {config.folds} folds, each predicted "
        f"by a model that was trained without {unseen}, and judged by a calibration and "
        f"thresholds that were fitted without {unfitted}."
    )


def _sources(counts: Mapping[str, Mapping[str, int]]) -> set[str]:
    return {source for sources in counts.values() for source in sources}


def _terms(counts: Mapping[str, Mapping[str, int]]) -> str:
    if commercial_use(_sources(counts)):
        return "All sources allow commercial use"
    return "Several of the sources are for non-commercial use or state no licence"


def _what(config: TrainConfig | FallbackConfig) -> str:
    if isinstance(config, FallbackConfig):
        return (
            "Hashed words, word pairs and character n-grams with two logistic heads: the joint of "
            "intent and urgency level, and sentiment. It stands in where the transformer "
            "cannot run."
        )
    what = (
        f"An encoder ({config.encoder}) with a joint head for intent and urgency level and a head "
        "for sentiment, in int8 with static scales: scores do not depend on a message's neighbours."
    )
    stage = config.student_stage
    if stage is None:
        return what
    return (
        f"{what} Of its layers {len(stage.layers)} are kept, the last for one token alone. It "
        f"learnt what {stage.teachers} models of the same recipe say, on average, of all texts "
        "below, labelled or not."
    )


def _export(checks: Sequence[Check]) -> list[str]:
    if not checks:
        return []
    # A bar would end the cell.
    rows = [(c.name.replace("|", r"\|"), f"{c.value:.2g}", f"{c.limit:.2g}") for c in checks]
    return ["## Export", table(("check", "value", "limit"), rows)]


def _counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        (part, source, f"{rows:,}")
        for part, sources in counts.items()
        for source, rows in sources.items()
    ]
    return table(("part", "source", "rows"), rows)
