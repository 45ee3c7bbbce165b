"""The program makes and reads the bytes of the golden files; if one differs, a format has changed without a number."""

from __future__ import annotations

import json

import pytest

from chunkstore.compression import decompress
from chunkstore.cutting import Cutter
from chunkstore.frames import FrameKind, decode_frame, verify_run
from chunkstore.ids import digest_of
from chunkstore.packs import index_of
from chunkstore.placements import decode_placement
from delta.diff import Rows, apply_diff
from manifest.heads import decode_head
from manifest.payload import decode_manifest, encode_manifest
from tests.golden.remake import CUTS, HERE, PACKED, PAYLOADS, head, manifest, placement, stream
from tests.kit.builds import assert_same_manifest, names_of, placed_chunks


def golden(name: str) -> bytes:
    return (HERE / name).read_bytes()


@pytest.mark.parametrize("name", PAYLOADS)
def test_the_payload_is_made_as_ever_under_its_id(name: str) -> None:
    assert PAYLOADS[name]() == golden(name)
    assert digest_of(golden(name)).hex() == json.loads(golden("ids.json"))[name]


@pytest.mark.parametrize("name", CUTS)
def test_chunks_end_where_they_always_did(name: str) -> None:
    """Or the next publish of every depot would send everything again."""
    parameters, size = CUTS[name]
    assert Cutter(parameters).ends(stream("cuts", size)) == json.loads(golden("cuts.json"))[name]


@pytest.mark.parametrize(("name", "changed"), [("manifest.payload", False), ("next.payload", True)])
def test_a_manifest_is_read_as_ever(name: str, changed: bool) -> None:
    assert_same_manifest(decode_manifest(golden(name)), manifest(changed))


def test_a_container_of_an_old_encoder_is_read() -> None:
    payload = golden("manifest.payload")
    assert decompress(golden("manifest.container"), size=len(payload)) == payload


def test_a_placement_is_read_as_ever() -> None:
    sizes = manifest().chunk_sizes
    found = decode_placement(golden("placement.payload"), sizes)
    assert placed_chunks(found) == placed_chunks(placement(sizes.tolist()))


def test_a_diff_leads_where_it_always_did() -> None:
    new = manifest(changed=True)
    wanted = digest_of(golden("next.payload"))
    old, rows = decode_manifest(golden("manifest.payload")), Rows(len(new.paths), len(new.chunk_ids))
    applied = apply_diff(old, golden("diff.payload"), wanted=wanted, rows=rows)
    assert applied.payload == golden("next.payload") == encode_manifest(new)
    missing = [row for row, source in enumerate(applied.sources.tolist()) if source < 0]
    places = placed_chunks(placement(new.chunk_sizes.tolist()))
    assert placed_chunks(applied.placement) == [places[row] for row in missing]


def test_a_head_is_read_as_ever() -> None:
    assert decode_head(golden("head.msgpack")) == head()


def test_a_pack_is_read_as_ever() -> None:
    data = golden("pack")
    index = index_of(data, "pack")
    frames = zip(index.kinds.tolist(), index.offsets.tolist(), index.stored.tolist(), index.raw.tolist(), strict=True)
    assert index.kinds.tolist() == [FrameKind.RAW, FrameKind.ZSTD, FrameKind.RAW]
    for (kind, offset, stored, raw), chunks in zip(frames, PACKED, strict=True):
        found = decode_frame(kind, data[offset : offset + stored], raw)
        ids = b"".join(map(digest_of, chunks))
        assert verify_run(found, [len(chunk) for chunk in chunks], ids) is not None
    assert names_of(index.ids) == [digest_of(chunk) for chunks in PACKED for chunk in chunks]
