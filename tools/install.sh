#!/bin/sh
# Install the package with the pinned versions of constraints.txt; what pip says is shown only if it fails.
bin=$1
extras=$2
size=$3

echo "Installing the pinned dependencies into .venv ($size to download, once) ..."
log=$(mktemp)
if PIP_DISABLE_PIP_VERSION_CHECK=1 "$bin/python" -m pip install -q -c constraints.txt -e ".[$extras]" >"$log" 2>&1; then
    rm -f "$log"
    exit 0
fi
without="$bin/pip install -c constraints.txt -e . && $bin/freetheai serve"
if grep -q 'No matching distribution found for xllamacpp' "$log"; then
    echo "There is no wheel of the local model for this system. Without it: $without" >&2
else
    grep -v '^WARNING' "$log" | tail -n 5 >&2
    echo "The installation failed, see above. Try again, or without the local model: $without" >&2
fi
rm -f "$log"
exit 1
