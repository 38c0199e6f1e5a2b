"""The steps of installations (venv, pip) as child processes, which another thread can end."""

import subprocess
import threading
from collections.abc import Mapping

from harness.errors import HarnessError


class Steps:
    """Child processes that are waited for; once ended, no further one begins until ``reopen``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(self, command: list[str], environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit code and what was printed. Raises HarnessError if the steps were ended."""
        with self._lock:
            if self._ended:
                raise HarnessError("stopped")
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
            )
            self._running.add(process)
        with process:
            try:
                output, _ = process.communicate()
            except BaseException:  # Ctrl-C while the main thread itself waits here
                process.kill()
                raise
            finally:
                with self._lock:
                    self._running.discard(process)
        return process.returncode, output

    def end(self) -> None:
        """End what runs; whoever waits for it sees it fail."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.terminate()

    def are_ended(self) -> bool:
        """Whether no further step may begin."""
        return self._ended

    def reopen(self) -> None:
        """Let steps begin again."""
        with self._lock:
            self._ended = False


STEPS = Steps()
