"""Build hook: a wheel carries the token ranks, so that counting works offline (R37), and the pages, so that none needs node."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RanksHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """`version` is ``editable`` for a development install: make has its own step for that."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "scripts"))
        try:
            from build_ranks import build
        finally:
            sys.path.pop(0)
        build(root)
        if not (root / "src/doorward/ui_dist/index.html").is_file():
            raise RuntimeError("The pages are not built: run  make pages  first. A wheel without them would serve no page.")
