#!/bin/sh
# Makes the virtual environment and installs what the project needs, on a machine with Python 3.11 and gcc.
# usage: bootstrap.sh PYTHON VENV
set -eu
python=$1
venv=$2

missing=""
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
header=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"] + "/Python.h")')
[ -f "$header" ] || missing="$missing python3-dev"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
command -v g++ >/dev/null || missing="$missing g++"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    else
        echo "please install:$missing (on Debian: sudo apt-get install$missing)" >&2
        exit 1
    fi
fi

echo "setting up $venv (a minute or two, once) ..."
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "setuptools>=80" "Cython>=3.2,<4" wheel
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[dev]"
# ccxt names one release each of uvloop, multidict and a dozen more, and with them the suite would run on older
# libraries than users get. It works with newer ones, so it comes without its wishes.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "ccxt>=4.5.90,<5"
