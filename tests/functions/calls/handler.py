"""Runs the conformance program beside this file: {"case": NAME or "all", "seconds": N}."""
import os
import subprocess
import time


def handler(event, _context):
    done = subprocess.run(["/var/task/conformance", event["case"], str(event["seconds"])],
                          capture_output=True, text=True, check=False)
    seen = {}
    for line in done.stdout.splitlines():
        name, _, said = line.partition(" ")
        seen.setdefault(name, []).append(said)
    return {"code": done.returncode, "cases": seen, "log": done.stderr}


def last_moment(event, _context):
    """Reads what somebody writes into its pipe, and sleeps after that."""
    reader, writer = os.pipe()
    got = os.read(reader, 10).decode()
    time.sleep(event["seconds"])
    os.close(writer)
    return got
