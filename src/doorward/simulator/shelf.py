"""What the simulator remembers between calls: files and responses, in memory and bounded."""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from doorward.core.errors import BadRequest, NotFound

MAX_FILES = 1000
MAX_FILE_BYTES_TOTAL = 128 * 2**20
MAX_RESPONSES = 1000


@dataclass(slots=True)
class StoredFile:
    id: str
    filename: str
    purpose: str
    data: bytes
    created: int

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": self.created,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "expires_at": None,
            "status_details": None,
        }


@dataclass(slots=True)
class StoredResponse:
    """`turns_before` is the conversation that led to it, as input items."""

    shown: dict[str, Any]
    input_items: list[dict[str, Any]]
    turns_before: list[dict[str, Any]]
    ready_at: float = 0.0
    """Unix seconds from which a background response is complete; 0 = at once."""


@dataclass(slots=True)
class Shelf:
    max_files: int = MAX_FILES
    max_file_bytes_total: int = MAX_FILE_BYTES_TOTAL
    max_responses: int = MAX_RESPONSES
    files: OrderedDict[str, StoredFile] = field(default_factory=OrderedDict)
    responses: OrderedDict[str, StoredResponse] = field(default_factory=OrderedDict)
    # Ids of stored things are new each time, also across restarts: an owner is bound to them.
    _run: str = field(default_factory=lambda: secrets.token_hex(6))
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def new_id(self, prefix: str) -> str:
        return f"{prefix}{self._run}{next(self._numbers):012x}"

    def add_file(self, filename: str, purpose: str, data: bytes, created: int) -> StoredFile:
        held = sum(len(file.data) for file in self.files.values())
        if len(self.files) >= self.max_files or held + len(data) > self.max_file_bytes_total:
            room = f"{self.max_files} files and {self.max_file_bytes_total} bytes"
            message = f"The simulator holds at most {room}: delete some files first."
            raise BadRequest(message, param="file", code="file_storage_full")
        file = StoredFile(self.new_id("file-"), filename, purpose, data, created)
        self.files[file.id] = file
        return file

    def file(self, file_id: str) -> StoredFile:
        found = self.files.get(file_id)
        if found is None:
            raise NotFound(f"No such File object: {file_id}", param="id")
        return found

    def keep_response(self, response_id: str, stored: StoredResponse) -> None:
        self.responses[response_id] = stored
        while len(self.responses) > self.max_responses:
            self.responses.popitem(last=False)

    def response(self, response_id: str, param: str = "id") -> StoredResponse:
        found = self.responses.get(response_id)
        if found is None:
            code = "previous_response_not_found" if param == "previous_response_id" else None
            raise NotFound(f"Response with id '{response_id}' not found.", param=param, code=code)
        return found
