"""A start of which no template can be made, or no clone comes to life: REFUSED says which."""
import os
import tempfile

import godwit

how = os.environ["REFUSED"]
if how == "deleted file":
    kept = tempfile.TemporaryFile(dir="/tmp")
    kept.write(b"content")
    kept.flush()


@godwit.before_checkpoint
def before():
    if how == "before":
        raise RuntimeError("not in this state")


@godwit.after_restore
def after():
    if how == "after":
        raise RuntimeError("not in this life")
    if how == "exit":
        os._exit(3)


def handler(event, context):
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
