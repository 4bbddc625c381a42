"""Path and method to endpoint; what is not here is a 404 or a 405, as at OpenAI."""

from __future__ import annotations

import re
from collections.abc import Callable

from doorward.core.errors import MethodNotAllowed, NotFound
from doorward.simulator import chat
from doorward.simulator.call import Answer, Call

Handler = Callable[[Call], Answer]

_EXACT: dict[str, dict[str, Handler]] = {
    "/v1/chat/completions": {"POST": chat.create},
}
_WITH_IDS: list[tuple[re.Pattern[str], dict[str, Handler]]] = []


def find(call: Call) -> Handler:
    """The endpoint; `call.ids` gets what the path's variable parts hold. Raises `NotFound`, `MethodNotAllowed`."""
    methods = _EXACT.get(call.path)
    if methods is None:
        for pattern, listed in _WITH_IDS:
            if found := pattern.fullmatch(call.path):
                methods, call.ids = listed, found.groups()
                break
        else:
            raise NotFound(f"Invalid URL ({call.method} {call.path[:200]})", code="unknown_url")
    handler = methods.get(call.method)
    if handler is None:
        allowed = " or ".join(sorted(methods))
        raise MethodNotAllowed(f"Not allowed to {call.method} on {call.path[:200]}: use {allowed}.")
    return handler
