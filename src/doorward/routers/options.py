"""What a host application says about its Doorward: every option of the routers, in one place."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict

from pydantic import SecretStr, ValidationError

from doorward.core.errors import BadRequest
from doorward.identity.custody import Custody
from doorward.settings import Settings


class Options(TypedDict, total=False):
    """All optional. What is not given comes from `DOORWARD_*` variables, then from Doorward's defaults."""

    database_url: str
    """``sqlite:///…`` or ``postgresql://…`` (a driver's name after ``+`` is ignored). Doorward's own: not the host's tables."""
    data_dir: str | Path
    """Journal, master key, and the database if no URL is given. Default ``./doorward-data``."""
    master_key: str | SecretStr
    """32 bytes in base64; without it a key file is made in `data_dir`."""
    master_key_file: str | Path
    default_model: str
    spend_cap_usd: Decimal | int | str
    """For everything together; `openai_anonymous` needs it."""
    openai_base_url: str
    """Instead of OpenAI's own; else `OPENAI_BASE_URL`."""
    allow_private_upstreams: bool
    """That address may be on loopback or a private network; for development."""
    allow_public_anonymous: bool
    """Visitors from other machines may use an anonymous router."""
    refresh_s: float
    """How soon another process's changes are seen, 5 at most."""


def settings_of(custody: Custody, given: Options) -> Settings:
    """Raises `BadRequest` that names the option. Upstream keys come in by the endpoints, never from the host's environment."""
    options: dict[str, Any] = dict(given)
    unknown = sorted(set(options) - Options.__annotations__.keys())
    if unknown:
        raise BadRequest(f"There is no option {unknown[0]!r}. Known: {', '.join(sorted(Options.__annotations__))}.")
    own = {"custody": custody, "host": "127.0.0.1", "config": None, "adapters": None}
    no_keys = {"openai_api_key": None, "anthropic_api_key": None, "openai_org_id": None}
    try:
        return Settings(_env_file=None, **{**options, **own, **no_keys})
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_context=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "an option"
    raise BadRequest(f"The option {name} cannot be used: {first['msg']}.", param=name)
