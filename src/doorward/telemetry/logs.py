"""Structured logs: one JSON line an event on stderr. No content of calls, no keys: what is logged is named by hand.

    log = logs.named(__name__)
    log.warning("redis_away", cause="TimeoutError", verb="take")

Over the standard library's loggers, so that libraries' lines have the same shape, and an app that embeds
Doorward keeps its own handlers: there an event reads `redis_away cause='TimeoutError' verb='take'`.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from doorward.wire.scrub import scrub

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Event:
    """A log record's message: a name and its facts."""

    __slots__ = ("facts", "name")

    def __init__(self, name: str, facts: dict[str, Any]) -> None:
        self.name = name
        self.facts = facts

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{fact}={value!r}" for fact, value in self.facts.items())])


class Log:
    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **facts: Any) -> None:
        self._logger.debug(Event(event, facts))

    def info(self, event: str, **facts: Any) -> None:
        self._logger.info(Event(event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        self._logger.warning(Event(event, facts))

    def error(self, event: str, **facts: Any) -> None:
        self._logger.error(Event(event, facts))

    def exception(self, event: str, **facts: Any) -> None:
        """With the traceback of the exception that is being handled."""
        self._logger.error(Event(event, facts), exc_info=True)


def named(name: str) -> Log:
    return Log(logging.getLogger(name))


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.msg
        facts = message.facts if isinstance(message, Event) else {}
        line = {
            **facts,
            "event": message.name if isinstance(message, Event) else record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # the last stop before stderr: whatever slipped into a message, what looks like a key does not leave
        return scrub(json.dumps(line, default=repr).encode()).decode()


def configure(level: str) -> None:
    """Libraries' loggers go the same way, so that every line has one shape."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    # each step of a migration, in its own words: the first start would drown in them
    logging.getLogger("alembic").setLevel(max(_LEVELS[level], logging.WARNING))
    # each statement with its values: conversations, e-mail addresses, hashes
    for library in ("aiosqlite", "sqlalchemy"):
        logging.getLogger(library).setLevel(max(_LEVELS[level], logging.WARNING))
