"""OpenAI as the pages' journeys need it: a list of models, and chats that answer as their question says."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.answers import Answer, chat_stream, error_answer, json_answer
from tests.house import CANARY
from tests.scripted import Request

MODELS = {
    "object": "list",
    "data": [{"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in ("gpt-4o-mini", "gpt-4o")],
}

RICH = """## Rotating the master key

Run **one** command; it is *resumable*:

```python
def rotate(old: bytes, new: bytes) -> int:
    \"\"\"Rewrap every data key.\"\"\"
    return sum(1 for key in keys() if rewrap(key, old, new))
```

1. Back up the database.
2. Run `doorward rotate-master-key`.
   - it may be stopped
   - it goes on where it was

| step | takes | undo |
|:--|--:|:-:|
| back up | 2 s | no need |
| rotate | 40 s | yes |

> Without the key nothing can be opened.

The cost is $O(n)$ in keys, or exactly

$$\\sum_{i=1}^{n} c_i = n \\cdot \\bar{c}$$

See [the guide](https://example.com/guide)."""


def words_of(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def openai(answer: Callable[[str], Answer] | None = None) -> Callable[[Request], Answer]:
    """`answer`: the last question -> what is sent. Only the canary's key is let in."""

    def script(request: Request) -> Answer:
        if request.header("authorization") != f"Bearer {CANARY}":
            return error_answer(401, "invalid_api_key", "Incorrect API key provided.")
        if request.target.startswith("/v1/models"):
            return json_answer(MODELS)
        content = request.json["messages"][-1]["content"]
        question = content if isinstance(content, str) else content[0]["text"]
        return answer(question) if answer is not None else chat_stream(words_of(RICH))

    return script
