"""Waits, in each of the ways in which a function waits for something far away."""
import http.client
import socket
import time


def timer(event, context):
    """Until a moment of the clock on the wall; how late it is then."""
    time.sleep(max(0, event["due"] - time.time()))
    return time.time() - event["due"]


def mqtt(event, context):
    """Subscribes to a topic (MQTT 3.1.1) and waits for a message."""
    with socket.create_connection((event["host"], event["port"]), 10) as broker:
        broker.settimeout(None)
        name = event["name"].encode()
        # CONNECT, clean session, no keep-alive; CONNACK.
        head = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
        broker.sendall(bytes([0x10, len(head)]) + head)
        broker.recv(4)
        # SUBSCRIBE to the topic of this name, quality 0; SUBACK.
        topic = b"\x00\x01" + len(name).to_bytes(2, "big") + name + b"\x00"
        broker.sendall(bytes([0x82, len(topic)]) + topic)
        broker.recv(5)
        return broker.recv(4096).decode(errors="replace")


def poll(event, context):
    """An HTTP request that is answered in its own time."""
    peer = http.client.HTTPConnection(event["host"], event["port"])
    peer.request("GET", "/")
    return peer.getresponse().read().decode()
