"""Multipart forms, held in memory: fields by name, files with their names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from doorward.core.errors import BadRequest
from doorward.simulator.call import Call, missing

_BOUNDARY = re.compile(r'boundary="?([^";,\r\n]{1,70})"?', re.I)
_PARAMETER = re.compile(r';\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.I)
MAX_PARTS = 200


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A name may come several times; ``name[]`` is the same as ``name``."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)

    def text(self, name: str, default: str | None = None) -> str:
        """The field's first value. Raises `BadRequest` if it is missing and there is no default."""
        if name in self.fields:
            return self.fields[name][0]
        if default is None:
            raise missing(name)
        return default

    def file(self, name: str) -> Upload:
        if name not in self.files:
            raise missing(name, " Send it as a file.")
        return self.files[name][0]


def read(call: Call) -> Form:
    """The call's body as a form. Raises `BadRequest` when it is none, or not whole."""
    content_type = call.headers.get(b"content-type", b"").decode("latin-1")
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        raise BadRequest("Send this request as multipart/form-data, with a boundary.", code="invalid_content_type")
    delimiter = b"\r\n--" + found[1].encode("latin-1")
    # The first delimiter has no line break before it.
    parts = (b"\r\n" + call.body).split(delimiter)
    if len(parts) < 2 or len(parts) > MAX_PARTS or not parts[-1].startswith(b"--"):
        raise BadRequest("The multipart body is broken: it must begin with its boundary and end with the closing one.")
    form = Form()
    for part in parts[1:-1]:
        head, separator, data = part.partition(b"\r\n\r\n")
        names = {name.lower(): value for name, value in _PARAMETER.findall(_disposition(head))}
        if not separator or "name" not in names:
            raise BadRequest("A part of the multipart body has no name.")
        name = names["name"].removesuffix("[]")
        if "filename" in names:
            form.files.setdefault(name, []).append(Upload(names["filename"], data))
        else:
            form.fields.setdefault(name, []).append(data.decode("utf-8", "replace"))
    call.streamed = form.text("stream", "false").lower() == "true"
    call.names(form.text("model", "") or None)
    return form


def _disposition(head: bytes) -> str:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-disposition:"):
            return line.decode("utf-8", "replace")
    return ""
