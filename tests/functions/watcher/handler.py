"""Holds an inotify watch while it waits: CRIU cannot carry that on an overlay root."""
import ctypes
import os
import time

libc = ctypes.CDLL(None, use_errno=True)


def handler(event, _context):
    watch = libc.inotify_init1(os.O_CLOEXEC)
    libc.inotify_add_watch(watch, b"/tmp", 0x100)
    time.sleep(event["seconds"])
    open("/tmp/made", "w", encoding="ascii").close()
    seen = os.read(watch, 4096)
    os.close(watch)
    return {"descriptor": watch, "seen": b"made" in seen}
