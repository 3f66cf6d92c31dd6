"""Counts the calls of its instance: the first is a cold start."""
calls = 0


def handler(event, context):
    global calls
    calls += 1
    return calls
