"""`godwit-wire`, the relay of the test bed, and what it is told (tools/testbed/commands.h)."""
import json
import os
import pathlib
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent


def program():
    """Beside the `godwit` of the same build, unless GODWIT_WIRE names another."""
    godwit = os.environ.get("GODWIT_BINARY", str(ROOT / "build" / "dev" / "godwit"))
    return os.environ.get("GODWIT_WIRE", str(pathlib.Path(godwit).parent / "tools" / "godwit-wire"))


class Wire:
    def __init__(self):
        try:
            self.process = subprocess.Popen([program()], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True,
                                            start_new_session=True)  # no ^C at a terminal ends it
        except FileNotFoundError as error:
            raise OSError(f"cannot start '{program()}': it is not there "
                          "(cmake --build --preset dev --target godwit-wire)") from error
        self._turn = threading.Lock()

    def tell(self, command):
        """Its answer; ValueError if it is an error."""
        with self._turn:
            try:
                self.process.stdin.write(command + "\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline()
            except OSError:
                answer = ""
        kind, _, text = answer.rstrip("\n").partition(" ")
        if kind == "ok":
            return text
        raise ValueError(text or f"cannot tell the wire '{command}': it has ended")

    def stats(self):
        """The counts of each path, by (sender, receiver)."""
        return {(path["from"], path["to"]): path for path in json.loads(self.tell("stats"))}

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
