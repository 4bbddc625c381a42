"""Path and method to endpoint; what is not here is a 404 or a 405, as at OpenAI."""

from __future__ import annotations

import re
from collections.abc import Callable

from doorward.core.errors import MethodNotAllowed, NotFound
from doorward.simulator import audio, chat, completions, embeddings, files, images, models, moderations, responses
from doorward.simulator.call import Answer, Call

Handler = Callable[[Call], Answer]

_EXACT: dict[str, dict[str, Handler]] = {
    "/v1/chat/completions": {"POST": chat.create},
    "/v1/completions": {"POST": completions.create},
    "/v1/responses": {"POST": responses.create},
    "/v1/responses/input_tokens": {"POST": responses.input_tokens},
    "/v1/embeddings": {"POST": embeddings.create},
    "/v1/moderations": {"POST": moderations.create},
    "/v1/images/generations": {"POST": images.generate},
    "/v1/images/edits": {"POST": images.edit},
    "/v1/images/variations": {"POST": images.vary},
    "/v1/audio/speech": {"POST": audio.speak},
    "/v1/audio/transcriptions": {"POST": audio.transcribe},
    "/v1/audio/translations": {"POST": audio.translate},
    "/v1/models": {"GET": models.list_all},
    "/v1/files": {"GET": files.list_all, "POST": files.create},
}
_WITH_IDS: list[tuple[re.Pattern[str], dict[str, Handler]]] = [
    (re.compile(r"/v1/models/(.+)"), {"GET": models.get}),
    (re.compile(r"/v1/files/([^/]+)"), {"GET": files.get, "DELETE": files.delete}),
    (re.compile(r"/v1/files/([^/]+)/content"), {"GET": files.content}),
    (re.compile(r"/v1/responses/([^/]+)"), {"GET": responses.get, "DELETE": responses.delete}),
    (re.compile(r"/v1/responses/([^/]+)/cancel"), {"POST": responses.cancel}),
    (re.compile(r"/v1/responses/([^/]+)/input_items"), {"GET": responses.input_items}),
]


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
