"""Answers with what it was given: the event, its environment, its context."""
import os


def handler(event, context):
    print("echo was called by", context.aws_request_id)
    return {"event": event,
            "greeting": os.environ.get("GREETING"),
            "version": context.function_version,
            "memory": context.memory_limit_in_mb,
            "client": context.client_context.custom if context.client_context else None,
            "arn": context.invoked_function_arn}


def fail(event, _):
    raise ValueError(f"no such name: {event['name']}")
