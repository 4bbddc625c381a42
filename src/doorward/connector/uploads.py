"""A file in a request: its bytes with a name, a path, or an open binary file."""

from __future__ import annotations

from os import PathLike
from typing import IO

Upload = IO[bytes] | PathLike[str] | tuple[str, bytes] | tuple[str, IO[bytes]] | tuple[str, bytes, str]
"""`(name, bytes)` and `(name, bytes, content type)` are the plainest. The name's ending often decides how it is read."""
