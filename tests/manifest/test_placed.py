"""The way from a manifest to its placement, and what a hostile head must not achieve on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chunkstore.columns import ids_column
from chunkstore.ids import digest_of
from chunkstore.placements import Placement, encode_placement, largest_payload
from chunkstore.store import ObjectReader
from chunkstore.stores.memory import MemoryStore
from manifest.bare import BareRegistry
from manifest.heads import BadHead, Head
from manifest.model import Manifest
from manifest.payload import encode_manifest
from manifest.placed import read_placement
from tests.kit.builds import SAMPLE_TREE, pack_build
from tests.kit.clock import FakeClock
from tests.kit.signed import registry_of


@pytest.fixture
def built() -> tuple[BareRegistry, str, Manifest, Head]:
    registry = registry_of(MemoryStore(FakeClock()), Path("nowhere"), FakeClock())
    build = pack_build(SAMPLE_TREE)
    payload = encode_placement(build.placement, build.manifest.chunk_sizes)
    name = registry.put_manifest("toy", encode_manifest(build.manifest))
    head = Head(bytes.fromhex(registry.put_placement("toy", payload)), len(payload))
    registry.change_head("toy", name, lambda _: head)
    return registry, name, build.manifest, head


def test_every_chunk_of_the_manifest_is_placed(built: tuple[BareRegistry, str, Manifest, Head]) -> None:
    registry, name, manifest, head = built
    assert len(read_placement(registry, "toy", name, manifest).chunk_frame) == len(manifest.chunk_ids)
    assert len(read_placement(registry, "toy", name, manifest, head).chunk_frame) == len(manifest.chunk_ids)


def test_a_head_cannot_ask_for_more_memory_than_the_manifest_can_need(
    built: tuple[BareRegistry, str, Manifest, Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, name, manifest, head = built
    greedy = replace(head, placement_size=largest_payload(len(manifest.chunk_ids)) + 1)
    monkeypatch.setattr(MemoryStore, "get", _not_asked)
    with pytest.raises(BadHead):
        read_placement(registry, "toy", name, manifest, greedy)


def _not_asked(_: ObjectReader, key: str, *, limit: int) -> None:
    raise AssertionError(f"{key} was asked for, up to {limit} bytes")


@pytest.mark.parametrize("chunks", [0, 1, 1000])
def test_every_chunk_in_a_frame_and_a_pack_of_its_own_still_fits(chunks: int) -> None:
    rows, sizes = np.arange(chunks, dtype="<u4"), np.full(chunks, 4096, dtype="<u4")
    scattered = Placement(
        packs=ids_column(b"".join(digest_of(row.tobytes()) for row in rows)),
        frame_pack=rows,
        frame_offset=rows,
        frame_stored=sizes,
        frame_raw=sizes,
        frame_kind=np.ones(chunks, dtype="|u1"),
        chunk_frame=rows,
        chunk_offset=np.zeros(chunks, dtype="<u4"),
    )
    assert len(encode_placement(scattered, sizes)) <= largest_payload(chunks)
