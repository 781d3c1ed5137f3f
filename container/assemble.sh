#!/usr/bin/env bash
# Makes the root folder of a container: the program `attend` with the libraries that it is linked to, and nothing else.
#
# Usage: container/assemble.sh PROGRAM FOLDER
set -euo pipefail
program=$1
root=$2

mkdir -p "$root"/{dev,models,proc,tmp}
# Any user may keep temporary files.
chmod 1777 "$root/tmp"
install -m 755 "$program" "$root/attend"
# Each library stays at the path at which it is looked for.
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 755 "$library" "$root$library"
done
