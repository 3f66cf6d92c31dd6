"""The files of the repository, for the checks beside this module."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NOT_OURS = {".git", "build", "node_modules", "__pycache__", "corpus"}


def files(root, *suffixes):
    """Paths below `root`, relative to it and sorted, whose names end in one of `suffixes`."""
    found = []
    for directory, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        for name in names:
            if name.endswith(suffixes):
                found.append(os.path.relpath(os.path.join(directory, name), root))
    return sorted(found)


def lines(root, path):
    """Pairs of line number and line, without its end."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return list(enumerate(file.read().split("\n"), 1))


def report(check, faults, seen):
    """Prints faults, triples of place, reason and way out, and ends the program."""
    for place, reason, way_out in faults:
        print(f"{check}: cannot pass '{place}': {reason} ({way_out})", file=sys.stderr)
    if not faults:
        print(f"{check}: {seen}", flush=True)
    sys.exit(1 if faults else 0)
