"""Logs as lines of JSON, each with its request's id; texts never stand in them."""

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

import structlog

#: names under which a text could slip in
_SECRET: Final = frozenset({"text", "texts", "message", "messages", "body", "author", "key"})


def set_up(*, level: int = logging.INFO) -> None:
    """Send what our code and uvicorn log to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            without_words,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    # Every request is logged by us, with its id.
    logging.getLogger("uvicorn.access").disabled = True
    # Parameters of statements are texts.
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def without_words(
    _logger: Any, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Say of an error its type and where it came from; its own words may be a person's."""
    given = record.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        record["exception"] = list(_chain(error))
    return record


def _chain(error: BaseException | None) -> Iterator[dict[str, Any]]:
    """An error, and what it came from, the last first."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)
        yield {
            "type": f"{type(error).__module__}.{type(error).__qualname__}",
            "frames": [f"{at.filename}:{at.lineno} in {at.name}" for at in frames],
        }
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def redact(_logger: Any, _method: str, record: dict[str, Any]) -> dict[str, Any]:
    """Take out what may hold a person's words."""
    return {name: value for name, value in record.items() if name not in _SECRET}
