"""Every place that takes the bytes out of a `Secret`, by name and with its reason. There are no others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "doorward"

ALLOWED = {
    # upstream keys
    "vault/seal.py": "seals, and makes ciphers of the master key",
    "vault/master_key.py": "reads and writes the master key's own file",
    "providers/key_shape.py": "checks a key's shape on its way in",
    "upstream/credentials.py": "writes the header of one attempt",
    "upstream/concealed.py": "looks for the attempt's key in what an upstream says of a failure, to cut it",
    "upstream/webhooks.py": "signs what goes to the operator's webhook",
    "relay/idempotency.py": "an answer that was sealed for its replay, no key",
    "relay/content_log.py": "what a call said, for its owner, where its key keeps that; no key",
    "adapters/adapter.py": "the operator's headers, sent with one request",
    "relay/proxy_answer.py": "looks for these headers in an answer, to cut them",
    # sign-in
    "identity/passwords.py": "hashes a password, and bounds its length",
    "identity/issuer.py": "Doorward's own client secret, to the OIDC provider",
    # client keys, shown once to who made them
    "edge/control_plane/keys.py": "the new client key, in the one answer that shows it",
    "edge/control_plane/me_keys.py": "the new client key, in the one answer that shows it",
    "routers/options.py": "the master key that an app hands over, into settings",
    "cli/key.py": "the new client key, printed once",
    # the client library: another process, its own key
    "connector/config.py": "the caller's own client key, for the SDK",
}
"""File -> why. Beside `core/secret.py`, where it is defined."""


def revealing(text: str) -> Iterator[str]:
    """Every mention of `reveal`, called or passed on, and every way around it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in ("reveal", "_Secret__value"):
            yield node.attr
        if isinstance(node, ast.Constant) and node.value in ("reveal", "_Secret__value"):
            yield f'"{node.value}"'


def places() -> dict[str, list[str]]:
    found = {path.relative_to(SOURCE).as_posix(): list(revealing(path.read_text())) for path in SOURCE.rglob("*.py")}
    return {place: names for place, names in found.items() if names and place != "core/secret.py"}


def test_only_these_files_open_a_secret() -> None:
    found = places()
    assert set(found) <= set(ALLOWED), f"take the bytes where they are used, and name the place: {set(found) - set(ALLOWED)}"
    assert {"vault/seal.py", "upstream/credentials.py"} <= set(found), "the walk found too little to mean anything"
    around = {place: names for place, names in found.items() if set(names) != {"reveal"}}
    assert around == {}, "there is one way to the bytes, and it is called by its name"


def test_settings_secrets_become_secrets_at_once() -> None:
    """`get_secret_value` is called only where its text goes straight into a `Secret`."""
    astray = []
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        inside = {
            id(call)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Secret"
            for call in ast.walk(node)
        }
        for node in ast.walk(tree):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get_secret_value"
            if called and id(node) not in inside and path.name != "settings.py":
                astray.append(path.relative_to(SOURCE).as_posix())
    assert set(astray) <= SETTINGS_READERS, astray


SETTINGS_READERS = {"cli/doctor.py", "cli/checks.py", "assembly/telemetry.py"}
"""They test that a value is there, or hand it to a library that takes text."""


def test_canary_every_way_is_seen() -> None:
    for text in (
        "secret.reveal()",
        "f = secret.reveal",
        "getattr(secret, 'reveal')()",
        "secret._Secret__value",
        "map(Secret.reveal, a)",
    ):
        assert list(revealing(text)), text
    assert list(revealing("secret.conceal()")) == []
