"""Messages as tasks for Label Studio, with what the model says of each as its pre-annotation."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from replyrank.data.messages import Message
from replyrank.data.vocabulary import INTENTS, SENTIMENT_LABELS, URGENCY_LEVELS
from replyrank.models.scorer import Scorer
from replyrank.models.scores import Score

#: control -> the words that can be chosen, in the order in which they are shown
CONTROLS: Final = {
    "intent": tuple(map(str, INTENTS)),
    "urgency": tuple(level.label for level in URGENCY_LEVELS),
    "sentiment": tuple(map(str, SENTIMENT_LABELS)),
}

_TEXT: Final = "text"
_WINDOW: Final = 1024


def labelling_config() -> str:
    """The XML of a Label Studio project for such tasks."""
    view = Element("View")
    SubElement(view, "Text", name=_TEXT, value=f"${_TEXT}")
    for name, words in CONTROLS.items():
        SubElement(view, "Header", value=name, size="6")
        choices = SubElement(
            view, "Choices", name=name, toName=_TEXT, choice="single", showInline="true"
        )
        for word in words:
            SubElement(choices, "Choice", value=word)
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def label_tasks(messages: Iterable[Message], scorer: Scorer) -> Iterator[dict[str, object]]:
    """A task for each message, in their order.

    A task holds the text and what tells the message from others: id, brand, channel and time. The
    author is left out.
    """
    window: list[Message] = []
    for message in messages:
        window.append(message)
        if len(window) == _WINDOW:
            yield from _tasks(window, scorer)
            window = []
    yield from _tasks(window, scorer)


def _tasks(messages: list[Message], scorer: Scorer) -> Iterator[dict[str, object]]:
    scores = scorer.score([message.text for message in messages])
    for message, score in zip(messages, scores, strict=True):
        yield {"data": _data(message), "predictions": [_prediction(message.text, score)]}


def _data(message: Message) -> dict[str, str]:
    known = {
        _TEXT: message.text,
        # In its flat exports Label Studio puts the number of the task in the place of an ``id``.
        "external_id": message.id,
        "brand": message.brand,
        "channel": message.channel,
        "created_at": None if message.created_at is None else message.created_at.isoformat(),
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def _prediction(text: str, score: Score) -> dict[str, object]:
    chosen = {
        "intent": str(score.intent),
        "urgency": score.urgency_level.label,
        "sentiment": str(score.sentiment_label),
    }
    # Label Studio tells regions apart by their ids; they need not be random.
    place = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return {
        "model_version": score.model,
        "score": round(max(score.p_intent), 6),
        "result": [
            {
                "id": f"{place}-{name}",
                "from_name": name,
                "to_name": _TEXT,
                "type": "choices",
                "value": {"choices": [word]},
            }
            for name, word in chosen.items()
        ],
    }
