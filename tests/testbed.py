"""A site on one machine: nodes in namespaces of their own, and a wire between them.

    with Bed(nodes=3, rate="1gbit", delay="1ms") as bed:
        a = bed.node("a").start()      # a harness.Node that runs in there
        bed.cut("a", "b")
        bed.kill("b")                  # the power fails
        bed.boot("b")                  # and comes back: same address, same disk

docs/testbed.md tells what it does and what it cannot. Everything ends with this program, also when
that is killed; a guardian then clears the files.
"""
import atexit
import http.client
import os
import pathlib
import secrets
import socket
import string
import subprocess
import sys

import harness
from place import Place
from wire import Wire

NET = "10.77.0"  # of all who are on the wire
LAN = "10.78"  # behind the router of node N: 10.78.N.0/24
ETCD = "etcd"
PORT = 9000  # where a node serves
NATS = ("none", "cone", "symmetric")

_beds = []


class Bed:
    """`nodes`: how many, called a, b, c, …, or their names. `nat`: each node behind a router.
    `limits`: rate, delay, jitter, loss, queue and seed of each path, as tools/testbed/limits.h
    has them."""

    def __init__(self, nodes=2, nat="none", mtu=1500, ident=None, **limits):
        if nat not in NATS:
            raise ValueError(f"cannot use NAT '{nat}': no such kind ({', '.join(NATS)})")
        self.names = list(string.ascii_lowercase[:nodes] if isinstance(nodes, int) else nodes)
        self.ident = ident or secrets.token_hex(3)
        self.nat, self.mtu = nat, mtu
        self.limits = {key: value for key, value in limits.items() if value is not None}
        self.places, self.routers, self.homes, self.nodes = {}, {}, {}, {}
        self.engine = None
        self._guardian = subprocess.Popen(
            [sys.executable, "-B", __file__, "--guard"], stdin=subprocess.PIPE, text=True,
            start_new_session=True)
        _beds.append(self)
        try:
            self.wire = Wire()
            self.home = self._new_home()
            (self.home / "hosts").write_text("127.0.0.1 localhost\n" + "".join(
                f"{self.address(name)} {name}\n" for name in (*self.names, ETCD)),
                encoding="ascii")
            for name in self.names:
                self.homes[name] = self._new_home()
                self._plug_in(name)
        except BaseException:
            self.down()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.down()

    def _new_home(self):
        home = harness.new_home()
        self._guardian.stdin.write(f"{home}\n")
        self._guardian.stdin.flush()
        return home

    # Its wire.

    def address(self, name):
        """Where others reach it: its router, if it is behind one."""
        return f"{NET}.{200 if name == ETCD else self.names.index(name) + 1}"

    def own_address(self, name):
        """What the node itself has."""
        if self.nat == "none" or name == ETCD:
            return self.address(name)
        return f"{LAN}.{self.names.index(name) + 1}.2"

    def _plug_in(self, name):
        files = {"/etc/hosts": self.home / "hosts"}
        place = self.places[name] = Place(f"gw-{self.ident}-{name}", files)
        routed = self.nat != "none" and name != ETCD
        device = "wan" if routed else "eth0"
        outer = place
        if routed:
            outer = self.routers[name] = Place(f"gw-{self.ident}-{name}-nat")
        self.wire.tell(f"port {name} {outer.network_path} {device}")
        outer.ok(f"ip link set {device} mtu {self.mtu} txqueuelen 10000 up")
        outer.ok(f"ip address add {self.address(name)}/24 dev {device}")
        if routed:
            self._route(name, outer, place)
        if self.limits:
            for other in self.places:
                if other != name:
                    self.set(name, other, **self.limits)

    def _route(self, name, router, place):
        lan = self.own_address(name).rsplit(".", 1)[0]
        space = os.open(place.network_path, os.O_RDONLY)
        try:
            router.ok(f"ip link add lan type veth peer name eth0 netns /proc/self/fd/{space}",
                      pass_fds=[space])
        finally:
            os.close(space)
        router.ok(f"ip address add {lan}.1/24 dev lan")
        router.ok(f"ip link set lan mtu {self.mtu} up")
        router.ok("sysctl -qw net.ipv4.ip_forward=1")
        place.ok(f"ip address add {lan}.2/24 dev eth0")
        place.ok(f"ip link set eth0 mtu {self.mtu} up")
        place.ok(f"ip route add default via {lan}.1")
        kind = "masquerade" if self.nat == "cone" else "masquerade fully-random"
        # What nobody asked for is dropped before connection tracking remembers it: its memory of it
        # would take the port that a punched hole needs.
        router.run(["nft", "-f", "-"], check=True, text=True, input=f"""
            table ip nat {{
              chain out {{ type nat hook postrouting priority srcnat;
                           oifname "wan" {kind}; }}
              chain in  {{ type nat hook prerouting priority dstnat; }}
            }}
            table ip wall {{
              chain through {{ type filter hook forward priority filter; policy drop;
                               iifname "lan" accept;
                               ct state established,related accept;
                               ct status dnat accept; }}
              chain to      {{ type filter hook input priority filter; policy accept;
                               iifname "wan" ct state new drop; }}
            }}""")

    def forward(self, name, port, protocol="tcp"):
        """Lets others reach a port of a node that is behind a router, at the router's address."""
        self.routers[name].ok(f"nft add rule ip nat in iifname wan {protocol} dport {port} "
                              f"dnat to {self.own_address(name)}")

    def set(self, *ends, **limits):
        """Of the paths between two, of all of one, or of all: set("a", "b", rate="10mbit")."""
        words = " ".join(f"{key}={value}" for key, value in limits.items())
        self.wire.tell(f"set {','.join(ends) or '*'} {words}")

    def cut(self, *ends):
        self.wire.tell(f"cut {','.join(ends) or '*'}")

    def heal(self, *ends):
        self.wire.tell(f"heal {','.join(ends) or '*'}")

    def stats(self, sender, receiver):
        return self.wire.stats()[sender, receiver]

    # Its nodes.

    def node(self, name, *flags):
        """The `godwit node` of `name`, on its disk. It is started and ended as any other."""
        if name not in self.nodes:
            self.nodes[name] = Node(self, name, *flags)
        return self.nodes[name]

    def kill(self, name):
        """The power of a machine fails: its processes, sockets and devices are gone, what it had on
        its way is lost, its disk stays."""
        self.wire.tell(f"drop {name}")
        self._switch_off(name)

    def _switch_off(self, name):
        # Whom a control group of version 1 holds frozen dies when it is let go.
        self.places.pop(name).close(lambda: harness.thaw(self.homes.get(name, self.home)))
        if name in self.routers:
            self.routers.pop(name).close()

    def boot(self, name):
        """It comes back, with nothing running. All its paths are whole, with the bed's limits."""
        self._plug_in(name)

    def etcd(self, *flags):
        """An etcd in a place of its own, called etcd, on paths of its own; started with the first
        call."""
        if self.engine is None:
            self._plug_in(ETCD)
            self.engine = Etcd(self, *flags)
            self.engine.start()
        return self.engine

    def down(self):
        if self in _beds:
            _beds.remove(self)
        else:
            return
        for node in list(self.nodes.values()):
            node.close()
        for name in list(self.places):
            self._switch_off(name)
        if hasattr(self, "wire"):
            self.wire.close()
        self._guardian.stdin.close()  # it removes what is left
        self._guardian.wait()


class Node(harness.Node):
    """A harness.Node whose programs and connections are in a place of a bed."""

    def __init__(self, bed, name, *flags):
        super().__init__(*flags, home=bed.homes[name])
        self.bed, self.name = bed, name
        self.address = bed.own_address(name)

    @property
    def place(self):
        return self.bed.places.get(self.name)

    def skew(self, seconds):
        """From its next start on, its clock is wrong by so much (src/base/clock.cc)."""
        self.variables["GODWIT_CLOCK_SKEW"] = str(seconds)

    def launch(self, *flags, **options):
        options.setdefault("listen", f"{self.address}:{PORT}")
        super().launch(*flags, **options)

    def spawn(self, argv, **options):
        return self.place.popen(argv, **options)

    def run(self, argv, **options):
        return harness.run(argv, runner=self.place.run, **options)

    def connection(self, timeout):
        host, port = self.endpoint.removeprefix("http://").rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        connection.sock = self.place.inside(socket.create_connection, (host, int(port)), timeout)
        return connection


class Etcd:
    """Debian's etcd, alone, without TLS unless flags ask for it."""

    def __init__(self, bed, *flags):
        self.bed, self.flags = bed, flags
        self.address = f"{bed.address(ETCD)}:2379"
        self.url = f"etcd://{self.address}"
        self.data = bed.home / "etcd"
        self.log_path = bed.home / "etcd.log"
        self.process = None

    def start(self):
        place = self.bed.places[ETCD]
        with open(self.log_path, "ab") as log:
            self.process = place.popen(
                ["/usr/bin/etcd", "--name", "bed", "--data-dir", str(self.data),
                 "--listen-client-urls", f"http://{self.address}",
                 "--advertise-client-urls", f"http://{self.address}",
                 "--listen-peer-urls", "http://127.0.0.1:2380",
                 "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
                 "--initial-cluster", "bed=http://127.0.0.1:2380", *self.flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=harness.environment())
        harness.eventually(lambda: self.process.poll() is not None or self.healthy(), 60,
                           "the start of etcd")
        if self.process.poll() is not None:
            raise AssertionError(f"etcd ended: {self.log_path.read_text(encoding='utf-8')}")

    def healthy(self):
        place = self.bed.places[ETCD]
        try:
            with place.inside(socket.create_connection, tuple(self.address.split(":")), 2) as sock:
                connection = http.client.HTTPConnection(self.address)
                connection.sock = sock
                connection.request("GET", "/health")
                return b'"true"' in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False

    def kill9(self):
        self.process.kill()
        self.process.wait()


def _guard():
    """Waits for the end of the bed's program, and removes the homes that it named."""
    homes = [pathlib.Path(line.rstrip("\n")) for line in sys.stdin]
    for home in homes:
        try:
            if home.exists():
                harness.remove_home(home)
        except (OSError, AssertionError) as error:
            print(f"testbed: cannot remove '{home}': {error} (remove it)", file=sys.stderr)


def _all_down():
    for bed in list(_beds):
        bed.down()


if __name__ == "__main__" and sys.argv[1:] == ["--guard"]:
    _guard()
else:
    atexit.register(_all_down)
