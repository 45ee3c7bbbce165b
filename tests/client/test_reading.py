"""Reading single files of a build: the right bytes in order, few requests, little memory, nothing unverified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from chunkstore.frames import BadChunk
from chunkstore.store import KeyMissing
from client.reading import FileAmbiguous, FileMissing, find_file, read_file
from client.resolve import DepotContent
from delta.fetching import MAX_RANGE
from manifest.documents import DepotRef
from manifest.heads import Head
from manifest.payload import encode_manifest
from tests.kit.builds import Packed, pack_build, updates
from tests.kit.game import Entry, noise


class Shelf:
    """A registry that holds one build, and counts what is asked of its packs."""

    def __init__(self, packed: Packed) -> None:
        self.packs = {name.hex(): data for name, data in packed.packs.items()}
        self.ranges: list[int] = []

    def pack_range(self, scope: str, pack: str, offset: int, length: int) -> bytes:
        self.ranges.append(length)
        if pack not in self.packs:
            raise KeyMissing("gone", where=pack)
        data = self.packs[pack][offset : offset + length]
        assert len(data) == length
        return data


def content_of(packed: Packed) -> DepotContent:
    ref = DepotRef("0" * 64, 1, len(packed.manifest.paths), len(packed.manifest.chunk_ids), 0)
    everything = np.arange(len(packed.manifest.chunk_ids))
    return DepotContent(ref, packed.manifest, b"", everything, packed.placement)


def read(shelf: Any, packed: Packed, path: str) -> Iterator[bytes]:
    row = list(packed.manifest.paths).index(path)
    return (bytes(run.data) for run in read_file(shelf, "toy", content_of(packed), row))


@given(updates())
def test_every_file_of_every_build_can_be_read(pair: tuple[Packed, Packed]) -> None:
    for packed in pair:
        for path, entry in packed.tree.items():
            if entry.data is not None:
                assert b"".join(read(Shelf(packed), packed, path)) == entry.data


def test_neighbours_are_asked_for_together() -> None:
    packed = pack_build({"pak": Entry(noise(60_000, "pak"))})
    shelf = Shelf(packed)
    assert b"".join(read(shelf, packed, "pak")) == noise(60_000, "pak")
    assert len(shelf.ranges) == len(packed.packs)  # a range a pack
    assert max(shelf.ranges) <= MAX_RANGE


def test_a_chunk_that_is_wanted_again_and_again_costs_no_request_each() -> None:
    packed = pack_build(
        {"zeros": Entry(bytes(100_000)), "mixed": Entry(noise(3000, "x") + bytes(50_000) + noise(3000, "x"))}
    )
    for path in packed.tree:
        shelf = Shelf(packed)
        assert b"".join(read(shelf, packed, path)) == packed.tree[path].data
        assert len(shelf.ranges) == 1


def test_bytes_before_the_damage_are_right_and_none_follow() -> None:
    packed = pack_build({"pak": Entry(noise(60_000, "pak"))})
    shelf = Shelf(packed)
    last = content_of(packed).placement.pack_id(len(packed.packs) - 1).hex()
    damaged = bytearray(shelf.packs[last])
    damaged[len(damaged) // 4] ^= 1
    shelf.packs[last] = bytes(damaged)
    given_out: list[bytes] = []
    with pytest.raises(BadChunk) as caught:
        given_out.extend(read(shelf, packed, "pak"))
    got = b"".join(given_out)
    assert noise(60_000, "pak").startswith(got)
    assert last in caught.value.where


class Library:
    """A registry of manifests by name, each with an empty placement's head."""

    def __init__(self, **builds: Packed) -> None:
        self._payloads = {name: encode_manifest(packed.manifest) for name, packed in builds.items()}
        self.refs = {name: DepotRef(name, len(data), 0, 0, 0) for name, data in self._payloads.items()}
        self._builds = builds

    def manifest(self, scope: str, manifest: str, size: int) -> bytes:
        return self._payloads[manifest]

    def head(self, scope: str, manifest: str) -> Head:
        return Head(manifest.encode().ljust(32, b"\0"), 1)

    def placement(self, scope: str, placement: str, size: int) -> bytes:
        from chunkstore.placements import encode_placement

        packed = self._builds[bytes.fromhex(placement).rstrip(b"\0").decode()]
        return encode_placement(packed.placement, packed.manifest.chunk_sizes)


def test_a_file_is_found_in_whichever_depot_has_it() -> None:
    library: Any = Library(
        base=pack_build({"a": Entry(b"a"), "both": Entry(b"1"), "link": Entry(target="a"), "folder": Entry()}),
        dlc=pack_build({"both": Entry(b"2"), "z/deep": Entry(b"z")}),
    )
    assert [find_file(library, "toy", library.refs, path)[0] for path in ("a", "z/deep")] == ["base", "dlc"]
    with pytest.raises(FileAmbiguous, match="base, dlc"):
        find_file(library, "toy", library.refs, "both")
    assert find_file(library, "toy", {"dlc": library.refs["dlc"]}, "both")[0] == "dlc"
    for path in ("", "b", "z", "zz", "link", "folder"):
        with pytest.raises(FileMissing):
            find_file(library, "toy", library.refs, path)
