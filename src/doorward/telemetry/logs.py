"""Structured logs: one JSON line an event on stderr. No content of calls, no keys: what is logged is named by hand."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from doorward.wire.scrub import scrub

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def _scrubbed(_logger: Any, _method: str, line: Any) -> str:
    """The last sink before stderr: whatever slipped into a message, what looks like a key does not leave."""
    return scrub(line.encode("utf-8", "backslashreplace")).decode("utf-8")


def configure(level: str) -> None:
    """Libraries' loggers go the same way, so that every line has one shape."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(), _scrubbed],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer(), _scrubbed],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # each step of a migration, in its own words: the first start would drown in them
    logging.getLogger("alembic").setLevel(max(_LEVELS[level], logging.WARNING))
