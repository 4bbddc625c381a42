"""Reading the operator's file: strict, every problem by its line, and no value in any of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from doorward.adapters import manifest
from doorward.adapters.adapter import DEFAULT_TIMEOUTS, METHODS, Adapter
from doorward.core.caller import Caller

CANARY = "top-secret-9k"


def read(spec: str, *, name: str = "a", **environment: str) -> manifest.Manifest:
    lines = "\n".join(f"  {line}" for line in spec.split("\n"))
    text = f"apiVersion: doorward.dev/v1\nkind: HTTP\nmetadata:\n  name: {name}\nspec:\n{lines}\n"
    return manifest.read(text.encode(), environment)


def only(found: manifest.Manifest) -> Adapter:
    assert found.problems == []
    (adapter,) = found.adapters.values()
    return adapter


def test_the_example_of_the_requirements() -> None:
    text = """\
apiVersion: moment.dev/adapters/v1alpha1      # doorward.dev/v1 is accepted too
kind: HTTP
metadata: {name: openai}
spec:
  baseUrl: https://api.openai.com
  headers:
    - {name: Authorization, value: "Bearer ${{ OPENAI_API_TOKEN }}"}
    - {name: X-Quoted, value: '"token ${{ X }}"'}
"""
    adapter = only(manifest.read(text.encode(), {"OPENAI_API_TOKEN": CANARY, "X": "${{ OPENAI_API_TOKEN }}"}))
    assert adapter.sent_headers() == [
        (b"authorization", f"Bearer {CANARY}".encode()),
        (b"x-quoted", b'"token ${{ OPENAI_API_TOKEN }}"'),  # one pass: what came in is not looked at again
    ]
    assert (adapter.base_url.host, adapter.base_url.port, adapter.base_url.path) == ("api.openai.com", 443, b"")
    assert (adapter.timeouts, adapter.methods, adapter.retries, adapter.allow_private) == (DEFAULT_TIMEOUTS, METHODS, 0, False)
    assert CANARY not in repr(adapter)


def test_every_field_is_read() -> None:
    adapter = only(
        read(
            "baseUrl: http://${{ HOST }}:8000/v2/\nallowPrivate: true\nretries: 2\nroles: [admin]\nkeys: [abc]\n"
            "methods: [GET, POST]\n"
            "paths: [/v1/models, /x/]\nmaxRequestBytes: 10\nmaxResponseBytes: 20\nforwardHeaders: [X-A]\nreturnHeaders: [X-B]\n"
            "prices: openai\ntimeouts: {connectSeconds: 1, firstByteSeconds: 2.5, idleSeconds: 3, totalSeconds: 4}",
            HOST="gpu.internal",
        )
    )
    assert (adapter.base_url.host, adapter.base_url.port, adapter.base_url.path, adapter.hidden_url) == (
        "gpu.internal",
        8000,
        b"/v2",
        True,
    )
    assert (adapter.roles, adapter.keys, adapter.methods) == ({"admin"}, {"abc"}, {"GET", "POST"})
    assert (adapter.paths, adapter.forward_headers, adapter.return_headers) == ((b"/v1/models", b"/x/"), {b"x-a"}, {b"x-b"})
    timeouts = adapter.timeouts
    assert (timeouts.connect_s, timeouts.first_byte_s, timeouts.idle_s, timeouts.total_s) == (1, 2.5, 3, 4)


@pytest.mark.parametrize(
    ("spec", "line", "says"),
    [
        ("baseUrl: https://x\nheaders: [{name: A, value: '${{ NOPE }}'}]", 7, "NOPE is not set"),
        ("baseUrl: https://x\nheaders: [{name: A, value: '${{ EMPTY }}'}]", 7, "EMPTY is set but empty"),
        ("baseUrl: https://x\nheaders: [{name: A, value: '${{ BROKEN }}'}]", 7, "BROKEN holds a line break"),
        ("baseUrl: https://x\nheaders: [{name: A, value: '${{ a b }}'}]", 7, "name of an environment variable"),
        ("baseUrl: https://x\nheaders: [{name: A, value: '${{ OK'}]", 7, "${{"),
        ('baseUrl: https://x\nheaders: [{name: A, value: "a\\rb"}]', 7, "control character"),
        ("baseUrl: https://x\nheaders: [{name: 'A:b', value: x}]", 7, "characters that HTTP"),
        ("baseUrl: https://x\nheaders: [{name: A, value: x}, {name: a, value: y}]", 7, "twice"),
        ("baseUrl: https://x\nheaders: [{name: Content-Length, value: 1}]", 7, "Doorward itself"),
        ("baseUrl: https://x\nheaders: {A: b}", 7, "list"),
        ("baseUrl: http://x", 6, "allowPrivate"),
        ("baseUrl: https://${{ EVIL }}", 6, "user name"),
        ("baseUrl: ''", 6, "empty"),
        ("retries: 1", 6, "baseUrl is missing"),
        ("baseUrl: https://x\nretries: 9", 7, "0 to 5"),
        ("baseUrl: https://x\nallowPrivate: maybe", 7, "true or false"),
        ("baseUrl: https://x\ntimeouts: {idleSeconds: -1}", 7, "above 0"),
        ("baseUrl: https://x\ntimeouts: {idle: 1}", 7, "no field"),
        ("baseUrl: https://x\nbaseUrl: https://y", 7, "twice"),
        ("baseUrl: https://x\nmethods: [GET, STEAL]", 7, "takes ACL"),
        ("baseUrl: https://x\nmethods: []", 7, "at least one"),
        ("baseUrl: https://x\nroles: [root]", 7, "admin, user"),
        ("baseUrl: https://x\npaths: [v1]", 7, "plain paths"),
        ("baseUrl: https://x\nforwardHeaders: [Authorization]", 7, "between the client and Doorward"),
        ("baseUrl: https://x\nreturnHeaders: [Set-Cookie]", 7, "own address"),
        ("baseUrl: https://x\nprices: ../x", 7, "id of a provider"),
        ("baseUrl: !env X", 6, "tags"),
        ("baseUrl: https://x\nextra: top-secret-9k", 7, "no field `extra`"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_never_with_a_value(spec: str, line: int, says: str) -> None:
    found = read(spec, EMPTY=" ", BROKEN=f"a\r\nX: {CANARY}", EVIL=f"{CANARY}@evil.example", OK=CANARY)
    assert found.adapters == {}
    assert [(problem.line, says in problem.says) for problem in found.problems] == [(line, True)], found.problems
    assert CANARY not in str(found.problems)


def test_all_problems_are_told_at_once_and_a_broken_document_hides_no_other() -> None:
    text = "kind: HTTP\n---\n{[\n---\nkind: HTTP\napiVersion: v9\nmetadata: {name: a}\nspec: {baseUrl: ftp://x}\n"
    text += "---\nkind: HTTP\nspec: 1\n"
    lines = {problem.line for problem in manifest.read(text.encode(), {}).problems}
    assert {1, 6, 8, 10, 11} <= lines
    assert lines & {3, 4}


def test_names_are_unique_and_other_kinds_are_left_alone() -> None:
    one = "apiVersion: doorward.dev/v1\nkind: HTTP\nmetadata: {name: a}\nspec: {baseUrl: https://x}\n"
    found = manifest.read(f"{one}---\n{one}".encode(), {})
    assert [(problem.line, "stands twice" in problem.says) for problem in found.problems] == [(6, True)]
    found = manifest.read(f"kind: Secret\ndata: !custom '${{{{ NOPE }}}}'\n---\n---\n{one}".encode(), {})
    assert (list(found.adapters), found.foreign, found.problems) == (["a"], 1, [])


@pytest.mark.parametrize(
    ("fields", "caller", "may"),
    [
        ({}, {}, True),
        ({}, {"adapters": ("b",)}, False),
        ({}, {"adapters": ("a",)}, True),
        ({}, {"adapters": ()}, False),
        ({}, {"scopes": frozenset({"me"})}, False),
        ({"roles": frozenset({"admin"})}, {"role": "user"}, False),
        ({"roles": frozenset({"user"})}, {"role": "admin"}, True),
        ({"roles": frozenset({"user"})}, {}, False),
        ({"keys": frozenset({"k1"})}, {"key_id": "k1"}, True),
        ({"keys": frozenset({"k1"})}, {"key_id": "k2"}, False),
        ({"keys": frozenset({"k1"})}, {"key_id": "k1", "adapters": ("b",)}, False),
    ],
)
def test_who_may_use_it(fields: dict[str, Any], caller: dict[str, Any], may: bool) -> None:
    adapter = replace(only(read("baseUrl: https://x")), **fields)
    who = Caller(**{"owner": "key:k", "draws_on": frozenset(), "scopes": frozenset({"call"}), **caller})
    assert adapter.admits(who) is may


def test_ten_thousand_adapters_load_within_a_second_of_this_process() -> None:
    document = (
        "---\napiVersion: moment.dev/adapters/v1alpha1\nkind: HTTP\nmetadata:\n  name: api-{n}\nspec:\n"
        "  baseUrl: https://api{n}.example.com/v2\n"
        '  headers:\n    - name: Authorization\n      value: "Bearer ${{{{ TOKEN }}}}"\n'
        "    - {{name: X-Org, value: '\"x ${{{{ TOKEN }}}}\"'}}\n"
    )
    raw = "".join(document.format(n=n) for n in range(10_000)).encode()
    started = time.process_time()
    found = manifest.read(raw, {"TOKEN": CANARY})
    took_s = time.process_time() - started
    print(f"10,000 adapters, {len(raw) / 1e6:.1f} MB: {took_s:.2f} s of CPU")
    assert (len(found.adapters), found.problems) == (10_000, [])
    assert took_s < 2.0  # 0.5 s on a quiet machine
