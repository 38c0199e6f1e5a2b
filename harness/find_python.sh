# Sourced by run_figure.sh and run_tests.sh. find_python prints the Python to build environments with:
# HARNESS_PYTHON if set, else the first of python3, python3.12, python3.11 that is a supported version, else python3
# (whose version harness/bootstrap.py then refuses with a message).
set -euo pipefail
find_python() {
  if [[ -n "${HARNESS_PYTHON:-}" ]]; then
    echo "$HARNESS_PYTHON"
    return
  fi
  local candidate
  for candidate in python3 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  if ! command -v python3 >/dev/null; then
    echo "error: python3 not found; install Python 3.11 or 3.12" >&2
    exit 2
  fi
  echo python3
}
