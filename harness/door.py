"""What every command line of the harness does around its typer app: errors in one line, and an exit code."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from harness.errors import HarnessError
from harness.record.case_folder import CaseFolderError
from harness.record.plain import printable
from harness.record.run import RunFileError

STOPPED = 130  # as shells report a command that Ctrl-C ended
CLOSED_PIPE = 141  # as shells report a command whose reader went away: never a verdict such as 1
_LONGEST = 1000  # characters of an error


def run_app(
    app: typer.Typer,
    name: str,
    arguments: list[str] | None = None,
    stopped: str = "stopped; repeat the command to go on",
) -> NoReturn:
    """Run ``app`` and end the process. ``arguments``: None = the command line; ``stopped``: said after Ctrl-C."""
    try:
        code = app(args=arguments, prog_name=name, standalone_mode=False)
        if sys.stdout:  # None where it is closed
            sys.stdout.flush()  # not at the exit, where nobody could say what happened
        if code == STOPPED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(code)
    except HarnessError as error:
        _end(str(error), error.exit_code)
    except CaseFolderError as error:
        _end(str(error), 2)
    except RunFileError as error:
        _end(f"{error}; move that run's folder out of runs/ and repeat", 2)
    except BrokenPipeError:
        _end_unread()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich and typer make 1 of it, which means something here
            _end_unread()
        raise
    except OSError as error:
        _end(f"{error.filename or 'a file'}: {error.strerror or error}; mend it and repeat", 2)
    except (KeyboardInterrupt, typer.Abort):
        print(stopped, file=sys.stderr)
        sys.exit(STOPPED)
    except TyperException as error:
        message = error.format_message().rstrip(".")  # empty where the help was printed instead
        if not message:
            sys.exit(2)
        message += f"; see {'' if name.startswith('python') else name + ' '}--help"
        given = sys.argv[1:] if arguments is None else arguments
        if "--json" in given[: given.index("--") if "--" in given else None]:
            _print_json(message)
        _end(message, 2)


@contextmanager
def json_errors(as_json: bool) -> Iterator[None]:
    """Where a program reads standard output, an error too is its last line: ``{"error": …}``."""
    try:
        yield
    except (HarnessError, CaseFolderError, RunFileError, OSError) as error:
        if as_json:
            _print_json(str(error))
        raise


def _print_json(message: str) -> None:
    print(json.dumps({"error": message}))


def _end_unread() -> NoReturn:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written would fail again at the exit
    sys.exit(CLOSED_PIPE)


def _end(message: str, code: int) -> NoReturn:
    print(f"error: {printable(message, _LONGEST)}", file=sys.stderr)
    sys.exit(code)
