"""Makes and finds the harness's own environment. Standard library only: it runs before any package is there.

Python 3.6 must be able to run this far, to be told that it is too old (hence the quoted annotations).

``python3 harness/bootstrap.py`` makes ``.venv/`` (or repairs an interrupted one). Root scripts, ``plot.py`` and
``python3 harness`` call :func:`enter_environment`, so that they work with whatever Python they were typed with.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements.txt"
VENV = ROOT / ".venv"
STAMP = VENV / ".complete"
SUPPORTED = ((3, 11), (3, 12))
_OTHER = f", or set HARNESS_PYTHON to a Python that has them; this is {sys.executable}"


def _pinned() -> "dict[str, str]":
    """Package → version of requirements.txt."""
    lines = (line.split("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==", 1) for line in lines if line)


def unsatisfied() -> "list[str]":
    """Requirements that the current Python lacks or has in another version."""
    pinned = _pinned()
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7 and older
        return [f"{name}=={version}" for name, version in pinned.items()]
    missing = []
    for name, version in pinned.items():
        try:
            satisfied = metadata.version(name) == version
        except metadata.PackageNotFoundError:
            satisfied = False
        if not satisfied:
            missing.append(f"{name}=={version}")
    return missing


def _venv_is_complete() -> bool:
    # The interpreter is a link: it dangles once the Python it was made with is gone.
    there = STAMP.exists() and (VENV / "bin" / "python").exists()
    return there and STAMP.read_text(encoding="utf-8") == _requirements_sha256()


def _requirements_sha256() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def enter_environment(script: str) -> None:
    """Return if this Python satisfies requirements.txt; else go on in ``.venv/``; else say how to make it, exit 2."""
    in_venv = Path(sys.prefix).resolve() == VENV.resolve()
    if in_venv and _venv_is_complete():
        return
    missing = unsatisfied()
    if not missing:
        return
    if not in_venv and _venv_is_complete():
        python = str(VENV / "bin" / "python")
        os.execv(python, [python, str(_typed(script)), *sys.argv[1:]])
    _stop(
        f"{_typed(script).name}: this Python lacks {len(missing)} packages of requirements.txt ({missing[0]}, …); "
        "make the environment, half a minute: python3 harness/bootstrap.py   (or: pip install -r requirements.txt)"
    )


def _typed(script: str) -> Path:
    """What somebody typed to run ``script``: of ``harness/__main__.py``, its folder."""
    return ROOT / "harness" if Path(script).name == "__main__.py" else Path(script)


def make_environment(arguments: "list[str]") -> None:
    """Make ``.venv/`` unless it is complete. Two calls at once: the second waits for the first.

    ``arguments``: of the command; ``--wheelhouse DIR`` (or HARNESS_WHEELHOUSE) means that no index is asked, and
    ``--reuse-python PYTHON`` that this Python makes the environment if the wheelhouse is for it and not for ours.

    What stops it (Ctrl-C, a full disk) is one line; the next call begins again with what is half made.
    """
    try:
        _make_environment(arguments)
    except KeyboardInterrupt:
        print("stopped; repeat the command to go on", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        _stop(f"{error.filename or VENV}: {error.strerror or error}")


def _make_environment(arguments: "list[str]") -> None:
    version = sys.version_info[:2]
    if version not in SUPPORTED:
        _stop(
            f"Python {version[0]}.{version[1]} is not supported; "
            "take Python 3.11 or 3.12: python3.12 harness/bootstrap.py"
        )
    wheelhouse, reused = _option(arguments, "--wheelhouse"), _option(arguments, "--reuse-python")
    _check_tools()
    if _venv_is_complete():  # also in a checkout that cannot be written
        return
    if find_spec("ensurepip") is None or find_spec("venv") is None:
        _stop(
            f"venv and ensurepip not found: .venv/ is made with them; install them (apt install python3-venv){_OTHER}"
        )
    if wheelhouse:
        wheelhouse = os.path.abspath(wheelhouse)
        _go_on_with_its_python(Path(wheelhouse), reused, arguments)
    try:
        lock = (ROOT / ".setup.lock").open("w")
    except OSError as error:
        _stop(f"{ROOT}: cannot be written ({error.strerror}); set up in a copy that can")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _venv_is_complete():
            return
        print("Making the harness's environment in .venv/ (about half a minute) …", file=sys.stderr, flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        # Into a Python that is reused nothing is written, bytecode of its standard library neither.
        quiet = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"} if reused else None
        _run([sys.executable, "-m", "venv", str(VENV)], f"{sys.executable} -m venv failed", quiet)
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if wheelhouse:
            _install_offline(pip, Path(wheelhouse))
        else:
            message = "pip could not install requirements.txt (no network and nothing cached?)"
            _run([*pip, "-r", str(REQUIREMENTS)], message)
        STAMP.write_text(_requirements_sha256(), encoding="utf-8")


def _option(arguments: "list[str]", name: str) -> "str | None":
    """The value of an option of the command, or of its environment variable."""
    for number, argument in enumerate(arguments):
        if argument == name and number + 1 < len(arguments):
            return arguments[number + 1]
        if argument.startswith(name + "="):
            return argument[len(name) + 1 :]
    return os.environ.get("HARNESS_" + name[2:].upper().replace("-", "_")) or None


def _go_on_with_its_python(wheelhouse: Path, reused: "str | None", arguments: "list[str]") -> None:
    """See that the wheelhouse can make ``.venv/``; begin again with the reused Python if it is for that one."""
    sys.path.insert(0, str(ROOT))
    from harness.record.wheelhouse import HARNESS, WheelhouseError, problems, read_wheelhouse

    try:
        house = read_wheelhouse(wheelhouse)
    except WheelhouseError as error:
        _stop(str(error))
    wrong = problems(wheelhouse, house.of(HARNESS), house.files)
    if house.pieces:
        _stop(f"{wheelhouse}: is in pieces; put them together first: python3 harness wheelhouse join")
    if house.requirements_sha256 is None:
        _stop(f"{wheelhouse}: has no wheels for .venv/; build it without --without-harness")
    if house.requirements_sha256 != _requirements_sha256():
        _stop(f"{wheelhouse}: its wheels are for another requirements.txt; build it from this checkout")
    if wrong.stop:
        _stop(f"{wheelhouse}: {'; '.join(wrong.lines())}; nothing was installed")
    here = "{}.{}".format(*sys.version_info)
    if house.python != here:
        asked = "import sys; print('{}.{}'.format(*sys.version_info))"
        if reused is None or _said([reused, "-c", asked]) != house.python:
            other = f"; {reused} is not that either" if reused else "; --reuse-python names one, or HARNESS_PYTHON"
            _stop(f"{wheelhouse}: its wheels are for Python {house.python}, this is {here}{other}")
        python = shutil.which(reused) or reused  # a bare name is one of PATH
        os.execv(python, [python, "-B", str(Path(__file__).resolve()), *arguments])


def _said(command: "list[str]") -> str:
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except OSError:
        return ""


def _install_offline(pip: "list[str]", wheelhouse: Path) -> None:
    from harness.record.wheelhouse import HARNESS, offline_environment, offline_options, read_wheelhouse, requirements

    wanted = VENV / "wheels.txt"
    wanted.write_text(requirements(read_wheelhouse(wheelhouse).of(HARNESS)), encoding="utf-8")
    message = f"pip could not install the wheels of {wheelhouse}"
    _run([*pip, *offline_options(wheelhouse, wanted)], message, offline_environment(os.environ))


def _check_tools() -> None:
    """What the CPU engine's compiler needs, told before anything is downloaded."""
    # Inductor joins its C++ command line from paths below the checkout, and splits it again at blanks.
    if any(character.isspace() for character in str(ROOT)):
        _stop(f"{ROOT}: the path of this checkout contains a blank, which the engine's compiler cannot handle; move it")
    for tool, package in (("g++", "g++"), ("git", "git")):
        if shutil.which(tool) is None:
            _stop(
                f"{tool} not found: the engine compiles C++ and is patched with git; install it (apt install {package})"
            )
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        _stop(
            f"Python.h not found: the engine compiles against it; install the headers (apt install python3-dev){_OTHER}"
        )


def _run(command: "list[str]", message: str, environment: "dict[str, str] | None" = None) -> None:
    result = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, env=environment
    )
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        _stop(f"{message}: {lines[-1] if lines else f'exit code {result.returncode}'}")


def _stop(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    make_environment(sys.argv[1:])
