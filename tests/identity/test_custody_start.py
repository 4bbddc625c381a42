"""When custody `anonymous` may start, and what a start in another mode says of keys that rest."""

from __future__ import annotations

import pytest

from doorward.core.errors import BadRequest
from doorward.identity.custody import require_startable, unreachable


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_anonymous_starts_on_loopback_under_a_cap(host: str) -> None:
    require_startable("anonymous", host, allow_public=False, has_spend_cap=True)
    with pytest.raises(BadRequest, match="DOORWARD_SPEND_CAP_USD"):
        require_startable("anonymous", host, allow_public=False, has_spend_cap=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "door.example.com", "localhost.evil.example"])
def test_anonymous_does_not_listen_elsewhere_unasked(host: str) -> None:
    with pytest.raises(BadRequest, match="DOORWARD_ALLOW_PUBLIC_ANONYMOUS"):
        require_startable("anonymous", host, allow_public=False, has_spend_cap=True)
    require_startable("anonymous", host, allow_public=True, has_spend_cap=True)
    require_startable("per_user", host, allow_public=False, has_spend_cap=False)


def test_a_start_says_which_keys_rest() -> None:
    assert unreachable("per_user", ["user:a", "operator"]) is None
    assert unreachable("admin", ["operator"]) is None
    assert (unreachable("admin", ["user:a", "operator"]) or "").startswith("1 user's key rests")
    assert (unreachable("anonymous", ["user:a", "user:b"]) or "").startswith("2 users' keys rest")
