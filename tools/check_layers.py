#!/usr/bin/env python3
"""The floors of src/: which folder may include which.

    tools/check_layers.py [ROOT]

Reads each `#include "folder/file.h"` and refuses an arrow that climbs or that crosses between
mechanisms. Tests may include anything.
"""
import re
import sys

import repository

SUBSTRATE = {"base", "storage", "http"}
MECHANISMS = {"images", "sandbox", "docker", "network", "checkpoint"}
MAY_KNOW = {
    "base": set(),
    "storage": {"base"},
    "http": {"base"},
    "images": SUBSTRATE,
    "sandbox": SUBSTRATE,
    "docker": SUBSTRATE | {"sandbox"},
    "network": SUBSTRATE,
    "checkpoint": SUBSTRATE,
    "placement": {"base"},
    "functions": SUBSTRATE | MECHANISMS | {"placement"},
    "sites": SUBSTRATE | {"placement", "checkpoint", "functions"},
    "aws": SUBSTRATE | MECHANISMS | {"placement", "functions"},
    "admin": SUBSTRATE | MECHANISMS | {"placement", "functions"},
    "cli": SUBSTRATE,
    "node": SUBSTRATE | MECHANISMS | {"placement", "functions", "sites", "aws", "admin", "cli"},
}
INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')
WAY_OUT = "move it to the floor that both stand on; ARCHITECTURE.md has the floors"


def faults_of(path, lines):
    folder = path.split("/")[1]
    if folder not in MAY_KNOW:
        yield path, f"'{folder}/' has no floor", "give it one in tools/check_layers.py"
        return
    for number, line in lines:
        found = INCLUDE.match(line)
        if not found:
            continue
        place, target = f"{path}:{number}", found.group(1)
        known = target.split("/")[0]
        if target.endswith(".pb.h") and known == folder:
            continue
        if known not in MAY_KNOW:
            yield place, f"'{target}' names no folder of src/", 'write "folder/file.h"'
        elif known != folder and known not in MAY_KNOW[folder]:
            yield place, f"'{folder}/' may not know '{known}/'", WAY_OUT


def main(root):
    sources = [
        path
        for path in repository.files(root, ".h", ".cc")
        if path.startswith("src/") and not path.endswith("_test.cc")
    ]
    faults = [fault for path in sources for fault in faults_of(path, repository.lines(root, path))]
    repository.report("check_layers", faults, f"{len(sources)} files keep to their floors")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else repository.ROOT)
