"""The settings of one command: environment and `.env`, then what flags say."""

from __future__ import annotations

from typing import Any

from doorward.settings import Settings


def read(**flags: Any) -> Settings:
    """Flags that are `None` were not given. Raises pydantic's `ValidationError`, which `failure` explains."""
    return Settings(**{name: value for name, value in flags.items() if value is not None})
