"""What the program publishes is read back by somebody who knows nothing but `docs/format.md`."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

import pytest
from blake3 import blake3

from chunkstore.stores.folder import FolderStore
from client.resolve import rolled_out
from manifest.documents import Channel
from tests.golden import independent_cutter, independent_reader, independent_trust
from tests.golden.independent_cutter import cut
from tests.golden.independent_reader import (
    Head,
    Manifest,
    Place,
    Store,
    apply_diff,
    digest,
    open_container,
    read_frame,
    read_head,
    read_manifest,
    read_pack,
    read_placement,
    write_manifest,
)
from tests.golden.independent_trust import Broken, Game
from tests.kit.clock import FakeClock
from tests.kit.game import Entry, noise, write_tree
from tests.kit.published import GAME, Published
from tests.kit.rig import Rig
from tests.kit.trees import assert_same_tree

VOICES = {f"voices/{tongue}/{name}.ogg": Entry(noise(5_000, tongue, name)) for tongue in ("de", "en") for name in "ab"}
TAGS = [("voices/de/", "de"), ("voices/", "voices")]
PAK = noise(60_000, "a pak")


@dataclass(frozen=True)
class Depot:
    payload: bytes
    manifest: Manifest
    head: Head
    places: Sequence[Place]


@dataclass(frozen=True)
class Case:
    """A store, who signed it, and for each build of its game a folder that is equal to it."""

    folder: Path
    state: Path
    sources: dict[int, Path]

    @property
    def store(self) -> Store:
        """The store at the moment at which the tests' clocks stand."""
        return Store(self.folder, FakeClock().now() + 1_000)

    @property
    def pin(self) -> str:
        """What the publisher says of the first root."""
        (pin,) = (file.read_text() for file in self.state.glob(f"*/keys/{GAME}/pin"))
        return pin

    @property
    def game(self) -> Game:
        """Builds and channels, verified."""
        return self.store.game(GAME, self.pin)

    def depots(self) -> Iterator[Depot]:
        """Each distinct manifest, with what its head leads to."""
        store, builds = self.store, self.game.builds.values()
        for ref in {ref["manifest"]: ref for build in builds for ref in build["depots"].values()}.values():
            payload = store.manifest(GAME, ref["manifest"], ref["payload_size"])
            head, manifest = store.head(GAME, ref["manifest"]), read_manifest(payload)
            places = read_placement(store.placement(GAME, head), [chunk.size for chunk in manifest.chunks])
            yield Depot(payload, manifest, head, places)


def builds_in_depots(folder: Path) -> Case:
    """Three builds of two depots, with tags that come later and small chunks, so that diffs have much to tell."""
    rig = Rig(folder, store=FolderStore(folder / "store"))
    main = {
        "data.pak": Entry(PAK),
        "game": Entry(b"#!/bin/sh\n", executable=True),
        "latest": Entry(target="game"),
        "levels.csv": Entry(b"".join(b"%d,%d\n" % (row, row * row) for row in range(1500))),
    }
    rig.publish(main)
    rig.publish(VOICES, depot="voices", tags=TAGS[:1])
    changed = {**main, "data.pak": Entry(PAK[:30_000] + b"more" + PAK[30_000:]), "mods": Entry()}
    rig.publish(changed)
    rig.publish({**VOICES, "voices/en/c.ogg": Entry(b"c")}, depot="voices", tags=TAGS)
    trees = {1: main, 2: main | VOICES, 3: changed | VOICES, 4: changed | VOICES | {"voices/en/c.ogg": Entry(b"c")}}
    return Case(
        folder / "store",
        folder / "state",
        {number: write_tree(folder / str(number), tree) for number, tree in trees.items()},
    )


@pytest.fixture(scope="module", params=["command line", "depots"])
def case(request: pytest.FixtureRequest, three_builds: Published, tmp_path_factory: pytest.TempPathFactory) -> Case:
    if request.param == "depots":
        return builds_in_depots(tmp_path_factory.mktemp("depots"))
    sources = {build: three_builds.source(build) for build in (1, 2, 3)}
    return Case(three_builds.store, three_builds.state, sources)


def test_the_reader_knows_nothing_of_the_program() -> None:
    for module in (independent_reader, independent_cutter, independent_trust):
        tree = ast.parse(inspect.getsource(module))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        foreign = {"blake3", "cryptography", "msgpack", "zstandard"}
        known = sys.stdlib_module_names | foreign
        assert {name for name in imported if name.split(".")[0] not in known} <= {"tests.golden.independent_trust"}


def test_every_build_is_rebuilt(case: Case, tmp_path: Path) -> None:
    for number, source in case.sources.items():
        case.store.rebuild(case.game, number, tmp_path / str(number))
        assert_same_tree(tmp_path / str(number), source)


def test_channels_lead_to_builds(case: Case) -> None:
    assert case.game.channels["stable"]["build"] == case.game.newest == max(case.sources) == max(case.game.builds)
    assert case.game.scope == GAME


@pytest.mark.parametrize(
    ("rollout", "previous", "minimum"), [(10_000, 1, 0), (2_500, 1, 0), (0, 1, 1), (2_500, 1, 2), (0, 0, 0)]
)
def test_a_rollout_reaches_whom_the_page_says(rollout: int, previous: int, minimum: int) -> None:
    channel = Channel("stable", 7, 3, previous=previous, rollout=rollout, minimum=minimum)
    fields = {"build": 7, "previous": previous, "rollout": rollout, "minimum": minimum}
    ids = [noise(16, "install", number) for number in range(200)]
    assert [independent_reader.rolled_out(fields, each) for each in ids] == [rolled_out(channel, i.hex()) for i in ids]


def test_what_is_signed_by_others_is_not_believed(case: Case, tmp_path: Path) -> None:
    with pytest.raises(Broken, match="pinned"):
        case.store.game(GAME, f"sha256:{'0' * 64}")


def test_a_manifest_has_one_form(case: Case) -> None:
    for depot in case.depots():
        assert write_manifest(depot.manifest) == depot.payload


def test_every_diff_leads_to_its_manifest_and_places_what_is_new(case: Case) -> None:
    depots, led = {digest(depot.payload): depot for depot in case.depots()}, 0
    for depot in depots.values():
        chunks = depot.manifest.chunks
        for origin, _, diff, size in depot.head.diffs:
            old = depots[origin].manifest
            payload, new = apply_diff(old, case.store.diff(GAME, diff, size))
            assert payload == depot.payload
            assert new == {row: depot.places[row] for row in new}
            assert {chunks[row] for row in new} == set(chunks) - set(old.chunks)
            led += 1
    assert led >= len(depots)


def test_packs_hold_what_placements_say(case: Case) -> None:
    for depot in case.depots():
        packs = {place.pack for place in depot.places}
        held = set().union(*(read_pack(case.store.pack(GAME, pack)) for pack in packs))
        assert set(zip(depot.manifest.chunks, depot.places, strict=True)) <= held


def test_both_kinds_of_frames_are_met(case: Case) -> None:
    """Or the tests of this file would say less than they seem to."""
    assert {place.kind for depot in case.depots() for place in depot.places} == {0, 1}


def test_files_are_cut_as_the_page_says(case: Case) -> None:
    """Of one build: a byte at a time in Python is slow."""
    for ref in case.game.builds[2]["depots"].values():
        manifest = read_manifest(case.store.manifest(GAME, ref["manifest"], ref["payload_size"]))
        algorithm, *parameters = manifest.header["cut"]
        assert algorithm == "fastcdc-2020"
        sizes = iter(chunk.size for chunk in manifest.chunks)
        for entry in manifest.entries:
            if entry.chunks:
                data = (case.sources[2] / entry.path.decode()).read_bytes()
                assert list(islice(sizes, entry.chunks)) == list(cut(data, *parameters))


def golden(name: str) -> bytes:
    return (Path(__file__).parent / name).read_bytes()


def test_the_golden_files_are_read() -> None:
    """They outlive this version of the program; the page has to hold for them, too."""
    payload, placement, diff = (golden(f"{name}.payload") for name in ("manifest", "placement", "diff"))
    old, head = read_manifest(payload), read_head(golden("head.msgpack"))
    assert open_container(golden("manifest.container"), len(payload)) == payload
    assert write_manifest(old) == payload
    assert apply_diff(old, diff)[0] == golden("next.payload")
    assert len(read_placement(placement, [chunk.size for chunk in old.chunks])) == len(old.chunks)
    assert head == Head(digest(placement), len(placement), [(digest(payload), 1, digest(diff), len(diff))])


def test_the_golden_pack_is_read() -> None:
    pack = golden("pack")
    for chunk, place in read_pack(pack):
        frame = read_frame(place.kind, pack[place.offset : place.offset + place.stored], place.raw)
        assert digest(frame[place.start : place.start + chunk.size]) == chunk.id


@pytest.mark.parametrize(
    ("name", "parameters"), [("default", (32768, 8192, 131072, 2)), ("small", (256, 64, 1024, 1))], ids=str
)
def test_the_golden_buffer_is_cut_as_the_page_says(name: str, parameters: tuple[int, int, int, int]) -> None:
    ends = json.loads(golden("cuts.json"))[name]
    assert list(accumulate(cut(blake3(b"cuts").digest(length=ends[-1]), *parameters))) == ends
