"""Each handler computes, blocks in the middle of a loop with local state, computes on and returns.

The answer tells by the clock on the wall when it fell asleep and when it went on, and what the
blocking call returned.
"""
import asyncio
import os
import queue
import select
import signal
import socket
import subprocess
import threading
import time


def _around(seconds, wait):
    total, times = 0, {}
    for number in range(1, 1001):
        total += number * number
        if number == 500:
            print(f"asleep for {seconds} s with a sum of {total}")
            times["asleep"] = time.time()
            times["returned"] = wait(seconds)
            times["awake"] = time.time()
            print("awake")
    return {"sum": total, "pid": os.getpid(), **times}


def sleep(event, _):
    return _around(event["seconds"], time.sleep)


def event_wait(event, _):
    return _around(event["seconds"], threading.Event().wait)


def select_call(event, _):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quiet:
        quiet.bind(("127.0.0.1", 0))
        return _around(event["seconds"],
                       lambda seconds: [len(ready) for ready in
                                        select.select([quiet], [], [], seconds)])


def pause(event, _):
    rung = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append("alarm"))

    def wait(seconds):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        signal.pause()
        return rung
    return _around(event["seconds"], wait)


def poll(event, _):
    reader, writer = os.pipe()
    waiter = select.poll()
    waiter.register(reader, select.POLLIN)
    answer = _around(event["seconds"], lambda seconds: waiter.poll(seconds * 1000))
    os.close(reader)
    os.close(writer)
    return answer


def coroutines(event, _):
    async def both(seconds):
        return await asyncio.gather(asyncio.sleep(seconds / 2, "first"),
                                    asyncio.sleep(seconds, "second"))
    return _around(event["seconds"], lambda seconds: asyncio.run(both(seconds)))


def threads(event, _):
    """Two threads sleep, the main one waits for a queue that a third fills."""
    done = queue.Queue()

    def wait(seconds):
        workers = [threading.Thread(target=time.sleep, args=(seconds * part,))
                   for part in (0.4, 0.8)]
        workers.append(threading.Timer(seconds, done.put, ["from the timer"]))
        for worker in workers:
            worker.start()
        got = done.get(timeout=10 * seconds)
        for worker in workers:
            worker.join()
        return got
    return _around(event["seconds"], wait)


def child(event, _):
    return _around(event["seconds"],
                   lambda seconds: subprocess.run(["sleep", str(seconds)], check=True).returncode)


def sigwait(event, _):
    return _around(event["seconds"],
                   lambda seconds: signal.sigtimedwait([signal.SIGUSR1], seconds))
