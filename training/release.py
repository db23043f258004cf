"""From a trained model to an artefact folder: export, quantise, check, calibrate, describe."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from replyrank.data.cleaning import CLEANING_VERSION
from replyrank.data.errors import UsageError
from replyrank.data.samples.load import load_samples
from replyrank.models.artefact import (
    CARD,
    CONFIG,
    MANIFEST,
    MODEL,
    SELFTEST,
    TOKENIZER,
    verify,
    write_manifest,
)
from replyrank.models.config import ModelConfig, ModelKind, Thresholds
from replyrank.models.encoder import TriageModel
from replyrank.models.export import export_fp32, torch_logits
from replyrank.models.find import open_artefact
from replyrank.models.held_out import HELD_OUT, HeldOut, save_held_out
from replyrank.models.parity import Check, Probabilities, check_export
from replyrank.models.quantise import quantise
from replyrank.models.selftest import write_selftest
from replyrank.models.tokens import PostTokenizer
from replyrank.training.calibrate import cross_fitted, fit
from replyrank.training.card import Papers
from replyrank.training.config import RunConfig
from replyrank.training.export_record import ExportRecord
from replyrank.training.held_out_posts import held_out_posts
from replyrank.training.licence import LICENCE
from replyrank.training.oof import FoldFigures, OutOfFold, fold_figures

#: texts on which the activations' ranges are measured
RANGE_TEXTS: Final = 512
#: other texts on which the export gate compares
GATE_TEXTS: Final = 2_000
#: posts written for the project that the self-test scores
SELFTEST_TEXTS: Final = 32


@dataclass(frozen=True, slots=True)
class Quantised:
    """A model's graphs, and the tokenizer that feeds them, in a working folder."""

    fp32: Path
    int8: Path


def quantise_model(
    model: TriageModel,
    tokens: Sequence[Sequence[int]],
    folder: Path,
    name: str,
    *,
    rounding_seed: int | None = None,
) -> Quantised:
    """Export ``model`` and quantise it; see ``quantise``."""
    graphs = Quantised(folder / f"{name}-fp32.onnx", folder / f"{name}-int8.onnx")
    export_fp32(model, graphs.fp32)
    quantise(graphs.fp32, graphs.int8, tokens, rounding_seed=rounding_seed)
    return graphs


def gate_checks(
    model: TriageModel, graphs: Quantised, tokens: Sequence[Sequence[int]]
) -> list[Check]:
    """The figures of the export gate that need no labels."""
    reference = Probabilities.of_logits(*(part.numpy() for part in torch_logits(model, tokens)))
    return check_export(reference, graphs.fp32, graphs.int8, tokens)


@dataclass(frozen=True, slots=True)
class FittedModel:
    """What the folds give an artefact beside its weights."""

    config: ModelConfig
    figures: FoldFigures
    held_out: HeldOut


def fit_config(oof: OutOfFold, config: RunConfig, name: str, kind: ModelKind) -> FittedModel:
    """Calibration, priors and thresholds from out-of-fold logits, and how these posts then do.

    The figures are cross-fitted: no post is judged by a calibration or threshold that it
    took part in.

    Args:
        oof: by the quantised fold models.
        config: of the run.
        name: name and version of the model.
        kind: of the artefact.
    """
    fitted = fit(oof, config.decisions)
    model_config = ModelConfig(
        name=name,
        kind=kind,
        cleaning=CLEANING_VERSION,
        max_tokens=config.max_tokens,
        calibration=fitted.calibration,
        priors=fitted.priors,
        thresholds=Thresholds(
            support_request=fitted.support_request,
            low_confidence=fitted.low_confidence,
            language_margin=config.decisions.language_margin,
        ),
    )
    judged = cross_fitted(oof, config.decisions)
    posts = held_out_posts(oof.rows, oof.companies, judged.need, judged.p_sentiment)
    return FittedModel(model_config, fold_figures(oof.rows, judged), posts)


def write_artefact(
    graphs: Quantised,
    tokenizer: PostTokenizer,
    fitted: FittedModel,
    papers: Papers,
    target: Path,
    *,
    export: ExportRecord,
) -> Path:
    """Put an artefact folder together and move it into place once it verifies.

    Args:
        graphs: of the model that ships.
        tokenizer: of the encoder.
        fitted: what the folds give the artefact.
        papers: its card and licence.
        target: folder to make; an older one of this name is replaced.
        export: what its checks found.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        folder = Path(place) / target.name
        folder.mkdir()
        shutil.copyfile(graphs.int8, folder / MODEL)
        tokenizer.save(folder / TOKENIZER)
        export.save(folder)
        finish_artefact(folder, fitted, papers)
        return publish(folder, target)


def finish_artefact(folder: Path, fitted: FittedModel, papers: Papers) -> None:
    """Add all else, self-test and manifest last, to a folder that holds the weights."""
    (folder / CARD).write_text(papers.card, encoding="utf-8")
    (folder / LICENCE).write_text(papers.licence, encoding="utf-8")
    (folder / CONFIG).write_text(
        json.dumps(fitted.config.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8"
    )
    save_held_out(fitted.held_out, folder / HELD_OUT)
    (folder / SELFTEST).write_text("", encoding="utf-8")
    write_manifest(folder)
    write_selftest(open_artefact(verify(folder), threads=1), selftest_texts(), folder / SELFTEST)
    write_manifest(folder)


def publish(folder: Path, target: Path) -> Path:
    """Move a finished folder to ``target``, in the place of an older artefact of that name.

    Raises:
        UsageError: if something else than an artefact stands there.
    """
    if not target.exists():
        return folder.rename(target)
    if not (target / MANIFEST).is_file():
        message = f"{target} is there and is no artefact; choose another --name or folder"
        raise UsageError(message)
    aside = folder.with_name(f"{target.name}.old")
    target.rename(aside)
    # The older one lies in the temporary folder now, which goes with it.
    return folder.rename(target)


def selftest_texts() -> list[str]:
    """Posts written for the project, of all lengths, for the self-test."""
    texts = sorted(
        {sample.message.text for sample in load_samples() if sample.message.text.strip()}
    )
    step = max(1, len(texts) // SELFTEST_TEXTS)
    return texts[::step][:SELFTEST_TEXTS]
