#!/bin/sh
# Make or bring up to date the virtual environment from a lock file with hashes.
set -eu
python=$1 venv=$2 lock=$3
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing $lock into $venv (one to three minutes the first time) ..."
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --require-hashes --requirement "$lock"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
    --no-deps --no-build-isolation --editable .
# Every core compiles; -q hides the files of other Pythons that some packages carry along.
"$venv/bin/python" -m compileall -qq -j 0 "$venv/lib" bot_cripto scripts || true
