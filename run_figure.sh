#!/usr/bin/env bash
# bash run_figure.sh NUM [options]: set up what is missing, measure what is missing, collect, plot.
# bash run_figure.sh --help lists the options. Steps and logic live in harness/; this only makes the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source harness/find_python.sh
python=$(find_python "$@")
"$python" -B harness/bootstrap.py "$@"
exec .venv/bin/python -m harness figure "$@"
