"""A process that forbade dumps leaves no core behind and cannot be looked into."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, resource
from doorward.vault.no_dumps import forbid_dumps
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
forbid_dumps()
print(before, resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_no_core_and_not_dumpable() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "1 (0, 0) 0"
