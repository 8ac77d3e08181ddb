# Sourced by the scripts beside it, after `cd` to the repository's root.
#
# prepare_venv [EXTRA]  makes or reuses the virtual environment, installs the package
#                       in place (with this extra), and sets PYTHON_IN_VENV.
#
# PYTHON  the interpreter that makes the environment (default: the newest of
#         python3.13 ... python3.10, else python3)
# VENV    the environment's folder (default: .venv)

find_python() {
  local candidate errors=/dev/null
  # pyenv leaves commands that only print that they are not installed: hide that. An
  # interpreter that PYTHON names may print what is wrong with it.
  [ -z "${PYTHON:-}" ] || errors=/dev/stderr
  for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3.10 python3}; do
    if command -v "$candidate" >/dev/null && "$candidate" -c \
        'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
        2>"$errors"; then
      command -v "$candidate"
      return
    fi
  done
  echo "No Python 3.10 to 3.13 found. Received: PYTHON=${PYTHON:-(not set)}." \
    "Try PYTHON=/path/to/python3.12 $0." >&2
  return 2
}

prepare_venv() {
  local extra=${1:-} venv=${VENV:-.venv} python stamp
  PYTHON_IN_VENV=$venv/bin/python
  # Makes the environment again if it is incomplete or its interpreter is gone.
  if ! "$PYTHON_IN_VENV" -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || return
    echo "Making $venv with $python"
    if ! "$python" -m venv --clear "$venv"; then
      echo "Could not make $venv. On Debian and Ubuntu: apt-get install python3-venv." >&2
      return 2
    fi
  fi
  # The stamp names what was installed: it changes with setup.py and the extra.
  stamp=$venv/installed-${extra:-base}-$(cat setup.py pyproject.toml | sha256sum | cut -c1-16)
  if [ ! -e "$stamp" ]; then
    echo "Installing sagan_tf${extra:+[$extra]} into $venv (TensorFlow is large: this takes minutes)"
    "$PYTHON_IN_VENV" -m pip install --quiet --disable-pip-version-check \
      --editable ".${extra:+[$extra]}" || return
    touch "$stamp"
  fi
}
