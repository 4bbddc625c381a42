"""Exceptions of the rooms below -> three lines: what failed, why, what to do.

Known ones keep their own words; an unknown one says only its type, for its text might hold a value.
"""

from __future__ import annotations

import errno

from pydantic import ValidationError

from doorward.cli.outcome import FAILED, NOT_ALLOWED, OUT_OF_REACH, WRONG_USE, Failure
from doorward.core.errors import (
    BadRequest,
    Conflict,
    DoorwardError,
    Forbidden,
    NotFound,
    StoreError,
    Unauthenticated,
    Unavailable,
    VaultError,
)
from doorward.settings import Settings

_HELP = "add -h to the command to see what it takes"
_DATA = "Settings DOORWARD_DATA_DIR and DOORWARD_DATABASE_URL say where the data is; doorward doctor checks them."


def failure_of(error: Exception) -> Failure:
    if isinstance(error, ValidationError):
        return _of_settings(error)
    if isinstance(error, DoorwardError):
        return _of_refusal(error)
    if isinstance(error, OSError):
        return _of_system(error)
    return Failure(
        f"Doorward failed: {type(error).__name__}",
        why="This is a fault of Doorward's own.",
        fix="run the command again with --debug and report what it prints",
        code="internal_error",
        cause=error,
    )


def _of_settings(error: ValidationError) -> Failure:
    """The first wrong setting, by the variable's name; its value is never shown."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    variable = variable_of(str(first["loc"][0])) if first["loc"] else "a setting"
    reason = first["msg"].removeprefix("Value error, ")
    return Failure(
        f"{variable} cannot be used",
        why=f"{reason[:1].upper()}{reason[1:]}.",
        fix=f"set {variable} to a value that fits, or remove it; docs/reference/settings.md describes it",
        code="wrong_setting",
        exit_code=WRONG_USE,
    )


def variable_of(field: str) -> str:
    """The environment variable of a setting, from its field name or from one of its aliases."""
    return f"DOORWARD_{field.upper()}" if field in Settings.model_fields else field


def _of_refusal(error: DoorwardError) -> Failure:
    what, _, rest = error.message.partition(". ")
    what, _, reason = what.rstrip(".").partition(": ")
    if isinstance(error, StoreError):
        return Failure(what, reason or rest or "The database does not answer as it should.", _DATA, error.code, OUT_OF_REACH, error)
    if isinstance(error, VaultError):
        fix = rest or "give the master key that sealed this data, by DOORWARD_MASTER_KEY or DOORWARD_MASTER_KEY_FILE"
        return Failure(what, reason or "Stored keys open with one master key only.", fix, error.code, FAILED, error)
    if isinstance(error, (Unauthenticated, Forbidden)):
        return Failure(what, reason or rest, "use a key with the scope that this needs", error.code, NOT_ALLOWED, error)
    if isinstance(error, NotFound):
        return Failure(
            what, reason or "Nothing here has that id.", rest or "look it up with the list command", error.code, cause=error
        )
    if isinstance(error, Conflict):
        return Failure(what, reason or "It stands against what is there.", rest or _HELP, error.code, cause=error)
    if isinstance(error, BadRequest):
        return Failure(what, reason or "A value does not fit.", rest or _HELP, error.code, WRONG_USE, error)
    out = OUT_OF_REACH if isinstance(error, Unavailable) else FAILED
    return Failure(what, reason or rest, "try again; doorward doctor looks for the cause", error.code, out, error)


def _of_system(error: OSError) -> Failure:
    where = f" {error.filename}" if isinstance(error.filename, str) else ""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Failure(
            f"no permission for{where or ' a file'}", error.strerror or "The system refused.", _DATA, "no_permission", cause=error
        )
    if error.errno == errno.ENOSPC:
        return Failure("the disk is full", f"Nothing more fits{where}.", "free some space and try again", "disk_full", cause=error)
    return Failure(f"the system refused{where}", error.strerror or type(error).__name__, _DATA, "system", cause=error)
