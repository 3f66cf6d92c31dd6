#!/usr/bin/python3
# A custom runtime (`provided`) that rests between its answer and its next question.
import http.client
import time

api = http.client.HTTPConnection("127.0.0.1", 9001)
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    call = api.getresponse()
    call.read()
    request = call.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", b'"done"')
    api.getresponse().read()
    time.sleep(3)
