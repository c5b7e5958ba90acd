#!/bin/sh
# Make the virtual environment and install what missionctl needs, system libraries included.
#   tools/setup.sh run    what the program needs
#   tools/setup.sh test   that, and what the tests need
set -eu
cd "$(dirname "$0")/.."
want=${1:-run}
venv=.venv
python=${PYTHON:-python3}

say() { printf '%s\n' "setup: $*" >&2; }
stop() { say "$*"; exit 2; }

apt_install() { # names... ; true when the packages were installed
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || return 1
        as_root="sudo -n"
    fi
    say "installing system packages: $*"
    $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

command -v "$python" >/dev/null 2>&1 ||
    stop "no $python here. Install Python 3.11 or newer (Debian, Ubuntu: apt install python3 python3-venv)."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "$("$python" --version) is too old; 3.11 or newer is needed. Name another one with: make PYTHON=python3.12"

if [ ! -x $venv/bin/pip ]; then
    rm -rf $venv
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        apt_install "$version" || stop "Python's venv module is missing. As root: apt install $version"
    fi
    "$python" -m venv $venv
fi

# The system libraries that Qt loads (the wheels bring all others).
qt_packages=$(grep -v '^#' gui/resources/debian-packages.txt | tr '\n' ' ')
missing=
if command -v dpkg-query >/dev/null 2>&1; then
    for name in $qt_packages; do
        case $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null) in
        "install ok installed") ;;
        *) missing="$missing $name" ;;
        esac
    done
fi
if [ -n "$missing" ]; then
    apt_install $missing ||
        say "the desktop app may not start until these are installed (all else works): apt install$missing"
fi

pip="$venv/bin/python -m pip --disable-pip-version-check -q"
if [ "$want" = test ]; then
    $pip install -c constraints.txt -e '.[ai,cluster,dev,peers]'
    $pip install --no-deps "$(grep '^MAVProxy==' constraints.txt)"
    command -v Xvfb >/dev/null 2>&1 || apt_install xvfb xauth ||
        say "no Xvfb: the tests draw windows off screen"
    if ! command -v ogrinfo >/dev/null 2>&1 || ! command -v pdftotext >/dev/null 2>&1; then
        apt_install gdal-bin poppler-utils || say "no ogrinfo or pdftotext: no other program reads our files back"
    fi
else
    $pip install -c constraints.txt -e .
fi
