"""The settings of one command: what flags say, then environment and `.env`, then the YAML file that they name."""

from __future__ import annotations

from typing import Any

from doorward.cli.outcome import WRONG_USE, Failure
from doorward.settings import FROM_FILE, Settings


def read(**flags: Any) -> Settings:
    """Flags that are `None` were not given. Raises pydantic's `ValidationError`, which `failure` explains."""
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    settings = Settings(**given)
    if settings.config is None:
        return settings
    from doorward.adapters import manifest  # only where there is a file
    from doorward.adapters.documents import raw_of
    from doorward.adapters.written import settings_in

    try:
        raw = raw_of(settings.config)
    except OSError as error:
        raise Failure(
            f"{settings.config} cannot be read",
            why=f"{error.strerror or type(error).__name__}.",
            fix="set --config or DOORWARD_CONFIG to a YAML file, or remove it",
            code="no_file",
            exit_code=WRONG_USE,
        ) from error
    found, problems = settings_in(manifest.read(raw, {}, expanding=False))
    if problems:
        fix = f"correct it; doorward config validate -f {settings.config} shows all"
        raise Failure(f"{settings.config} has a setting that cannot be used", f"{problems[0]}.", fix, "wrong_setting", WRONG_USE)
    given[FROM_FILE] = found
    return Settings(**given)
