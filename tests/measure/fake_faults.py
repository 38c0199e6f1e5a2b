"""What can befall a process of the fake engine: installed as ``vllm/faults.py``, imported only where a fault happens.

Each function is the FAULT of a mode ``PROCESS:STAGE:FAULT`` and is called in that process at that stage. What it needs
to know stands in ``control.json`` under ``facts``.
"""

import glob
import os
import resource
import signal
import subprocess
import sys
import time

from vllm import _control, _note, _sleep_for_ever

MIB = 1 << 20


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    _sleep_for_ever(False)


def stop():
    """Hang as a process in the debugger does: it does not even notice SIGTERM."""
    _note("hanging")
    os.kill(os.getpid(), signal.SIGSTOP)


def linger():
    """Hang, and take a while to end after SIGTERM, writing into the caches to the last."""

    def end(*_):
        deadline = time.monotonic() + 0.4
        while time.monotonic() < deadline:
            with open(os.path.join(os.environ["TORCHINDUCTOR_CACHE_DIR"], "late.so"), "a") as file:
                file.write("late")
            time.sleep(0.01)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    _sleep_for_ever(False)


def leave():
    """End without a word, as after a failed assertion in C."""
    os._exit(3)


def no_memory():
    """Ask for more than the address space may hold."""
    resource.setrlimit(resource.RLIMIT_AS, (256 * MIB, 256 * MIB))
    bytearray(512 * MIB)


def too_much_memory():
    """Use more memory than the control group has: the kernel kills this process."""
    with open(os.path.join(_control()["facts"]["cgroup"], "cgroup.procs"), "w") as file:
        file.write(str(os.getpid()))
    held = []
    for _ in range(512):  # but no more, should there be no limit
        held.append(b"x" * MIB)
    _note("spared")


def log_a_lot():
    """More text than a harness should hold in memory."""
    line = b"WARNING 11-20 12:00:00.000 [loop.py:1] once more " + b"x" * 960 + b"\n"
    for _ in range(_control()["facts"]["log_mib"]):
        os.write(1, line * (MIB // len(line)))


def log_until_full():
    """Print until the disk is full, as an engine does that logs in a loop."""
    while True:
        print("x" * MIB, flush=True)


def log_bytes():
    """Print what is no text."""
    os.write(1, bytes(range(256)) * 16 + b"\n\xff\xfe\x00\n")


def fill():
    """Let others use up the disk: of ``fill``'s folder, all but ``left`` bytes."""
    facts = _control()["facts"]
    with open(os.path.join(facts["fill"], ".filler"), "ab", buffering=0) as file:
        left = os.statvfs(facts["fill"])
        file.write(b"\0" * max(0, left.f_bavail * left.f_frsize - facts["left"]))
    # A file's last block has room for a few more spans: these are more than a block's.
    import asyncio  # noqa: F401
    import unittest  # noqa: F401
    import xml.dom.minidom  # noqa: F401


def damage_spans():
    """A file system loses part of this process's span file, in the middle of a line."""
    (path,) = glob.glob(os.path.join(os.environ["COLDSTART_TRACE_DIR"], f"*-{os.getpid()}.jsonl"))
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        file.write(b"\0" * 64)


def lose_spans():
    """… or its beginning."""
    (path,) = glob.glob(os.path.join(os.environ["COLDSTART_TRACE_DIR"], f"*-{os.getpid()}.jsonl"))
    os.truncate(path, 10)


def fork_for_ever():
    """Start processes faster than anybody ends them, and survive SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for _ in range(200): subprocess.Popen(['/bin/sleep', '60'], start_new_session=True); time.sleep(0.005)"
    )
    for _ in range(3):
        subprocess.Popen([sys.executable, "-c", code])
    time.sleep(0.1)
    _sleep_for_ever(True)
