"""Put text files into a collection and search them by meaning.

DOORWARD_KEY=dw-... python document_search.py add notes *.txt
DOORWARD_KEY=dw-... python document_search.py find notes how do I rotate a key
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def ask(path: str, body: Any) -> Any:
    headers = {"authorization": f"Bearer {os.environ['DOORWARD_KEY']}", "content-type": "application/json"}
    url = os.environ.get("DOORWARD_URL", "http://127.0.0.1:8080")
    request = urllib.request.Request(f"{url}/apps/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def add(collection: str, files: list[str]) -> None:
    try:
        ask("collections", {"name": collection})
    except urllib.error.HTTPError as error:
        if error.code != 409:  # it is there already
            raise
    documents = [{"id": Path(file).name, "text": Path(file).read_text(), "metadata": {"path": file}} for file in files]
    print("added:", *ask(f"collections/{collection}/documents", {"documents": documents})["ids"])


def find(collection: str, words: list[str]) -> None:
    wish = {"query": " ".join(words), "top_k": 3, "mode": "both"}
    for hit in ask(f"collections/{collection}/search", wish)["results"]:
        print(f"{hit['score']:.3f}  {hit['id']}: {hit['text'][:80]!r}")


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("add", "find"):
        sys.exit(__doc__)
    what, name, *rest = sys.argv[1:]
    try:
        {"add": add, "find": find}[what](name, rest)
    except urllib.error.HTTPError as refused:
        sys.exit(json.load(refused)["error"]["message"])
