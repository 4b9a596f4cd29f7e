#!/bin/sh
# Say what this machine lacks, with the apt line that installs it.
set -eu
python=${1:-python3}
missing=""
want() { missing="$missing $1"; }

if ! command -v "$python" >/dev/null 2>&1; then
    want python3 && want python3-venv
else
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "bot-cripto needs Python 3.11 or later; $python is $("$python" -V 2>&1)." >&2
        echo "Name another one with: make PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    "$python" -c 'import venv, ensurepip' 2>/dev/null || want python3-venv
    "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || want libgomp1
fi
command -v git >/dev/null 2>&1 || want git
if [ -n "$missing" ]; then
    echo "This machine lacks:$missing. Install with:" >&2
    echo "    sudo apt-get install -y$missing" >&2
    exit 1
fi
