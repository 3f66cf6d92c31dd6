#!/usr/bin/env python3
"""What every text of the repository keeps to.

    tools/check_texts.py [ROOT]

At most 100 columns (C++ is clang-format's matter; tables, links and blocks of output in Markdown
are let off), no trailing blanks, no marks of unfinished work, and no link to or mention of a file
of this repository that is not there.
"""
import os
import re
import sys

import repository

COLUMNS = 100
CODE = (".h", ".cc", ".proto", ".py", ".js", ".sh")
NARROW = (".py", ".js", ".sh")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MENTION = re.compile(r"\bdocs/[\w/.-]+\.(?:md|scd)\b")


def links_of(path, line):
    """Paths, relative to the root, that the line says are there."""
    if path.endswith(".md"):
        for target in LINK.findall(line):
            if not re.match(r"[a-z]+:", target):
                yield os.path.normpath(os.path.join(os.path.dirname(path), target))
    yield from MENTION.findall(line)


def is_narrow(path, line):
    if len(line) <= COLUMNS:
        return True
    if path.endswith(".md"):
        return "|" in line or "](" in line
    return not path.endswith(NARROW)


def faults_of(root, path):
    in_block = False
    for number, line in repository.lines(root, path):
        place = f"{path}:{number}"
        in_block ^= line.startswith("```")
        if not in_block and not is_narrow(path, line):
            yield place, f"it has {len(line)} columns", f"break it at {COLUMNS}"
        if line != line.rstrip():
            yield place, "it ends in blanks", "remove them"
        if UNFINISHED.search(line):
            yield place, "it marks unfinished work", "finish it, or open an issue"
        for target in links_of(path, line):
            if not os.path.exists(os.path.join(root, target)):
                yield place, f"there is no '{target}'", "write the page or correct the path"


def main(root):
    texts = repository.files(root, *CODE, ".md")
    faults = [fault for path in texts for fault in faults_of(root, path)]
    repository.report("check_texts", faults, f"{len(texts)} texts are in order")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else repository.ROOT)
