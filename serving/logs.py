"""Logs as lines of JSON, each with its request's id; texts never stand in them."""

import logging
import sys
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
            structlog.processors.format_exc_info,
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


def redact(_logger: Any, _method: str, record: dict[str, Any]) -> dict[str, Any]:
    """Take out what may hold a person's words."""
    return {name: value for name, value in record.items() if name not in _SECRET}
