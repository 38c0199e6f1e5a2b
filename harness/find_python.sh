# Sourced by run_figure.sh and run_tests.sh. find_python prints the Python to build environments with: HARNESS_PYTHON if
# set, else the first of python3, python3.12, python3.11 that is a supported version. The one of --reuse-python (an
# argument, or HARNESS_REUSE_PYTHON) comes first, since a wheelhouse is for its version, and what engines are made with is
# looked for in it; the system's python3 may be another version, or have neither venv nor headers. If there is none it says
# so in one line and exits with 2; in shell, because an old Python could not even read the code that refuses it.
set -euo pipefail
find_python() {
  local candidates=(python3 python3.12 python3.11) candidate found reused="${HARNESS_REUSE_PYTHON:-}" before=""
  for candidate in "$@"; do
    [[ "$before" != --reuse-python ]] || reused=$candidate
    [[ "$candidate" != --reuse-python=* ]] || reused=${candidate#*=}
    before=$candidate
  done
  [[ -z "$reused" ]] || candidates=("$reused" "${candidates[@]}")
  if [[ -n "${HARNESS_PYTHON:-}" ]]; then
    candidates=("$HARNESS_PYTHON")
  fi
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  if command -v "${candidates[0]}" >/dev/null; then
    found="is $("${candidates[0]}" --version 2>&1)"
  else
    found="was not found"
  fi
  echo "error: ${candidates[0]} $found; install Python 3.11 or 3.12, or set HARNESS_PYTHON to one" >&2
  exit 2
}
