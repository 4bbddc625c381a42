"""`/v1/files`: create, list, get, content, delete."""

from __future__ import annotations

from doorward.core.errors import NotFound
from doorward.simulator import form
from doorward.simulator.call import Answer, Call, Whole, as_json, invalid

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
MOST_LISTED = 10_000


def create(call: Call) -> Answer:
    sent = form.read(call)
    upload, purpose = sent.file("file"), sent.text("purpose")
    if purpose not in PURPOSES:
        raise invalid("purpose", f"one of {', '.join(PURPOSES)}.")
    return as_json(call.shelf.add_file(upload.filename, purpose, upload.data, call.created).shown())


def list_all(call: Call) -> Answer:
    query = call.query
    files = [file for file in call.shelf.files.values() if query.get("purpose") in (None, file.purpose)]
    if query.get("order", "desc") != "asc":
        files.reverse()
    if after := query.get("after"):
        places = [at for at, file in enumerate(files) if file.id == after]
        if not places:
            raise NotFound(f"No such File object: {after[:80]}", param="after")
        files = files[places[0] + 1 :]
    limit = query.get("limit", str(MOST_LISTED))
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST_LISTED:
        raise invalid("limit", f"1 to {MOST_LISTED}.")
    shown = files[: int(limit)]
    ends = {"first_id": shown[0].id, "last_id": shown[-1].id} if shown else {"first_id": None, "last_id": None}
    return as_json({"object": "list", "data": [file.shown() for file in shown], "has_more": len(shown) < len(files), **ends})


def get(call: Call) -> Answer:
    return as_json(call.shelf.file(call.ids[0]).shown())


def content(call: Call) -> Answer:
    file = call.shelf.file(call.ids[0])
    return Whole(file.data, content_type=b"application/octet-stream")


def delete(call: Call) -> Answer:
    call.shelf.file(call.ids[0])
    del call.shelf.files[call.ids[0]]
    return as_json({"id": call.ids[0], "object": "file", "deleted": True})
