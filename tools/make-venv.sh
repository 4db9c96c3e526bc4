#!/bin/sh
# Make the virtual environment; every failure is one line with the command that mends it.
python=$1
venv=$2

if ! command -v "$python" >/dev/null 2>&1; then
    echo "$python is not installed. Debian, Ubuntu: sudo apt-get install python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed, $python is $("$python" -V 2>&1). Name another one: make run PYTHON=python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "The module venv is missing. Debian, Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
fi
"$python" -m venv "$venv" || { rm -rf "$venv"; echo "The environment $venv could not be made; see above." >&2; exit 1; }
