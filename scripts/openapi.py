"""Print the control plane's OpenAPI document, without a server: `ui/` makes its typed client of it."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from typing import Any, cast

from doorward import __version__
from doorward.edge.control_plane.parts import Parts
from doorward.edge.control_plane.plane import control_plane


def document() -> dict[str, Any]:
    """Every route, those of people too. Nothing is called, so the parts may be anything that is there."""
    something = cast(Any, object())
    parts = Parts(**{field.name: something for field in fields(Parts)} | {"version": __version__})
    return control_plane(parts).openapi()


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=1, sort_keys=True)
    print()
