#!/bin/sh
# Builds the executable `bootstrap` into the folder DIR, or beside this script.
#   ./build.sh [DIR]
# It is linked statically, so that it needs nothing of the system it runs on.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
compiler=${CXX:-$(command -v clang++-19 || command -v g++-14 || command -v c++)}
"$compiler" -std=c++23 -O2 -Wall -Wextra -static -s -o "$out/bootstrap" "$here/handler.cc"
