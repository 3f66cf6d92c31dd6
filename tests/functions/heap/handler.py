"""A heap whose every page is known, and ways to use it while parts of it are still on disk."""
import mmap
import os
import random

PAGE = mmap.PAGESIZE
heap = None
changes = {}  # how often each page was


def content(number):
    seed = number + (changes.get(number, 0) << 32)
    return random.Random(seed).randbytes(PAGE)  # of which an image has all bytes


def page(number):
    return heap[number * PAGE:(number + 1) * PAGE]


def wrong(numbers):
    return [number for number in numbers if page(number) != content(number)][:10]


def in_child(numbers):
    """What a forked process finds wrong, while its parent goes on."""
    child = os.fork()
    if child == 0:
        os._exit(1 if wrong(numbers) else 0)
    mine = wrong(numbers)
    return mine or os.waitpid(child, 0)[1]


def handler(event, context):
    global heap
    what, pages = event["what"], event.get("pages", 0)
    if what == "fill":
        heap = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for number in range(pages):
            heap[number * PAGE:(number + 1) * PAGE] = content(number)
        return pages
    if heap is None:
        return "empty"
    everything = range(len(heap) // PAGE)
    if what == "look":
        return wrong(event["numbers"])
    if what == "check":
        return wrong(everything)
    if what == "change":
        for number in event["numbers"]:
            changes[number] = changes.get(number, 0) + 1
            heap[number * PAGE:(number + 1) * PAGE] = content(number)
        return len(event["numbers"])
    if what == "fork":
        return in_child(everything)
    if what == "move":  # mremap(2), most likely to another place
        pages = len(everything)
        heap.resize(2 * pages * PAGE)
        found = wrong(range(pages))
        if any(heap[pages * PAGE:]):
            found.append(pages)
        heap.resize(pages * PAGE)
        return found
    if what == "drop":  # what is given back is zeros, on disk or not
        half = len(everything) // 2
        heap.madvise(mmap.MADV_DONTNEED, half * PAGE, half * PAGE)
        found = wrong(range(half))
        if any(heap[half * PAGE:]):
            found.append(half)
        for number in everything[half:]:
            heap[number * PAGE:(number + 1) * PAGE] = content(number)
        return found
    raise ValueError(what)
