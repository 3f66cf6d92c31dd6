"""A heap of so many MiB, every other page of which cannot be compressed, and a look at it."""
import os
import zlib

PAGE = 4096
PAGES = 256  # in a MiB
heap = bytearray()


def fill(size):
    for page in range(size * PAGES):
        line = b"page %d of a heap of %d MiB; " % (page, size)
        content = os.urandom(PAGE) if page % 2 else (line * (PAGE // len(line) + 1))[:PAGE]
        heap[page * PAGE:(page + 1) * PAGE] = content


def handler(event, context):
    """Fills the heap, or sums all of it up, or answers from one page at each end and between."""
    global heap
    if "mib" in event:
        heap = bytearray(event["mib"] << 20)
        fill(event["mib"])
    if event.get("whole") or "mib" in event:
        return zlib.crc32(heap)
    middle = len(heap) // 2
    return zlib.crc32(heap[:16] + heap[middle:middle + 16] + heap[-16:])
