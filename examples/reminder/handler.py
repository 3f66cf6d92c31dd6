"""Falls asleep in the middle of its work, and reminds of something when it wakes up.

There is nothing of Godwit in it. The sum, the loop and the stack are where Python keeps them; while
`sleep` waits, the whole process is put away, and its memory is free.
"""
import time


def handler(event, context):
    seconds = float(event.get("seconds", 20))
    total = 0
    for number in range(1, 11):
        total += number * number
        if number == 5:
            print(f"asleep for {seconds:g} s with a sum of {total}")
            slept = sleep(seconds)
            print(f"awake after {slept:.1f} s")
    return {
        "reminder": event.get("text", "stretch your wings"),
        "sum": total,
        "slept": round(slept, 1),
    }


def sleep(seconds):
    """Returns how long it took by the clock on the wall."""
    start = time.time()
    time.sleep(seconds)
    return time.time() - start
