"""What can go wrong in a call, with nothing of the key in it: the SDK's own errors hold the request's headers.

ConnectorError            an answer, or none, that is no success
├── KeyRefused            401, 403: the key is wrong, or may not do this
├── Refused               other 4xx: the request is wrong as it stands
├── RateLimited           429: `retry_after_s` where it was said
├── ServerFailed          5xx, or an answer that cannot be read
├── Unreachable           no connection, or it broke
│   └── TimedOut          no answer within `timeout_s`; it may have been billed
├── NoChoices             OpenAI returned no choices
└── NoText                OpenAI returned no text content (refusal or tool call)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from doorward.core.errors import UpstreamFailed

if TYPE_CHECKING:
    from openai import APIError
_KEY_LIKE = re.compile(r"(?<![A-Za-z0-9])(?:sk|dw|sess)[-_][A-Za-z0-9_*.\-]{6,}|(?:gsk_|AIza|xai-)[A-Za-z0-9_*\-]{6,}")
_MOST_CHARS = 2000


class ConnectorError(UpstreamFailed):
    """`upstream_status` is the answer's, `None` without one; `request_id` joins it to the other side's log."""

    upstream_status: int | None = None
    request_id: str | None = None


class KeyRefused(ConnectorError):
    code = "key_refused"


class Refused(ConnectorError):
    code = "refused"


class RateLimited(ConnectorError):
    code = "rate_limit_exceeded"


class ServerFailed(ConnectorError):
    pass


class Unreachable(ConnectorError):
    code = "upstream_unreachable"


class TimedOut(Unreachable):
    code = "upstream_silent"


class NoChoices(ConnectorError):
    code = "no_choices"

    def __init__(self) -> None:
        super().__init__("OpenAI returned no choices")


class NoText(ConnectorError):
    code = "no_text_content"

    def __init__(self) -> None:
        super().__init__("OpenAI returned no text content (refusal or tool call)")


def of_sdk(error: Exception, key: str) -> ConnectorError:
    """One of ours, in words without the key."""
    from openai import APIConnectionError, APIError, APIResponseValidationError, APIStatusError, APITimeoutError

    if isinstance(error, APITimeoutError):
        return TimedOut("The API did not answer in time. The call may have been billed; raise timeout_s if it needs longer.")
    if isinstance(error, APIConnectionError):
        return Unreachable("The API cannot be reached, or the connection broke. Check base_url and the network.")
    if isinstance(error, APIResponseValidationError):
        return ServerFailed("The API's answer cannot be read: it is not of OpenAI's format. Check base_url.")
    if isinstance(error, ValueError):
        return ServerFailed("A piece of the stream is not of OpenAI's format. Check base_url.")
    if not isinstance(error, APIError):
        # The SDK's HTTP library: it is not wrapped once a stream has begun.
        return Unreachable(f"The connection broke ({type(error).__name__}). The call may have been billed.")
    said = clean(error.message, key)
    if not isinstance(error, APIStatusError):
        return _with_facts(ServerFailed(said or "The answer broke off."), error)
    failure = _of_status(error.status_code, said, error.response.headers.get("retry-after"))
    failure.upstream_status = error.status_code
    failure.request_id = error.request_id
    return _with_facts(failure, error)


def _of_status(status: int, said: str, retry_after: str | None) -> ConnectorError:
    if status in (401, 403):
        # The API's own words repeat parts of a wrong key.
        return KeyRefused(f"The API refused the key ({status}). Check the Bearer of this Config, and what it may do.")
    if status == 429:
        wait_s = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
        return RateLimited(said, retry_after_s=wait_s)
    return Refused(said) if status < 500 else ServerFailed(said)


def _with_facts(failure: ConnectorError, error: APIError) -> ConnectorError:
    if error.code:
        failure.code = error.code
    failure.param = error.param
    return failure


def clean(text: str, key: str) -> str:
    """Without the key, and without anything that looks like one, masked ones too."""
    return _KEY_LIKE.sub("***", text.replace(key, "***"))[:_MOST_CHARS]
