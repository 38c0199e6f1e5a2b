"""What every command line of the harness does around its typer app: errors in one line, and an exit code."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from harness.errors import HarnessError
from harness.record.plain import printable
from harness.record.run import RunFileError

STOPPED = 130  # as shells report a command that Ctrl-C ended


def run_app(
    app: typer.Typer,
    name: str,
    arguments: list[str] | None = None,
    stopped: str = "stopped; repeat the command to go on",
) -> NoReturn:
    """Run ``app`` and end the process. ``arguments``: None = the command line; ``stopped``: said after Ctrl-C."""
    try:
        code = app(args=arguments, prog_name=name, standalone_mode=False)
        if code == STOPPED:  # what typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(code)
    except HarnessError as error:
        _end(str(error), error.exit_code)
    except RunFileError as error:
        _end(f"{error}; move that run's folder out of runs/ and repeat", 2)
    except OSError as error:
        _end(f"{error.filename or 'a file'}: {error.strerror or error}; mend it and repeat", 2)
    except (KeyboardInterrupt, typer.Abort):
        print(stopped, file=sys.stderr)
        sys.exit(STOPPED)
    except TyperException as error:
        message = error.format_message().rstrip(".")  # empty where the help was printed instead
        if not message:
            sys.exit(2)
        _end(f"{message}; see {'' if name.startswith('python') else name + ' '}--help", 2)


@contextmanager
def json_errors(as_json: bool) -> Iterator[None]:
    """Where a program reads standard output, an error too is its last line: ``{"error": …}``."""
    try:
        yield
    except (HarnessError, RunFileError, OSError) as error:
        if as_json:
            print(json.dumps({"error": str(error)}))
        raise


def _end(message: str, code: int) -> NoReturn:
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(code)
