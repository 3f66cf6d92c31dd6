"""Takes its time, or much memory, or both, while something else happens to it."""
import os
import time

held = b""


def hold(event, context):
    global held
    held = os.urandom(1 << 20) * event.get("mb", 0)
    time.sleep(event.get("seconds", 0))
    return len(held) >> 20


def laps(event, context):
    """Waits again and again; how much time it is said to have left, after each wait."""
    left = []
    for _ in range(event["laps"]):
        time.sleep(event["seconds"])
        left.append(context.get_remaining_time_in_millis())
    return left
