"""What a message is made of: text, or parts. A mapping of OpenAI's own shape is taken wherever a class of ours is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str

    def to_json(self) -> Json:
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class ImagePart:
    """`url` may be a ``data:`` URL."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None

    def to_json(self) -> Json:
        image = {"url": self.url} if self.detail is None else {"url": self.url, "detail": self.detail}
        return {"type": "image_url", "image_url": image}


@dataclass(frozen=True, slots=True)
class AudioPart:
    """`data` in base64."""

    data: str
    format: Literal["wav", "mp3"]

    def to_json(self) -> Json:
        return {"type": "input_audio", "input_audio": {"data": self.data, "format": self.format}}


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file that was uploaded before."""

    file_id: str

    def to_json(self) -> Json:
        return {"type": "file", "file": {"file_id": self.file_id}}


Part = TextPart | ImagePart | AudioPart | FilePart | Json
Content = str | Sequence[Part]
Role = Literal["system", "developer", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` may be absent only beside `tool_calls`."""

    role: Role
    content: Content | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: Sequence[Json] | None = None


def system(content: Content) -> Message:
    return Message("system", content)


def user(content: Content) -> Message:
    return Message("user", content)


def assistant(content: Content) -> Message:
    return Message("assistant", content)
