#!/bin/sh
# Install the agents and frameworks that `make agents` runs: npm packages into agents/, Python ones into frameworks/,
# both within the virtual environment and apart from its own packages.
venv=$1
npm_packages=$2
shift 2

command -v npm >/dev/null 2>&1 || { echo "npm is not installed. Debian, Ubuntu: sudo apt-get install npm" >&2; exit 1; }
echo "Installing agents and frameworks into $venv (about 350 MB to download, once) ..."
mkdir -p "$venv/agents"
# shellcheck disable=SC2086  # a list of names
npm install --prefix "$venv/agents" --no-save --no-package-lock --no-audit --no-fund --loglevel=error $npm_packages \
    >/dev/null || exit 1
[ -x "$venv/frameworks/bin/python" ] || "$venv/bin/python" -m venv --without-pip "$venv/frameworks" || exit 1
"$venv/bin/uv" pip install -q --python "$venv/frameworks/bin/python" "$@"
