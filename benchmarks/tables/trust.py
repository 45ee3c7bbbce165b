"""Trust: what believing a game with 200 builds of 3 depots costs, and what the other games of a registry add to it.

Requests and bytes are those of signed metadata alone. Whoever verifies does so in this process, whose imports are done.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import lading
from benchmarks.bench import Bench
from benchmarks.measure import Command, Contestant, Sample, alternate, run
from benchmarks.peers.peer import Home
from benchmarks.report import Table, kb, wall
from benchmarks.workplace import scratch
from chunkstore.wrappers.meter import MeteredStore
from manifest.keys import metadata_key
from manifest.trust.contact import Contact
from manifest.trust.pins import RegistryPin, RootPin
from manifest.trust.reading import SignedGames
from manifest.trust.roles import LIMITS, ROOT
from manifest.trust.vouching import vouch
from tests.kit.game import noise
from tests.kit.rig import GAME, Rig
from tests.kit.seasons import BUILDS, DEPOTS, publish_next, season
from tests.kit.signed import games_of

ROUNDS = 31
GAMES = 10_000
COLUMNS = ["case", "requests", "KB", "CPU ms", "wall ms", "promised"]


@dataclass(frozen=True, slots=True)
class Case:
    """What somebody does who has the trust folder `known`, or none yet. `promised` is what it may come to at most."""

    name: str
    known: Path | None
    contact: Contact
    promised: str
    work: Callable[[SignedGames], object] = lambda games: games.game(GAME)


def measure(bench: Bench) -> Table:
    with scratch(in_memory=True) as folder:
        rig = season(folder / "season")
        rows = [row(rig, case, folder, 3 if bench.quick else ROUNDS) for case in cases(rig, folder)]
    published, samples = publishing(bench, (1, 100 if bench.quick else GAMES))
    notes = [
        f"A game of {BUILDS} builds and {len(DEPOTS)} depots. Medians in one process, without imports.",
        "Publishing a small game: whole commands, imports and all.",
    ]
    return Table("trust", "What trust costs", COLUMNS, rows + published, notes, samples)


def cases(rig: Rig, folder: Path) -> list[Case]:
    """Everything that a reader meets, after the registry was brought to where it is met."""
    registry = rig.registry()
    pin = Contact(RootPin.of(rig.store.get(metadata_key(GAME, ROOT, 1), limit=LIMITS[ROOT]).data, 1))
    key = registry.pen.keyring.make_registry_key()
    vouch(registry.pen, registry.whole(GAME))
    voucher = Contact(RegistryPin(hashlib.sha256(key.public).hexdigest()))
    before, after = folder / "before", folder / "after"
    games_of(rig.store, before, rig.clock, pin).game(GAME)
    publish_next(rig, DEPOTS[0], "next")
    games_of(rig.store, after, rig.clock, pin).game(GAME)
    return [
        Case("first contact by pin", None, pin, "5 requests, 15 ms"),
        Case("first contact by voucher", None, voucher, "5 requests, 15 ms"),
        Case("update", before, pin, "4 requests, 16 KB, 15 ms"),
        Case("nothing new", after, pin, "1 request"),
        Case("a build in a bin, besides", after, pin, "", lambda games: games.build(games.game(GAME), 2)),
        Case("every build, for the first time", None, pin, "", lambda games: games.whole(GAME)),
    ]


def row(rig: Rig, case: Case, folder: Path, rounds: int) -> list[object]:
    cpu, walls = [], []
    for _ in range(rounds + 1):
        state = folder / "state"
        shutil.rmtree(state, ignore_errors=True)
        if case.known:
            shutil.copytree(case.known, state, symlinks=True)
        meter = MeteredStore(rig.store, lambda key: "")
        games = games_of(meter, state, rig.clock, case.contact)
        began, began_cpu = time.perf_counter(), time.process_time()
        case.work(games)
        cpu.append(time.process_time() - began_cpu)
        walls.append(time.perf_counter() - began)
    traffic = meter.traffic()[""]
    milliseconds = [f"{median(taken[1:]) * 1000:.1f}" for taken in (cpu, walls)]
    return [case.name, traffic.requests, kb(traffic.received_bytes), *milliseconds, case.promised]


def publishing(bench: Bench, crowds: tuple[int, ...]) -> tuple[list[list[object]], dict[str, list[Sample]]]:
    """The next publish of a small game in registries of so many games, as commands in turn; with all samples."""
    with ExitStack() as stack:
        entries = []
        for games in crowds:
            folder = stack.enter_context(scratch(in_memory=True))
            home = Home.inside(folder / "home")
            lading.create(home)
            entries.append(Contestant(f"publish in a registry of {games:,}", next_version(home, folder / "source")))
            run(entries[-1].prepare())
            crowd(home.store, games)
        runs = alternate(entries, bench.rounds)
    rows: list[list[object]] = [
        [name, "", "", f"{median(sample.cpu for sample in taken) * 1000:.0f}", f"{wall(taken) * 1000:.0f}", "the same"]
        for name, taken in runs.items()
    ]
    return rows, runs


def next_version(home: Home, source: Path) -> Callable[[], Command]:
    """A preparation that changes a folder a little before it is published."""
    versions = count(1)
    source.mkdir()
    (source / "pak").write_bytes(noise(200_000, "pak"))

    def prepare() -> Command:
        version = next(versions)
        (source / "label").write_text(f"version {version}\n")
        return lading.publish(home, source, f"v{version}")

    return prepare


def crowd(store: Path, games: int) -> None:
    """Gives a store of one game other games, by names that lead to its own files."""
    inside = [path for path in store.rglob("*") if path.is_file() and lading.GAME in path.parts]
    for number in range(1, games):
        for path in inside:
            other = Path(*(part.replace(lading.GAME, f"game-{number}") for part in path.parts))
            other.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, other)
