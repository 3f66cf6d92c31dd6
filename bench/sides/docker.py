"""The Docker Engine on a Python container: pause and unpause, which keep its memory, and checkpoint
and start from it, which do not."""
import time

from sides.comparison import compare
from sides.docker_engine import Engine, NoEngine
from sides.moves import MEMORY, RESUME, SUSPEND
from sides.plain_criu import find_criu

PATIENCE = 10  # seconds


def measure(bench):
    try:
        with Engine(bench.folder("docker"), bench.cache("docker"), find_criu()) as engine:
            engine.import_image()
            return measure_pause(bench, engine) + measure_checkpoint(bench, engine)
    except NoEngine as reason:
        return bench.left_out("Docker", str(reason))


def measure_pause(bench, engine):
    rounds = 3 if bench.quick else 20
    pause = compare(SUSPEND, "ms", ["docker pause"])
    unpause = compare(RESUME, "ms", ["docker unpause"])
    held = compare(MEMORY, "MiB", ["docker pause"])
    container = engine.start_container()
    for turn in range(-1, rounds):
        bench.progress("docker pause", turn, rounds)
        paused, memory, woken = container.pause(), container.memory_mib(), container.unpause()
        if turn < 0:
            continue
        pause.series[0].add(paused)
        unpause.series[0].add(woken)
        held.series[0].add(memory)
    engine.remove(container)
    return [pause, unpause, held]


def measure_checkpoint(bench, engine):
    """A container for each round: the Engine does not restore the same one twice."""
    rounds = 2 if bench.quick else 10
    checkpoint = compare(SUSPEND, "ms", ["docker checkpoint"])
    restore = compare(RESUME, "ms", ["docker start --checkpoint"])
    try:
        for turn in range(rounds):
            bench.progress("docker checkpoint", turn, rounds)
            container = engine.start_container()
            checkpoint.series[0].add(container.checkpoint("bench"))
            container.wait_until_stopped()
            restore.series[0].add(restored(container))
            engine.remove(container)
    except NoEngine as reason:
        bench.left_out("docker checkpoint", str(reason))
    return [part for part in (checkpoint, restore) if part.series[0].samples]


def restored(container):
    """What the restore takes that succeeds: the Engine refuses ("already exists") while containerd
    has not yet removed its own copy of the checkpoint."""
    for _ in range(PATIENCE):
        time.sleep(1)
        try:
            return container.restore("bench")
        except NoEngine as reason:
            if "already exists" not in str(reason):
                raise
    raise NoEngine("containerd does not let go of a checkpoint")
