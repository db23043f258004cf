"""What others would use on the same texts: each says of a text its likeliest label, and how likely.

Every function prepares (loads, trains) and gives back what scores texts.
"""

import csv
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from replyrank.data.vocabulary import INTENTS, NEED_CELLS, SENTIMENT_LABELS, UrgencyLevel
from replyrank.data.written import load_written
from replyrank.training.predictions import Predictions
from replyrank.training.rows import MASKED, TrainingRows

_LEVELS: Final = len(UrgencyLevel)
#: of the batched rivals
_BATCH: Final = 32
#: posts that the rivals that train in seconds are trained on
_TRAINING: Final = 5_000

#: (source, target, most rows) -> rows that were scored
File = Callable[[Path, Path, int | None], int]
Texts = Callable[[list[str]], Sequence[tuple[str, float]]]


def pipeline(threads: int, batch_size: int | None = None) -> Texts:
    """The default Hugging Face pipeline for text classification; with a size, in batches."""
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    torch.set_num_threads(threads)
    model, tokenizer = _network()
    classify = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    how = {} if batch_size is None else {"batch_size": batch_size}

    def run(texts: list[str]) -> list[tuple[str, float]]:
        results: Any = classify(texts, **how)
        return [(result["label"], result["score"]) for result in results]

    return run


def batched_pipeline(threads: int) -> Texts:
    """The same pipeline, told to put texts into batches."""
    return pipeline(threads, _BATCH)


def quantised_by_default(threads: int) -> Texts:
    """ONNX Runtime on the same network by its ``quantize_dynamic``, in padded batches."""
    import onnxruntime  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from onnxruntime.quantization import quantize_dynamic  # noqa: PLC0415

    model, tokenizer = _network()
    example = tokenizer(["an example", "and one more"], return_tensors="pt", padding=True)
    names = ["input_ids", "attention_mask"]
    with tempfile.TemporaryDirectory() as folder:
        full, small = Path(folder) / "full.onnx", Path(folder) / "int8.onnx"
        torch.onnx.export(
            model.eval(),
            tuple(example[name] for name in names),
            str(full),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(full, small)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(small), options)

    def run(texts: list[str]) -> list[tuple[str, float]]:
        scored: list[tuple[str, float]] = []
        for start in range(0, len(texts), _BATCH):
            batch = tokenizer(
                texts[start : start + _BATCH], return_tensors="np", padding=True, truncation=True
            )
            (logits,) = session.run(None, {name: batch[name] for name in names})
            scored += _best(np.asarray(logits))
        return scored

    return run


def tfidf(_threads: int) -> Texts:
    """Words and pairs of words, weighed, and logistic regression: what scikit-learn gives."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415

    texts, labels = _labelled()
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=300))
    model.fit(texts, labels)

    def run(texts: list[str]) -> list[tuple[str, float]]:
        p = model.predict_proba(texts)
        best = p.argmax(axis=1)
        return [(str(model.classes_[at]), float(row[at])) for at, row in zip(best, p, strict=True)]

    return run


def fasttext(threads: int) -> Texts:
    """fastText, supervised, pairs of words; needs the package ``fasttext-wheel``."""
    model = _fasttext(*_labelled(), threads)

    def run(texts: list[str]) -> list[tuple[str, float]]:
        names, p = model.predict([" ".join(text.split()) for text in texts])
        return [(name[0], float(one[0])) for name, one in zip(names, p, strict=True)]

    return run


def _fasttext(texts: Sequence[str], labels: Sequence[object], threads: int) -> Any:
    library: Any = import_module("fasttext")  # no dependency of the project
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.writelines(
            f"__label__{label} {' '.join(text.split())}\n"
            for text, label in zip(texts, labels, strict=True)
        )
        file.flush()
        return library.train_supervised(
            file.name, epoch=25, wordNgrams=2, thread=threads, verbose=0
        )


def fasttext_predictions(train: TrainingRows, texts: Sequence[str]) -> Predictions:
    """What fastText says of both heads, trained on labelled posts; one thread, so that it repeats.

    Args:
        train: a post without a label is left out of that head.
        texts: n texts to predict.
    """
    heads = []
    need = np.where(train.intent == MASKED, MASKED, train.intent * _LEVELS + train.urgency)
    need[train.urgency == MASKED] = MASKED
    for labels, classes in ((need, NEED_CELLS), (train.sentiment, len(SENTIMENT_LABELS))):
        rows = np.flatnonzero(labels != MASKED)
        model = _fasttext([train.texts[row] for row in rows], labels[rows].tolist(), 1)
        p = np.zeros((len(texts), classes))
        for row, text in enumerate(texts):
            # One by one, below its Python layer: for many texts at once that gives every label
            # the probability of the likeliest.
            for value, name in model.f.predict(f"{' '.join(text.split())}\n", -1, 0.0, "strict"):
                p[row, int(name.removeprefix("__label__"))] = value
        heads.append(p / p.sum(axis=1, keepdims=True))
    return Predictions(heads[0], heads[1], (None,) * len(texts))


RIVALS: Final[dict[str, Callable[[int], Texts]]] = {
    "default pipeline": pipeline,
    "batched pipeline": batched_pipeline,
    "quantize_dynamic": quantised_by_default,
    "TF-IDF + LR": tfidf,
    "fastText": fasttext,
}


def on_files(run: Texts) -> File:
    """From a CSV file with a column ``text`` to one with a label and a score each."""

    def score(source: Path, target: Path, most: int | None) -> int:
        with source.open(encoding="utf-8", newline="") as file:
            texts = [row["text"] for row in csv.DictReader(file)][:most]
        scored = run(texts)
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows(
                (text, label, p) for text, (label, p) in zip(texts, scored, strict=True)
            )
        return len(texts)

    return score


def _network() -> tuple[Any, Any]:
    from transformers import (  # noqa: PLC0415
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    from replyrank.models.encoder import PACKAGED_MINILM, encoder_folder  # noqa: PLC0415

    folder = encoder_folder(PACKAGED_MINILM)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(INTENTS), attn_implementation="eager"
    )
    return model, AutoTokenizer.from_pretrained(folder)


def _labelled() -> tuple[list[str], list[str]]:
    """Posts written for the project: enough for the size that such a model has in use."""
    posts = load_written()[:_TRAINING]
    return [post.text for post in posts], [str(post.labels.intent) for post in posts]


def _best(logits: npt.NDArray[np.float32]) -> list[tuple[str, float]]:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    best = p.argmax(axis=1)
    return [(INTENTS[at], float(row[at])) for at, row in zip(best, p, strict=True)]
