"""The load: wrk, one thread, so that the other processor is the node's.

Fails with LoadFailed if wrk is not there, or if a single request was not answered with success.
"""
import dataclasses
import json
import os
import shutil
import subprocess

from sides.failed import Failed

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "post.lua")


class LoadFailed(Failed):
    pass


@dataclasses.dataclass
class Load:
    rate: float  # requests a second
    p50_ms: float
    p99_ms: float


def is_there():
    return shutil.which("wrk") is not None


def run(url, connections, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", SCRIPT, url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def warm_up(url, connections, seconds):
    """Whatever comes of it: instances are starting."""
    run(url, connections, seconds)


def post(url, connections, seconds):
    done = run(url, connections, seconds)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not lines:
        raise LoadFailed(f"wrk {url}: {done.stdout}{done.stderr}")
    result = json.loads(lines[0].removeprefix("RESULT "))
    if result["failed"] or not result["requests"]:
        raise LoadFailed(f"{url}: {result['failed']} of {result['requests']} requests failed")
    rate = result["requests"] / (result["us"] / 1e6)
    return Load(rate, result["p50_us"] / 1e3, result["p99_us"] / 1e3)
