"""Stop, pause and progress: answered at once, kept to, and told in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chunkstore.cancel import Cancel, Interrupted
from chunkstore.clock import SystemClock
from chunkstore.store import Fetched, ObjectStore
from chunkstore.wrappers.forward import ForwardingStore
from client.work import Brake, run_aside, run_tasks
from manifest.events import Collector, Event, Phase, Progress
from tests.kit.game import Entry, noise
from tests.kit.rig import Player, Rig

TREE = {f"data/{n:02}.pak": Entry(noise(4000, n)) for n in range(20)}
CLOCK = SystemClock()
AT_ONCE = 0.5
"""Seconds; the promise is a quarter, the machine that tests is shared."""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A build in many frames, each a request of its own."""
    monkeypatch.setattr("publisher.pipeline.GROUP_RAW", 2000)
    monkeypatch.setattr("delta.fetching.MAX_GAP", 0)
    monkeypatch.setattr("delta.fetching.MAX_RANGE", 2000)
    rig = Rig(tmp_path)
    rig.publish(TREE)
    return rig


class Gate(ForwardingStore):
    """Answers the first `free` requests of one verb; the others wait until the gate is opened."""

    def __init__(self, inner: ObjectStore, verb: str, *, free: int) -> None:
        super().__init__(inner)
        self._verb = verb
        self._free = free
        self._lock = threading.Lock()
        self.asked = 0
        self.reached = threading.Event()
        self.opened = threading.Event()

    def get(self, key: str, *, limit: int) -> Fetched:
        self.passes("get")
        return super().get(key, limit=limit)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        self.passes("get_range")
        return super().get_range(key, offset, length)

    def passes(self, verb: str) -> None:
        """Returns when a call of this verb may go on."""
        if verb != self._verb:
            return
        with self._lock:
            self.asked += 1
            waits = self.asked > self._free
        if waits:
            self.reached.set()
            assert self.opened.wait(30)


@pytest.fixture
def gate(rig: Rig) -> Iterator[Callable[..., Gate]]:
    """Gates that are opened in the end, whatever happens; and no thread is left behind for good."""
    gates: list[Gate] = []

    def make(verb: str, *, free: int) -> Gate:
        gates.append(Gate(rig.store, verb, free=free))
        return gates[-1]

    yield make
    for each in gates:
        each.opened.set()
    no_worker_is_left()


def no_worker_is_left() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("work-"):
            thread.join(10)
            assert not thread.is_alive()


class Stopwatch:
    """Asks to stop as soon as the gate is reached, and notes when."""

    def __init__(self, player: Player, gate: Gate) -> None:
        self.asked_at = 0.0

        def stop() -> None:
            assert gate.reached.wait(30)
            self.asked_at = CLOCK.monotonic()
            player.cancel.request()

        self._thread = threading.Thread(target=stop)
        self._thread.start()

    def elapsed(self) -> float:
        self._thread.join()
        return CLOCK.monotonic() - self.asked_at


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_a_stop_is_answered_while_the_store_is_slow(rig: Rig, gate: Callable[..., Gate]) -> None:
    """Nothing is asked for, written or told afterwards, even when the slow answers come in the end."""
    slow = gate("get_range", free=7)
    told = Collector()
    player = rig.player(store=slow, threads=3, sink=told)
    watch = Stopwatch(player, slow)
    with pytest.raises(Interrupted):
        player.install()
    assert watch.elapsed() < AT_ONCE
    asked, events = slow.asked, len(told.events)
    staged = contents_of(player.root / ".lading" / "staging")
    assert player.tree() == {}
    assert player.status().state == "interrupted"

    slow.opened.set()
    no_worker_is_left()
    assert (slow.asked, len(told.events)) == (asked, events)
    assert contents_of(player.root / ".lading" / "staging") == staged

    again = rig.player()
    again.install()
    assert again.tree() == TREE
    assert again.content.received_bytes < sum(len(entry.data or b"") for entry in TREE.values())


@pytest.mark.parametrize("free", range(7))
def test_a_stop_is_answered_while_metadata_is_slow(rig: Rig, gate: Callable[..., Gate], free: int) -> None:
    """Timestamp, first root, next root, bundle, manifest, head, placement: at each of them."""
    slow = gate("get", free=free)
    told = Collector()
    player = rig.player(store=slow, sink=told)
    watch = Stopwatch(player, slow)
    with pytest.raises(Interrupted):
        player.install()
    assert watch.elapsed() < AT_ONCE
    assert player.tree() == {}
    events = len(told.events)
    slow.opened.set()
    no_worker_is_left()
    assert len(told.events) == events


def test_a_stop_is_answered_while_the_disk_is_slow(
    rig: Rig, gate: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making gigabytes durable takes seconds; the tree is still the old one then."""
    slow = gate("sync", free=0)
    monkeypatch.setattr("client.journey.sync_files", lambda _: slow.passes("sync"))
    player = rig.player(store=slow)
    watch = Stopwatch(player, slow)
    with pytest.raises(Interrupted):
        player.install()
    assert watch.elapsed() < AT_ONCE
    assert player.tree() == {}


def test_a_pause_begins_nothing_new_and_ends(rig: Rig, gate: Callable[..., Gate]) -> None:
    """What is in flight ends, nothing else begins; resumed, it goes on to the end."""
    slow = gate("get_range", free=3)
    player = rig.player(store=slow, threads=2)
    run = threading.Thread(target=player.install)
    run.start()
    assert slow.reached.wait(30)
    player.brake.pause()
    slow.opened.set()
    CLOCK.sleep(0.3)
    assert player.brake.paused
    assert slow.asked <= 3 + 2
    assert run.is_alive()
    player.brake.resume()
    run.join(30)
    assert player.tree() == TREE


def test_a_pause_can_be_stopped(rig: Rig) -> None:
    player = rig.player()
    player.brake.pause()
    threading.Timer(0.05, player.cancel.request).start()
    began = CLOCK.monotonic()
    with pytest.raises(Interrupted):
        player.install()
    assert CLOCK.monotonic() - began < AT_ONCE + 0.05


class SlowSink(Collector):
    """A reader that takes its time: whoever does not wait for his turn overtakes."""

    def emit(self, event: Event) -> None:
        CLOCK.sleep(0.001)
        super().emit(event)


def test_progress_never_goes_back_and_ends_at_its_total(rig: Rig) -> None:
    """In every phase that has a total, from however many threads."""
    told = SlowSink()
    player = rig.player(threads=4, sink=told)
    player.install()
    rig.publish({**TREE, "data/00.pak": Entry((TREE["data/00.pak"].data or b"") * 3), "copy": TREE["data/01.pak"]})
    player.update()
    player.verify()
    player.verify(full=True)
    phases = by_phase(told.events)
    assert [name for name, _, _ in phases].count("fetch") == 2
    assert [name for name, _, _ in phases].count("verify") == 2
    for name, total, steps in phases:
        done = [step.done for step in steps]
        assert done == sorted(done), name
        assert all(step.saved <= step.done for step in steps)
        if total:
            assert (done[-1], {step.total for step in steps}) == (total, {total})
    saved = [steps[-1].saved for name, _, steps in phases if name == "fetch"]
    assert saved[0] == 0 < saved[1]


def by_phase(events: list[Event]) -> list[tuple[str, int | None, list[Progress]]]:
    phases: list[tuple[str, int | None, list[Progress]]] = []
    for event in events:
        if isinstance(event, Phase):
            phases.append((event.name, event.total_bytes, []))
        elif isinstance(event, Progress):
            phases[-1][2].append(event)
    return phases


def test_the_first_failure_stops_the_crew() -> None:
    """The others end what they are at and begin nothing more."""
    begun: list[int] = []

    def work(task: int) -> None:
        begun.append(task)
        if task == 3:
            raise ValueError("task 3")

    with pytest.raises(ValueError, match="task 3"):
        run_tasks(range(1000), work, threads=2, cancel=Cancel(), brake=Brake())
    assert len(begun) < 1000


def test_work_aside_returns_what_it_found() -> None:
    assert run_aside(lambda: 42, cancel=Cancel(), brake=Brake()) == 42
