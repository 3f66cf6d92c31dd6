"""Waits for callbacks in several ways, and tells what came."""
import threading
import time

import godwit


def take(event, context):
    """As many as `count` says, after having been at work for `before` seconds."""
    end = time.monotonic() + event.get("before", 0)
    while time.monotonic() < end:
        pass
    print(f"waits: {context.aws_request_id}")
    taken = []
    for _ in range(event.get("count", 1)):
        taken.append(godwit.wait_for_callback())
        print(f"took {taken[-1]}")
    return {"taken": taken, "at": time.time(), "attempt": context.attempt}


def gives_up(event, context):
    """Waits no longer than `seconds`; then for the one that comes later."""
    begun = time.time()
    try:
        return {"taken": godwit.wait_for_callback(timeout=event["seconds"])}
    except TimeoutError:
        waited = time.time() - begun
    print("gave up")
    return {"waited": waited, "taken": godwit.wait_for_callback()}


def threads(event, context):
    """Several threads at once: each callback is for one of them."""
    taken = []

    def wait():
        taken.append(godwit.wait_for_callback())

    all_of_them = [threading.Thread(target=wait) for _ in range(event["threads"])]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()
    return {"taken": sorted(taken)}


_ends = []


def leaves_one_waiting(event, context):
    """Answers while a thread of it waits still; a later call tells how that ended."""
    def wait():
        try:
            _ends.append(godwit.wait_for_callback())
        except RuntimeError as error:
            _ends.append(str(error))

    before = list(_ends)
    if event.get("wait"):
        threading.Thread(target=wait).start()
        time.sleep(0.1)
    return before
