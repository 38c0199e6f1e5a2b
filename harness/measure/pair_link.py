"""A member's line to the process that measures with it and another one at once (``pair.py``)."""

import os
import queue
import signal
import threading

WAITS, TOGETHER, ALONE, LATE = b"waits\n", b"together\n", b"alone\n", b"late\n"


class Link:
    """Standard input and output, taken over: nothing else of this process or its children reads or writes them.

    When the input is closed, the other end is gone, and this process gets SIGTERM as if somebody had typed Ctrl-C.
    """

    def __init__(self, other: str) -> None:
        self._other = other  # the slot that is measured at once with this process's
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._input, self._output = os.dup(0), os.dup(1)  # which children do not inherit
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        threading.Thread(target=self._listen, daemon=True).start()

    def meet(self) -> str:
        """Wait until the other one is about to start an engine too, has ended, or did not come for too long.

        Returns the mark of the run.
        """
        os.write(self._output, WAITS)
        answer = self._answers.get()
        if answer == LATE:
            return f"parallel: {self._other} did not come to its next start in time, so that this one began without it"
        if answer == TOGETHER:
            return f"parallel: began at once with a start of {self._other}, on another GPU of this machine"
        return f"parallel: {self._other} had no start left, so that this one ran alone"

    def _listen(self) -> None:
        heard = b""
        while piece := os.read(self._input, 256):
            *lines, heard = (heard + piece).split(b"\n")
            for line in lines:
                self._answers.put(line + b"\n")
        os.kill(os.getpid(), signal.SIGTERM)
