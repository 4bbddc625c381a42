"""A value that must not be seen.

`Secret` has no text form: `str`, `repr` and `format` give ``***``; pickling, copying,
JSON and dataclass conversion are refused. The bytes come out by `reveal()` alone, which
`tests/laws` counts: its callers are named in one list.
"""

from __future__ import annotations

import hmac
from typing import Never


class Secret:
    __slots__ = ("__value",)

    def __init__(self, value: str | bytes) -> None:
        self.__value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """The bytes. Only for sealing, hashing, and the header of one upstream attempt."""
        return self.__value

    def __len__(self) -> int:
        return len(self.__value)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__value, other.__value)

    def __hash__(self) -> int:
        raise TypeError("a Secret is not hashable: hashes of secrets end up in dictionaries and logs")

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def _refuse(self, *_: object) -> Never:
        raise TypeError("a Secret cannot be copied or serialised")

    __reduce__ = __reduce_ex__ = __getstate__ = __copy__ = __deepcopy__ = _refuse
    __iter__ = __bytes__ = __getitem__ = _refuse
