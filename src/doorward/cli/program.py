"""The boundary: arguments in; an outcome or a failure out, as text and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from doorward import __version__
from doorward.cli import tree
from doorward.cli.misuse import of_misuse
from doorward.cli.outcome import DONE, FAILED, INTERRUPTED, Failure, Outcome
from doorward.cli.terminal import Terminal


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """One command, from its words to its exit code."""
    terminal = Terminal.of(argv)
    try:
        return _finish(terminal, _outcome_of(list(argv)))
    except (KeyboardInterrupt, typer.Abort):
        terminal.note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone (`doorward key list | head`): nothing is left to say, and to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001  # the outermost boundary: anything becomes three lines
        if terminal.debug:
            traceback.print_exc()
        failure = _failure_of(error)
        terminal.fail(failure)
        return failure.exit_code


def _outcome_of(argv: list[str]) -> object:
    own = [word for word in argv if word not in ("--json", "--no-color", "--debug")]
    if not own:
        return Outcome(*tree.overview())
    if own == ["--version"]:
        return Outcome({"version": __version__}, f"Doorward {__version__}")
    root = tree.Root(name="doorward", rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
    return root.main(args=argv, prog_name="doorward", standalone_mode=False)


def _finish(terminal: Terminal, returned: object) -> int:
    """A command returns an `Outcome`, nothing, or (the parser, after `-h`) an exit code."""
    if isinstance(returned, Outcome):
        terminal.finish(returned)
        return returned.exit_code
    return returned if isinstance(returned, int) else DONE


def _failure_of(error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, typer.TyperException):
        return of_misuse(error)
    from doorward.cli.failure import failure_of  # knows the heavy rooms' exceptions

    return failure_of(error)
