"""What the program publishes is read back by somebody who knows nothing but `docs/format.md`."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

import pytest
from blake3 import blake3

from chunkstore.stores.folder import FolderStore
from tests.golden import independent_cutter, independent_reader
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
    """A store, and for each build of its game a folder that is equal to it."""

    store: Path
    sources: dict[int, Path]

    def depots(self) -> Iterator[Depot]:
        """Each distinct manifest, with what its head leads to."""
        store = Store(self.store)
        builds = store.state(GAME)["builds"]
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
    return Case(folder / "store", {number: write_tree(folder / str(number), tree) for number, tree in trees.items()})


@pytest.fixture(scope="module", params=["command line", "depots"])
def case(request: pytest.FixtureRequest, three_builds: Published, tmp_path_factory: pytest.TempPathFactory) -> Case:
    if request.param == "depots":
        return builds_in_depots(tmp_path_factory.mktemp("depots"))
    return Case(three_builds.store, {build: three_builds.source(build) for build in (1, 2, 3)})


def test_the_reader_knows_nothing_of_the_program() -> None:
    for module in (independent_reader, independent_cutter):
        tree = ast.parse(inspect.getsource(module))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        known = {"blake3", "collections", "dataclasses", "hashlib", "itertools", "json", "msgpack", "pathlib"}
        assert {name.split(".")[0] for name in imported} <= known | {"__future__", "struct", "typing", "zstandard"}


def test_every_build_is_rebuilt(case: Case, tmp_path: Path) -> None:
    for number, source in case.sources.items():
        Store(case.store).rebuild(GAME, number, tmp_path / str(number))
        assert_same_tree(tmp_path / str(number), source)


def test_a_manifest_has_one_form(case: Case) -> None:
    for depot in case.depots():
        assert write_manifest(depot.manifest) == depot.payload


def test_every_diff_leads_to_its_manifest_and_places_what_is_new(case: Case) -> None:
    depots, led = {digest(depot.payload): depot for depot in case.depots()}, 0
    for depot in depots.values():
        chunks = depot.manifest.chunks
        for origin, _, diff, size in depot.head.diffs:
            old = depots[origin].manifest
            payload, new = apply_diff(old, Store(case.store).diff(GAME, diff, size))
            assert payload == depot.payload
            assert new == {row: depot.places[row] for row in new}
            assert {chunks[row] for row in new} == set(chunks) - set(old.chunks)
            led += 1
    assert led >= len(depots)


def test_packs_hold_what_placements_say(case: Case) -> None:
    for depot in case.depots():
        packs = {place.pack for place in depot.places}
        held = set().union(*(read_pack(Store(case.store).pack(GAME, pack)) for pack in packs))
        assert set(zip(depot.manifest.chunks, depot.places, strict=True)) <= held


def test_both_kinds_of_frames_are_met(case: Case) -> None:
    """Or the tests of this file would say less than they seem to."""
    assert {place.kind for depot in case.depots() for place in depot.places} == {0, 1}


def test_files_are_cut_as_the_page_says(case: Case) -> None:
    """Of one build: a byte at a time in Python is slow."""
    store = Store(case.store)
    for ref in store.state(GAME)["builds"][1]["depots"].values():
        manifest = read_manifest(store.manifest(GAME, ref["manifest"], ref["payload_size"]))
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
