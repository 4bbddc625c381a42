"""A to-do assistant: an agent with one tool. Run: DOORWARD_KEY=dw-... python todo_assistant.py "plan my move to Ulm"

The server offers the tool: DOORWARD_AGENT_TOOLS='["todo_assistant:create_task"]' PYTHONPATH=examples doorward serve
"""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Literal

TASKS: list[dict[str, str]] = []


def create_task(title: str, description: str, priority: Literal["low", "medium", "high"] = "medium") -> dict[str, str]:
    """Put a task on the to-do list.

    title: Short, starts with a verb.
    description: One sentence that says what done means.
    priority: How much it matters.
    """
    task = {"title": title, "description": description, "priority": priority}
    TASKS.append(task)  # yours: a database, a ticket system
    return task


def main(wish: str) -> None:
    body = json.dumps({"message": wish, "tools": ["create_task"]}).encode()
    headers = {"authorization": f"Bearer {os.environ['DOORWARD_KEY']}", "content-type": "application/json"}
    url = os.environ.get("DOORWARD_URL", "http://127.0.0.1:8080")
    with urllib.request.urlopen(urllib.request.Request(f"{url}/apps/agent", body, headers)) as answer:
        run = json.load(answer)
    for step in run["steps"]:
        if step["kind"] == "tool":
            print("task:", step["details"]["result"])
    print(run["message"])


if __name__ == "__main__":
    try:
        main(" ".join(sys.argv[1:]) or "create a task to buy milk")
    except urllib.error.HTTPError as refused:
        sys.exit(json.load(refused)["error"]["message"])
