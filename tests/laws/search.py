"""Looking for a key in every form in which its bytes, or half of them, may lie about."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote


def forms(key: bytes) -> dict[str, bytes]:
    """Every way in which the bytes, or half of them, may lie about. Base64 at each of its three offsets."""
    found: dict[str, bytes] = {}
    for part, value in {"whole": key, "first half": key[: len(key) // 2], "second half": key[len(key) // 2 :]}.items():
        found[part] = value
        found[f"{part}, hex"] = value.hex().encode()
        found[f"{part}, HEX"] = value.hex().upper().encode()
        found[f"{part}, URL"] = quote(value, safe="").encode()
        found[f"{part}, JSON"] = json.dumps(value.decode())[1:-1].encode()
        found[f"{part}, JSON as \\u"] = "".join(f"\\u{byte:04x}" for byte in value).encode()
        for offset in range(3):
            # the characters at both ends depend on the neighbours
            text = base64.b64encode(b"\0" * offset + value)[4 if offset else 0 : -4]
            found[f"{part}, base64 at {offset}"] = text
            found[f"{part}, base64url at {offset}"] = text.replace(b"+", b"-").replace(b"/", b"_")
    return found


def sightings(data: bytes, key: bytes) -> list[str]:
    return [name for name, form in forms(key).items() if form in data]


def files(*directories: Path) -> Iterator[tuple[str, bytes]]:
    for directory in directories:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()
