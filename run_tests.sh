#!/usr/bin/env bash
# bash run_tests.sh [--setup-only] [pytest arguments]: set up → ruff, mypy, pytest.
# --setup-only makes .venv/ and the default engine, patched, and stops.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source harness/find_python.sh
python=$(find_python)
"$python" harness/bootstrap.py
.venv/bin/python -m harness engines install
if [[ "${1:-}" == "--setup-only" ]]; then
  exit 0
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
exec .venv/bin/pytest "$@"
