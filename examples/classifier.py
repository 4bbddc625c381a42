"""Sort texts into categories. Run: DOORWARD_KEY=dw-... python classifier.py "my invoice is wrong" "I love it" """

import json
import os
import sys
import urllib.error
import urllib.request

CATEGORIES = ["billing", "bug", "praise", "other"]


def classify(texts: list[str]) -> list[dict[str, object]]:
    body = json.dumps({"texts": texts, "categories": CATEGORIES}).encode()
    headers = {"authorization": f"Bearer {os.environ['DOORWARD_KEY']}", "content-type": "application/json"}
    url = os.environ.get("DOORWARD_URL", "http://127.0.0.1:8080")
    with urllib.request.urlopen(urllib.request.Request(f"{url}/apps/classify", body, headers)) as answer:
        found: list[dict[str, object]] = json.load(answer)["data"]
    return found


if __name__ == "__main__":
    given = sys.argv[1:] or ["my invoice is wrong"]
    try:
        for text, found in zip(given, classify(given), strict=True):
            print(f"{found['category']:<10} {found['confidence']:.2f}  {text}")
    except urllib.error.HTTPError as refused:
        sys.exit(json.load(refused)["error"]["message"])
