"""A site of nodes in a bed: `with Site(nodes=3) as site: site.a.invoke(...)`.

Node a makes the site, the others join it with tokens of a's, as a user would do it.
"""
import harness
import testbed

SITE_PORT = 9443


class Site:
    def __init__(self, nodes=2, flags=(), faults=None, **limits):
        """`faults`: of a node's first start, such as {"b": "705:kill"}."""
        self.bed = testbed.Bed(nodes=nodes, **limits)
        self.flags = list(flags)
        self.faults = dict(faults or {})
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        first, *others = self.bed.names
        self.etcd = self.bed.etcd()
        a = self.bed.node(first, *self.flags)
        a.run([harness.binary(), "site", "init", "--data", str(a.data), "--name", first,
               "--address", self._port(first), "--coordinator", self.etcd.url], check=True)
        a.start(fault=self.faults.get(first))
        for name in others:
            self.join(name)

    def _port(self, name):
        return f"{self.bed.address(name)}:{SITE_PORT}"

    def token(self):
        return self.bed.node(self.bed.names[0]).json("site", "token")["token"]

    def join(self, name):
        node = self.bed.node(name, *self.flags)
        node.run([harness.binary(), "site", "join", self.token(), self._port(self.bed.names[0]),
                  "--data", str(node.data), "--name", name, "--address", self._port(name)],
                 check=True)
        node.start(fault=self.faults.get(name))
        harness.eventually(
            lambda: name in {one["name"] for one in self.nodes() if one["alive"]}, 30,
            f"node '{name}' in the site")
        return node

    def nodes(self, by=None):
        return (by or self[self.bed.names[0]]).json("site", "list")["nodes"]

    def __getitem__(self, name):
        return self.bed.node(name)

    def __getattr__(self, name):
        if len(name) == 1:
            return self.bed.node(name)
        raise AttributeError(name)

    def where(self, instance):
        """The node that has it, by asking each that runs."""
        have = [name for name, node in self.bed.nodes.items()
                if node.alive() and any(one["instance"] == instance for one in node.ps())]
        return have[0] if len(have) == 1 else have

    def close(self):
        self.bed.down()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
