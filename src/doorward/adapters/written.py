"""Settings that the operator's file says (`kind: Doorward`), for `settings.Settings` to take below the environment."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from doorward.adapters.manifest import Manifest
from doorward.adapters.nodes import Problem
from doorward.settings import Settings

_FROM_ELSEWHERE = frozenset({"config"})
"""They say where the file is."""


def settings_in(manifest: Manifest) -> tuple[dict[str, Any], list[Problem]]:
    """By field name. A name that is no setting is a problem, and so is a secret: those stay in the environment."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, setting in manifest.settings.items():
        field = Settings.model_fields.get(name)
        if field is None or name in _FROM_ELSEWHERE:
            problems.append(Problem(setting.line, f"spec.{name} is no setting" if name.isidentifier() else "no setting's name"))
        elif "SecretStr" in str(field.annotation):
            variable = field.validation_alias if isinstance(field.validation_alias, str) else f"DOORWARD_{name.upper()}"
            problems.append(Problem(setting.line, f"spec.{name} is a secret: set it by the environment variable {variable}"))
        else:
            found[name] = setting.value
    return found, problems


def unfit(manifest: Manifest, found: dict[str, Any]) -> list[Problem]:
    """Values that the settings refuse, by line. The environment is left out: it may be another machine's."""
    try:
        Settings.model_validate(found)
    except ValidationError as error:
        problems = []
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(each["loc"][0]) if each["loc"] else ""
            line = manifest.settings[name].line if name in manifest.settings else 1
            problems.append(Problem(line, f"spec.{name}: {each['msg'].removeprefix('Value error, ')}"))
        return problems
    return []
