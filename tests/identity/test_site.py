"""Where people open Doorward, and what follows from it."""

from __future__ import annotations

import pytest

from doorward.core.errors import BadRequest
from doorward.identity.site import Site, is_address, origin_of


def test_a_given_address_rules_and_a_port_that_comes_late_counts_without_one() -> None:
    given = Site.of("https://Door.Example.com:443/", 8080)
    assert (given.origin, given.host, given.cookie_name) == ("https://door.example.com", "door.example.com", b"__Host-doorward")
    given.listens_on(9000)
    assert given.origin == "https://door.example.com"
    own = Site.of(None, 0)
    own.listens_on(9000)
    assert (own.origin, own.cookie_name, own.passkeys_work) == ("http://localhost:9000", b"doorward", True)
    own.listens_on(443, is_https=True)
    assert (own.origin, own.cookie_name) == ("https://localhost", b"__Host-doorward")


@pytest.mark.parametrize(
    "url", ["door.example.com", "ftp://x.example", "https://", "https://u:p@x.example", "https://x.example/path"]
)
def test_what_is_no_address_stops_the_start(url: str) -> None:
    with pytest.raises(BadRequest, match="DOORWARD_PUBLIC_URL"):
        Site.of(url, 8080)


def test_origins_have_one_spelling() -> None:
    assert origin_of("HTTPS://A.example:443/x?y") == "https://a.example"
    assert origin_of("http://[::1]:8080") == "http://[::1]:8080"
    for nothing in ("null", "", "about:blank", "https://x:notaport", "//x"):
        assert origin_of(nothing) is None
    assert is_address("127.0.0.1")
    assert is_address("[::1]")
    assert not is_address("127.0.0.1.evil.example")
