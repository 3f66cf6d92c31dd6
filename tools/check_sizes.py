#!/usr/bin/env python3
"""The size of source files: one thought a file.

    tools/check_sizes.py [ROOT]

No C++ file may have more than 800 lines, half of them at most 150, nine in ten at most 450.
"""
import statistics
import sys

import repository

MOST, MEDIAN, TENTH = 800, 150, 450
WAY_OUT = "split it by concern"


def main(root):
    sizes = {
        path: len(repository.lines(root, path)) - 1
        for path in repository.files(root, ".h", ".cc")
    }
    faults = [
        (path, f"it has {size} lines, more than {MOST}", WAY_OUT)
        for path, size in sizes.items()
        if size > MOST
    ]
    ordered = sorted(sizes.values())
    median = statistics.median(ordered)
    tenth = ordered[len(ordered) * 9 // 10]
    if median > MEDIAN:
        faults.append(("src", f"the median file has {median} lines, more than {MEDIAN}", WAY_OUT))
    if tenth > TENTH:
        faults.append(("src", f"one file in ten has over {TENTH} lines", WAY_OUT))
    seen = f"{len(ordered)} files: median {median:.0f}, p90 {tenth}, largest {ordered[-1]} lines"
    repository.report("check_sizes", faults, seen)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else repository.ROOT)
