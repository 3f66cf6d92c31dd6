"""Starts a Python function, as the sandbox does: `python3 -u /var/runtime/bootstrap.py`.

All the rest is in godwit_runtime, which Python can keep compiled; this file is compiled at every
start.
"""
from godwit_runtime import loop

if __name__ == "__main__":
    loop.main()
