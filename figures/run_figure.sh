#!/usr/bin/env bash
# The same command, typed in this folder.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/../run_figure.sh" "$@"
