"""Scores by the Open Inference Protocol (KServe's v2), for those who speak it already.

One input of texts; an output for each column that a flat file gets, words as BYTES and numbers as
FP64. A word that is not there is an empty one.
"""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from starlette.responses import Response

from replyrank.data.vocabulary import SCORE_COLUMNS, TEXT_SCORE_COLUMNS
from replyrank.pipeline.score_columns import score_columns
from replyrank.serving.api import docs
from replyrank.serving.api.context import admit, answer, inbox_of, read
from replyrank.serving.api.problems import bad_request, not_found
from replyrank.serving.api.schemas import Words
from replyrank.serving.api.scoring import no_model, scored
from replyrank.serving.inbox import Inbox
from replyrank.serving.queue.inbound import writable
from replyrank.serving.queue.keys import Scope

router = APIRouter(prefix="/v2/models", tags=["scoring"])

#: the model in use, whichever it is
ANY: Final = "replyrank"
_INPUT: Final = "text"

ModelName = Annotated[str, Path(max_length=200)]


class _Wire(BaseModel):
    """Base: the protocol lets anybody add parameters."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Tensor(_Wire):
    """The input: n texts."""

    name: Literal["text"]
    shape: Annotated[list[int], Field(min_length=1, max_length=2)]
    datatype: Literal["BYTES"]
    data: Annotated[list[Words], Field(min_length=1)]


def _column(name: str) -> str:
    if name not in SCORE_COLUMNS:
        message = f"no output {writable(name[:40])!r}; GET /v2/models/{ANY} names them"
        raise ValueError(message)
    return name


class Wanted(_Wire):
    """An output that is asked for."""

    name: Annotated[
        str,
        AfterValidator(_column),
        WithJsonSchema({"type": "string", "enum": list(SCORE_COLUMNS)}),
    ]


class InferenceRequest(_Wire):
    """Texts to score; nothing of them is kept."""

    id: str | None = None
    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=1)]
    #: without it all
    outputs: list[Wanted] | None = None


@router.get("/{model}", responses=docs.V2_MODEL)
async def metadata(request: Request, model: ModelName) -> Response:
    """What the model takes and gives."""
    admit(request, Scope.SCORE)
    name = _in_use(inbox_of(request), model)
    outputs = [
        {"name": column, "datatype": _datatype(column), "shape": [-1]} for column in SCORE_COLUMNS
    ]
    return answer(
        {
            "name": model,
            "versions": [name],
            "platform": "replyrank",
            "inputs": [{"name": _INPUT, "datatype": "BYTES", "shape": [-1]}],
            "outputs": outputs,
        }
    )


@router.get("/{model}/ready", responses=docs.V2_READY)
async def ready(request: Request, model: ModelName) -> Response:
    """Whether the model answers."""
    admit(request, Scope.SCORE)
    name = _in_use(inbox_of(request), model)
    return answer({"name": name, "ready": True})


@router.post(
    "/{model}/infer",
    responses=docs.V2_INFER,
    openapi_extra=docs.body(InferenceRequest) | docs.TIMEOUT,
)
async def infer(request: Request, model: ModelName) -> Response:
    """Intent, urgency and sentiment of each text, a column each."""
    admit(request, Scope.SCORE)
    _in_use(inbox_of(request), model)
    body = await read(request, InferenceRequest)
    texts = _texts(body.inputs[0])
    wanted = [one.name for one in body.outputs or ()] or list(SCORE_COLUMNS)
    scores = await scored(request, texts)
    columns = score_columns(scores)
    outputs = [_output(name, list(columns[name])) for name in wanted]
    found = {"model_name": model, "model_version": scores.model, "outputs": outputs}
    return answer(found if body.id is None else found | {"id": body.id})


def _in_use(inbox: Inbox, model: str) -> str:
    """The name of the model in use, if that is meant.

    Raises:
        ProblemError: 404 if another is meant, 503 if there is none.
    """
    best = inbox.models.best()
    if best is None:
        raise no_model(inbox)
    if model not in (ANY, best.name):
        detail = f"no model of that name is in use; ask for {best.name}, or for {ANY}"
        raise not_found(detail)
    return best.name


def _texts(given: Tensor) -> list[str]:
    size = 1
    for length in given.shape:
        size *= length
    if size != len(given.data) or given.shape[0] != len(given.data):
        detail = (
            f"the input has {len(given.data)} texts and the shape {given.shape}; give the shape "
            "[n] or [n, 1] of its texts"
        )
        raise bad_request(detail)
    return given.data


def _datatype(column: str) -> str:
    return "BYTES" if column in TEXT_SCORE_COLUMNS else "FP64"


def _output(name: str, values: list[Any]) -> dict[str, Any]:
    kind = _datatype(name)
    data = ["" if value is None else value for value in values] if kind == "BYTES" else values
    return {"name": name, "datatype": kind, "shape": [len(values)], "data": data}
