"""Waits for what somebody outside has to say, in each way that a program may."""
import http.client
import select
import socket


def stream(event, context):
    """Connects, says who it is, and answers each line with its length until `bye`."""
    with socket.create_connection((event["host"], event["port"]), 10) as peer:
        peer.settimeout(None)
        if event.get("keep_alive"):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        lines = peer.makefile("rw", newline="\n")
        lines.write(f"{event.get('name', 'here')}\n")
        lines.flush()
        heard = []
        for line in lines:
            heard.append(line.strip())
            if heard[-1] == "bye":
                break
            lines.write(f"{len(heard[-1])}\n")
            lines.flush()
        return heard


def patient(event, context):
    """As stream(), but each of its waits has an end of its own, far away."""
    with socket.create_connection((event["host"], event["port"]), 10) as peer:
        peer.sendall(b"here\n")
        heard = []
        while heard[-1:] != ["bye"]:
            select.select([peer], [], [], 3600)
            heard.append(peer.recv(2000).decode().strip())
            peer.sendall(f"{len(heard[-1])}\n".encode())
        return heard


def datagrams(event, context):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.sendto(b"here", (event["host"], event["port"]))
        select.select([own], [], [])
        return own.recv(2000).decode()


def polls(event, context):
    """An HTTP request that is answered in its own time."""
    peer = http.client.HTTPConnection(event["host"], event["port"])
    peer.request("GET", event.get("path", "/"))
    return peer.getresponse().read().decode()


def listens(event, context):
    with socket.create_server(("0.0.0.0", event["port"])) as server:
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"welcome\n")
            return peer.makefile().readline().strip()


def address(event, context):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect(("192.0.2.2", 9))
        return own.getsockname()[0]


def reaches(event, context):
    try:
        socket.create_connection((event["host"], event["port"]), 1).close()
        return True
    except OSError as error:
        return type(error).__name__


def names(event, context):
    with open("/etc/resolv.conf", encoding="ascii") as file:
        return file.read()
