#!/bin/sh
# Install the Node.js clients that the tests use, beside the Python ones. Without npm, or without a network, those tests
# are skipped, and `make test` says so; the stamp is made only when the packages are there.
folder=$1
stamp=$2
shift 2

command -v npm >/dev/null 2>&1 || exit 0
mkdir -p "$folder"
log=$(mktemp)
if npm install --prefix "$folder" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "$@" >"$log" 2>&1; then
    touch "$stamp"
else
    grep -v '^npm warn' "$log" | tail -n 3 >&2
    echo "npm could not install $*, see above; the tests that need it are skipped" >&2
fi
rm -f "$log"
