#!/usr/bin/env bash
# bash experiments/gpu_check/run.sh [--stage NAME]… [--wheelhouse DIR] [--reuse-python PATH] [--dest FILE] …
# The start-up measurements of a machine with a GPU, in stages of a few minutes; docs/gpu-check.md says how to read them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source harness/find_python.sh
python=$(find_python "$@")
"$python" -B harness/bootstrap.py "$@"
exec .venv/bin/python -m harness gpu-check "$@"
