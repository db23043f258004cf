"""Scores of texts that are not kept."""

import math

from fastapi import APIRouter, Request
from starlette.responses import Response

from replyrank.models.scores import ScoreBatch
from replyrank.serving.api import docs
from replyrank.serving.api.context import admit, answer, inbox_of, read, while_connected
from replyrank.serving.api.problems import ProblemError, bad_request, unavailable
from replyrank.serving.api.schemas import ScoreRequest
from replyrank.serving.api.views import score_rows
from replyrank.serving.inbox import Inbox
from replyrank.serving.queue.keys import Scope
from replyrank.serving.scoring.engine import CHUNK, ExpiredError, NoModelError
from replyrank.serving.scoring.gate import Refusal

router = APIRouter(prefix="/v1", tags=["scoring"])

_TIMEOUT = "x-request-timeout-ms"


@router.post("/score", responses=docs.SCORE, openapi_extra=docs.body(ScoreRequest) | docs.TIMEOUT)
async def score(request: Request) -> Response:
    """Intent, urgency and sentiment of each text, with the names of the flat files' columns."""
    admit(request, Scope.SCORE)
    body = await read(request, ScoreRequest)
    scores = await scored(request, body.texts)
    return answer({"model": scores.model, "scores": score_rows(scores)})


async def scored(request: Request, texts: list[str]) -> ScoreBatch:
    """The scores of texts that are not kept, if the gate lets them in.

    Raises:
        ProblemError: if they are too many or too long, or cannot be answered in time.
        ClientGoneError: if nobody waits any more.
    """
    inbox = inbox_of(request)
    _check_texts(texts, inbox)
    seconds = _seconds(request, inbox)
    tokens, is_large = inbox.gate.tokens(texts), len(texts) > CHUNK
    refusal = inbox.gate.enter(tokens, seconds, is_large=is_large)
    if refusal is not None:
        inbox.metrics.rejected.labels(refusal.value).inc()
        raise _refused(refusal, inbox, seconds)
    try:
        return await while_connected(request, inbox.score(texts, seconds))
    except ExpiredError:
        inbox.metrics.rejected.labels("expired").inc()
        raise _refused(Refusal.DEADLINE, inbox, seconds) from None
    except NoModelError:
        raise no_model(inbox) from None
    finally:
        inbox.gate.leave(tokens, is_large=is_large)


def no_model(inbox: Inbox) -> ProblemError:
    """503: there is none to ask."""
    detail = f"no model is loaded ({inbox.models.problem}); name one with --model"
    return unavailable(detail, 10)


def _check_texts(texts: list[str], inbox: Inbox) -> None:
    settings = inbox.settings
    if len(texts) > settings.max_texts:
        detail = f"{len(texts)} texts, at most {settings.max_texts} are taken; send smaller batches"
        raise bad_request(detail)
    for number, text in enumerate(texts):
        if len(text) > settings.max_letters:
            detail = f"texts.{number} has {len(text):,} characters, at most "
            detail += f"{settings.max_letters:,} are taken; send its head and its tail"
            raise bad_request(detail)


def _seconds(request: Request, inbox: Inbox) -> float:
    """How long the caller waits."""
    given = request.headers.get(_TIMEOUT)
    if given is None:
        return inbox.settings.deadline
    try:
        seconds = float(given) / 1_000
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        detail = f"{_TIMEOUT} is {given!r}; give milliseconds, such as 500"
        raise bad_request(detail)
    return seconds


def _refused(refusal: Refusal, inbox: Inbox, seconds: float) -> ProblemError:
    gate = inbox.gate
    if refusal is Refusal.FULL:
        detail = f"{gate.wait:.2f} s of scoring are inside, and {gate.bound:g} s is the most now; "
    else:
        detail = f"{gate.wait:.2f} s of scoring come before this one, it may wait {seconds:g}; "
    return unavailable(f"{detail}come again after Retry-After", gate.retry_after)
