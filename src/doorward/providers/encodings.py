"""OpenAI's token encodings, offline: rank files of the wheel, loaded when first used.

An encoding is a rank for each token, a pattern that cuts text into pieces, and nothing else
here: special tokens are left out, so text that spells one (``<|endoftext|>``) is counted as the
plain text that it is in a message. Loading takes 0.1–0.25 s and 25–50 MB an encoding.
"""

from __future__ import annotations

import logging
import re
import threading
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tiktoken import Encoding

_log = logging.getLogger(__name__)

# The patterns are part of the encodings' definition: another pattern would give other tokens.
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_PATTERNS = {
    "cl100k_base": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k_base": rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_CONTRACTION}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_CONTRACTION}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
ENCODINGS = frozenset(_PATTERNS)

_MODELS = re.compile(
    r"(?P<o200k_base>(chat)?gpt-4o|gpt-4\.[15]|gpt-5|gpt-oss|o[134](-|$)|codex-mini|sim-)"
    r"|(?P<cl100k_base>gpt-4(-|$)|gpt-3\.5|gpt-35-turbo|text-embedding-(3-|ada-002)|(davinci|babbage)-002)"
)
"""From OpenAI's published table. A model that is not in it has an encoding nobody told us."""

_loading = threading.Lock()
_loaded: dict[str, Encoding | None] = {}


def encoding_for(model: str) -> str | None:
    """The encoding of a model id (``openai/`` and ``ft:`` in front are fine), `None` if it is not known."""
    name = model.lower().removeprefix("openai/").removeprefix("ft:")
    found = _MODELS.match(name)
    return found.lastgroup if found else None


def is_loaded(name: str | None) -> bool:
    """Whether counting begins at once. `None` has nothing to load: it is estimated."""
    return name is None or name in _loaded


def load(name: str) -> Encoding | None:
    """The encoding, or `None` when its rank file is missing or unreadable (said once in the log)."""
    if name not in _loaded:
        with _loading:
            if name not in _loaded:
                _loaded[name] = _read(name)
    return _loaded[name]


def _read(name: str) -> Encoding | None:
    try:
        packed = files("doorward.providers").joinpath("ranks", f"{name}.bpe").read_bytes()
    except OSError:
        _log.warning("token ranks of %s are missing: tokens are estimated; run `python scripts/build_ranks.py`", name)
        return None
    from tiktoken import Encoding

    ranks = _unpack(packed)
    encoding = Encoding(name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={})
    # The Rust core has its own copy; this one would keep 30 MB alive for a debugging property.
    ranks.clear()
    return encoding


def _unpack(packed: bytes) -> dict[bytes, int]:
    """One byte of length and a token, in order of rank (`scripts/build_ranks.py`)."""
    ranks: dict[bytes, int] = {}
    at, rank, end = 0, 0, len(packed)
    while at < end:
        start = at + 1
        at = start + packed[at]
        ranks[packed[start:at]] = rank
        rank += 1
    return ranks
