"""What two instances of a function have in common, and what each has of its own."""
import os
import random
import ssl
import tempfile
import time
import uuid

import godwit

print("initialised")
MARK = os.urandom(8).hex()  # made at the start, and renewed by nobody
OWN = random.Random(1)
HOOKS = []
random.random()
ssl.RAND_bytes(1)
uuid.uuid1()
tempfile.mktemp()


@godwit.before_checkpoint
def before():
    print("before the checkpoint")
    HOOKS.append("before")


@godwit.after_restore
def after():
    print("after the restore")
    HOOKS.append("after")


def status(name):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(line.split()[1:] for line in file if line.startswith(name + ":"))


def handler(event, context):
    if "seconds" in event:
        time.sleep(event["seconds"])
    with tempfile.NamedTemporaryFile() as file:
        owner = os.stat(file.name).st_uid
    return {
        "mark": MARK, "hooks": HOOKS, "init": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "uids": status("Uid"), "gids": status("Gid"), "owner": owner,
        "log_stream": [context.log_stream_name, os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]],
        "host": os.uname().nodename,
        "own": OWN.random(), "random": random.random(), "numbers": random.getrandbits(64),
        "ssl": ssl.RAND_bytes(16).hex(), "uuid1": str(uuid.uuid1()), "uuid4": str(uuid.uuid4()),
        "temporary": tempfile.mktemp(), "request": context.aws_request_id,
    }
