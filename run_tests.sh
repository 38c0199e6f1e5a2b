#!/usr/bin/env bash
# bash run_tests.sh [--setup-only | --no-engine] [pytest arguments]: set up → ruff, mypy, pytest.
# --setup-only makes .venv/ and the default engine, patched, and stops; it takes --wheelhouse and --reuse-python.
# --no-engine installs no engine and leaves out the tests that start one (tests/conftest.py).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source harness/find_python.sh
if [[ "${1:-}" == "--setup-only" ]]; then
  shift
  python=$(find_python "$@")
  "$python" -B harness/bootstrap.py "$@"
  exec .venv/bin/python -m harness engines install "$@"
fi
python=$(find_python)
"$python" -B harness/bootstrap.py
[[ "${1:-}" == "--no-engine" ]] || .venv/bin/python -m harness engines install
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# Without bytecode, each of the hundreds of commands that tests type would compile every module anew.
unset PYTHONDONTWRITEBYTECODE
# Most tests, one file at a time on each core; then, alone, those that measure (tests/conftest.py). 5: no such test.
cores=$(nproc)
beside=0
PYTEST_XDIST_AUTO_NUM_WORKERS=$cores .venv/bin/pytest --alone without \
  --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@" || beside=$?
[[ $beside == 0 || $beside == 5 ]] || exit "$beside"
alone=0
.venv/bin/pytest --alone only "$@" || alone=$?
[[ $alone == 5 ]] && exit "$beside"
exit "$alone"
