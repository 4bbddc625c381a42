"""Field types of requests. A secret goes in and has no way out: no schema of an answer can hold one (I2)."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from doorward.core.secret import Secret

MAX_SECRET_BYTES = 4096


class _AsSecret:
    """JSON string -> `Secret` at once; the OpenAPI document says `writeOnly`, and serialising one is an error."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            Secret,
            core_schema.str_schema(min_length=1, max_length=MAX_SECRET_BYTES, strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(_refuse),
        )

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "password", "writeOnly": True, "minLength": 1, "maxLength": MAX_SECRET_BYTES}


def _refuse(value: object) -> object:
    raise TypeError("a Secret cannot be serialised")


SecretIn = Annotated[Secret, _AsSecret]
"""An upstream key in a request."""

_NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def _one_line(text: str) -> str:
    """Control characters and marks that turn the writing direction can forge a log line or a table's row."""
    if _NOT_IN_A_LINE.search(text) or not text.strip():
        raise ValueError("must be one line of visible text")
    return text.strip()


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
"""A short line for people."""

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
"""An id that people choose."""

HeaderText = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
"""What is sent as a header's value: visible ASCII."""


class Body(BaseModel):
    """A request's body: unknown fields are refused, and an error never repeats what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Answer(BaseModel):
    """An answer. Its schema is all that can leave; a test walks every one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Deleted(Answer):
    id: str
    deleted: bool = True


class ErrorBody(BaseModel):
    """What went wrong, in OpenAI's shape."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    error: ErrorBody
