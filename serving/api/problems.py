"""Errors as ``application/problem+json`` (RFC 9457): fact, value, remedy."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"


class ProblemError(Exception):
    """A request that gets an error for an answer."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        retry_after: int | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.errors = errors

    def response(self) -> Response:
        """The answer."""
        content: dict[str, Any] = {
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.errors:
            content["errors"] = list(self.errors)
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(
            json.dumps(content, ensure_ascii=True),
            self.status.value,
            headers=headers,
            media_type=MEDIA_TYPE,
        )


def bad_request(detail: str) -> ProblemError:
    """400."""
    return ProblemError(HTTPStatus.BAD_REQUEST, detail)


def lease_lost(item: int, generation: int) -> ProblemError:
    """409: somebody else holds the item, or nobody does."""
    return ProblemError(
        HTTPStatus.CONFLICT,
        f"generation {generation} does not hold item {item} any more: its lease ran out or the "
        "item was released, claimed again or finished; claim it again",
    )


def unavailable(detail: str, retry_after: int) -> ProblemError:
    """503: it may be asked again after so many seconds."""
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=retry_after)


def not_found(what: str) -> ProblemError:
    """404."""
    return ProblemError(HTTPStatus.NOT_FOUND, what)
