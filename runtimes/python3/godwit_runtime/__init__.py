"""What runs inside the sandbox of a python3 function.

    loop      start, then: next event, handler, answer
    api       the Runtime API over one kept connection
    handler   finds the function that _HANDLER names
    context   the handler's second argument
    errors    JSON out, and Lambda's error objects
    template  the start of a template, and what its clones have of their own
    logs      unbuffered output, and the format of `logging`

It imports as little as it can, because each import is paid at every cold start: `_socket` for
`socket` (3 ms), `logging` and `traceback` only when the function wants them (6 ms). It keeps one
socket and no threads, so that a checkpoint may be taken at any instant.
"""
