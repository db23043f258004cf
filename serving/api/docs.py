"""What the OpenAPI document says of answers: their shape, and the errors of every route."""

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from replyrank.data.label_records import Deletion, LabelRecord
from replyrank.data.vocabulary import SCORE_COLUMNS, TEXT_SCORE_COLUMNS, UrgencyLevel
from replyrank.pipeline.classes import POLICY_CLASSES
from replyrank.serving.queue.schema import EventKind

#: of one answer
MOST_FINDINGS: Final = 20

Responses = dict[int | str, dict[str, Any]]


def _object(properties: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties | (optional or {}),
        "required": list(properties),
    }


def _or_null(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


_SCORES: Final = _object(
    {
        name: _or_null("string") if name in TEXT_SCORE_COLUMNS else {"type": "number"}
        for name in SCORE_COLUMNS
    }
)
_BRIEF: Final = _object(
    {name: _SCORES["properties"][name] for name in SCORE_COLUMNS if not name.startswith("p_")}
)
_TURN: Final = _object(
    {
        "id": {"type": "string"},
        "channel": {"type": "string"},
        "visibility": {"enum": ["public", "private"]},
        "author": _or_null("string"),
        "text": {"type": "string"},
        "created_at": _or_null("string"),
        "received_at": {"type": "string"},
        "is_copy": {"type": "boolean"},
        "scores": {"anyOf": [_SCORES, {"type": "null"}]},
    }
)
_BRIEF_TURN: Final = _object(
    _TURN["properties"] | {"scores": {"anyOf": [_BRIEF, {"type": "null"}]}}
)
_FACTS: Final = {
    "item": {"type": "integer"},
    "brand": {"type": "string"},
    "channel": _or_null("string"),
    "team": _or_null("string"),
    "state": {"enum": ["waiting", "leased", "answered", "closed", "merged"]},
    "visibility": {"enum": ["public", "private"]},
    "waiting_since": {"type": "string"},
    "went_public": {"type": "boolean"},
    "copies": {"type": "integer"},
    "owner": _or_null("string"),
    "preferred_agent": _or_null("string"),
    "model": _or_null("string"),
}
_ITEM: Final = _object(
    {
        **_FACTS,
        "generation": {"type": "integer"},
        "lease_until": _or_null("string"),
        "finished_at": _or_null("string"),
        "turns": {"type": "array", "items": _TURN},
    }
)
_PLACE: Final = _object(
    {
        "rank": {"type": "integer"},
        **_FACTS,
        "index": {"type": "number"},
        "due": {"type": "string"},
        "age_minutes": {"type": "number"},
        "guarded": {"type": "boolean"},
        "reason": {"type": "string"},
        "classes": {"type": "object", "additionalProperties": {"type": "number"}},
        "messages": {"type": "integer"},
        "latest": {"anyOf": [_BRIEF_TURN, {"type": "null"}]},
    }
)
_RECEIVED: Final = _object(
    {
        "id": _or_null("string"),
        "result": {"enum": ["accepted", "duplicate", "forgotten", "refused"]},
        "item": _or_null("integer"),
        "detail": _or_null("string"),
    }
)
_PROBLEM: Final = _object(
    {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    }
)
#: of 422 alone: each value that is wrong; a body that is none at all is one
_FINDING: Final = _object({"where": {"type": "string"}, "what": {"type": "string"}})
_WRONG: Final = _object(
    _PROBLEM["properties"]
    | {"errors": {"type": "array", "items": _FINDING, "minItems": 1, "maxItems": MOST_FINDINGS}}
)

_TEXT_OF: Final = {
    408: "the body did not come in time",
    400: "the request cannot be read",
    401: "no valid key",
    403: "the key may not do this",
    404: "there is no such thing",
    409: "the lease is lost",
    413: "the body is too large",
    415: "the body is compressed",
    422: "a value is wrong",
    429: "the key asks too often",
    503: "come again after Retry-After",
}


def _problems(*codes: int) -> Responses:
    everywhere = (400, 401, 403, 408, 413, 415, 422, 429, 503)
    return {code: _problem(_TEXT_OF[code], code) for code in (*everywhere, *codes)}


def _problem(what: str, code: int) -> dict[str, Any]:
    schema = _WRONG if code == HTTPStatus.UNPROCESSABLE_ENTITY else _PROBLEM
    return {"description": what, "content": {"application/problem+json": {"schema": schema}}}


def _ok(schema: dict[str, Any], what: str, *more: int) -> Responses:
    content = {"application/json": {"schema": schema}}
    return {200: {"description": what, "content": content}, **_problems(*more)}


def _array(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


#: of the bodies, by name, for the document's components
COMPONENTS: Final[dict[str, dict[str, Any]]] = {}
_REFERENCE: Final = "#/components/schemas/{model}"


def body(kind: type[BaseModel]) -> dict[str, Any]:
    """The request body of a route that reads it itself."""
    schema = _component(kind, "validation")
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _component(kind: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
    """A reference to a model, which is put among the components."""
    schema = kind.model_json_schema(ref_template=_REFERENCE, mode=mode)
    COMPONENTS.update(schema.pop("$defs", {}))
    COMPONENTS[kind.__name__] = schema
    return {"$ref": _REFERENCE.format(model=kind.__name__)}


#: the header by which a caller says how long it waits
TIMEOUT: Final = {
    "parameters": [
        {
            "name": "X-Request-Timeout-Ms",
            "in": "header",
            "required": False,
            "schema": {"type": "number", "exclusiveMinimum": 0},
        }
    ]
}

SCORE: Final = _ok(
    _object({"model": {"type": "string"}, "scores": _array(_SCORES)}), "scores in order"
)
_TENSOR: Final = _object(
    {
        "name": {"type": "string"},
        "datatype": {"enum": ["BYTES", "FP64"]},
        "shape": _array({"type": "integer"}),
    }
)
V2_MODEL: Final = _ok(
    _object(
        {
            "name": {"type": "string"},
            "versions": _array({"type": "string"}),
            "platform": {"type": "string"},
            "inputs": _array(_TENSOR),
            "outputs": _array(_TENSOR),
        }
    ),
    "what it takes and gives", 404,
)  # fmt: skip
V2_READY: Final = _ok(
    _object({"name": {"type": "string"}, "ready": {"type": "boolean"}}), "it answers", 404
)
_OUTPUT: Final = _object(_TENSOR["properties"] | {"data": _array({"type": ["string", "number"]})})
V2_INFER: Final = _ok(
    _object(
        {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "outputs": _array(_OUTPUT),
        },
        # that of the request, where it has one
        {"id": {"type": "string"}},
    ),
    "an output for each column, texts in order", 404,
)  # fmt: skip
INGEST: Final = _ok(_RECEIVED, "it is there already", 404) | {
    201: {
        "description": "it is on the disk",
        "content": {"application/json": {"schema": _RECEIVED}},
    }
}
INGEST_BATCH: Final = _ok(
    _object({"results": _array(_RECEIVED)}), "what became of each, in order; all that is accepted "
    "is on the disk",
)  # fmt: skip
QUEUE: Final = _ok(
    _object(
        {
            "now": {"type": "string"},
            "policy": {"type": "string"},
            "policy_fingerprint": {"type": "string"},
            "total": {"type": "integer"},
            "items": _array(_PLACE),
        }
    ),
    "a page of the order",
)
CLAIM: Final = _ok(_ITEM, "it is held", 404) | {204: {"description": "nothing waits"}}
RENEW: Final = _ok(
    _object({"item": {"type": "integer"}, "generation": {"type": "integer"},
             "lease_until": {"type": "string"}, "turns": _array(_TURN)}),
    "it is held for longer", 409,
)  # fmt: skip
RELEASE: Final[Responses] = {204: {"description": "it waits again"}, **_problems(409)}
FINISH: Final = _ok(
    _object(
        {"item": {"type": "integer"}, "left_over": _or_null("integer"), "outcome": {
            "enum": ["answered", "closed"]}}
    ),
    "it is finished; left_over is the item of what came in unseen", 409,
)  # fmt: skip
ITEM: Final = _ok(_ITEM, "the item with its turns", 404)
CORRECT: Final = _ok(_object({"item": {"type": "integer"}}), "kept", 404)
CORRECTIONS: Final = _ok(
    _object(
        {
            "records": _array(
                {
                    "oneOf": [
                        _component(LabelRecord, "serialization"),
                        _component(Deletion, "serialization"),
                    ]
                }
            ),
            "next": {"type": "integer"},
        }
    ),
    "records in order; ask again after `next`",
)
_COUNTS: Final = {"type": "object", "additionalProperties": {"type": "integer"}}
# The model has it as a number; a record has its word.
COMPONENTS["UrgencyLevel"] = {"enum": [level.label for level in UrgencyLevel]}
STATISTICS: Final = _ok(
    _object(
        {
            # by state; of all teams together also conservation_error, 0 unless something is wrong
            "items": _COUNTS,
            "waiting": _array(
                _object(
                    {
                        "class": {"enum": [name.value for name in POLICY_CLASSES]},
                        "channel": {"type": "string"},
                        "count": {"type": "integer"},
                        "oldest_seconds": {"type": "number"},
                    }
                )
            ),
            "backlog": _object(
                {"unscored": {"type": "integer"}, "provisional": {"type": "integer"}}
            ),
            "model": _or_null("string"),
            "model_problem": _or_null("string"),
            "policy": {"type": "string"},
            "tokens_a_second": {"type": "integer"},
        }
    ),
    "counts",
)
COMPONENTS["Event"] = _object(
    {
        "seq": {"type": "integer"},
        "item": {"type": "integer"},
        "kind": {"enum": [kind.value for kind in EventKind]},
        "at": {"type": "string"},
        "actor": _or_null("string"),
        "generation": _or_null("integer"),
    }
)
EVENTS: Final[Responses] = {
    200: {
        "description": "changes as they come: of each its `seq` as id, its kind as event, and as "
        "data an `Event` of the components",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    **_problems(),
}


def _health(word: str) -> Responses:
    schema = _object({word: {"const": True}})
    return {
        200: {"description": "yes", "content": {"application/json": {"schema": schema}}},
        503: _problem("no", 503),
    }


LIVE: Final = _health("live")
READY: Final = _health("ready")
METRICS: Final[Responses] = {
    200: {
        "description": "Prometheus's text format",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    **_problems(),
}
