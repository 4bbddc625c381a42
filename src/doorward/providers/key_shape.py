"""What an upstream key may look like (R11): a soft check that catches slips of copy and paste.

White space around a key is cut. Control characters, inner spaces and non-ASCII are refused, for a
key becomes a header's value. OpenAI's own keys begin with ``sk-``; other providers differ, and so
does whatever else stands behind another base URL. An error never repeats the value.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from doorward.core.client_key import PREFIX
from doorward.core.errors import Unprocessable
from doorward.core.secret import Secret
from doorward.providers.provider import Provider

MAX_KEY_BYTES = 4096
"""The longest keys known are tokens of about 2 kB."""

_PARAM = "auth_data.api_key"


def checked(key: Secret, provider: Provider) -> Secret:
    """The key as it will be sent to `provider`. Raises `Unprocessable`."""
    value = key.reveal().strip()
    if not value:
        raise Unprocessable("The key is empty. Send the provider's key, without quotes.", param=_PARAM)
    if len(value) > MAX_KEY_BYTES:
        raise Unprocessable(f"The key is over {MAX_KEY_BYTES} bytes: this is no API key.", param=_PARAM)
    if not all(0x21 <= byte <= 0x7E for byte in value):
        raise Unprocessable("The key has a space, a line break or another character that no key has. Copy it again.", param=_PARAM)
    if value.startswith(PREFIX.encode()):
        raise Unprocessable("This is a client key of Doorward. An account needs the provider's own key.", param=_PARAM)
    if _is_openai(provider) and not value.startswith(b"sk-"):
        raise Unprocessable("A key of OpenAI begins with sk-. Copy the whole key from OpenAI's page.", param=_PARAM)
    return Secret(value)


def _is_openai(provider: Provider) -> bool:
    return (urlsplit(provider.base_url).hostname or "").endswith("api.openai.com")
