"""One manifest, one payload: everything else is refused, before it costs memory."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkstore.columns import NewerFormat, encode_columns, ids_column
from chunkstore.errors import LadingError
from chunkstore.ids import digest_of
from manifest.kinds import Kind
from manifest.model import BadManifest
from manifest.payload import (
    FILE_SPEC,
    MAGIC,
    VERSION,
    UnknownFeature,
    decode_manifest,
    encode_manifest,
    files_of,
    header_of,
    manifest_id,
)
from tests.kit.builds import (
    SAMPLE_TREE,
    Packed,
    assert_same_manifest,
    builds,
    manifest_of,
    pack_build,
    seeded_manifest,
)
from tests.kit.game import Entry

SPEC = {**FILE_SPEC, "chunk_sizes": ("<u4", 1), "chunk_ids": ("<u8", 4)}
TAGGED = replace(
    pack_build(SAMPLE_TREE).manifest, tags=(("de",), ("de", "en")), tag_sets=np.array([0, 2, 0, 1, 0], "<u2")
)
PAYLOAD = encode_manifest(TAGGED)


@given(builds)
def test_decoding_gives_back_what_was_encoded(build: Packed) -> None:
    payload = encode_manifest(build.manifest)
    found = decode_manifest(payload)
    assert_same_manifest(found, build.manifest)
    assert encode_manifest(found) == payload
    assert manifest_id(payload) == digest_of(payload)


@given(builds, builds)
def test_two_trees_have_one_payload_only_if_they_are_one(first: Packed, second: Packed) -> None:
    same = dict(first.tree) == dict(second.tree)
    assert (encode_manifest(first.manifest) == encode_manifest(second.manifest)) == same


def test_tags_are_kept() -> None:
    assert_same_manifest(decode_manifest(PAYLOAD), TAGGED)


def test_chunks_are_views_of_the_payload() -> None:
    found = decode_manifest(PAYLOAD)
    assert not found.chunk_ids.flags.owndata
    assert not found.chunk_sizes.flags.owndata


def test_the_size_of_a_payload_keeps_its_bound() -> None:
    """36 bytes a chunk, 90 a file, 1 KiB: what makes a build of 2 GB cost 2.3 MB of manifest."""
    for files, chunks in ((1, 2), (100, 3), (2000, 2), (3, 2000)):
        payload = encode_manifest(seeded_manifest(files, chunks))
        assert len(payload) <= 36 * files * chunks + 90 * files + 1024


@pytest.mark.parametrize("bits", [1, 0x80, 0xFF])
def test_a_changed_byte_is_refused_or_makes_another_manifest(bits: int) -> None:
    """Whatever is accepted has no second form, so no damage goes by unseen under the id."""
    for at in range(len(PAYLOAD)):
        damaged = bytearray(PAYLOAD)
        damaged[at] ^= bits
        try:
            found = decode_manifest(bytes(damaged))
        except (BadManifest, NewerFormat, UnknownFeature):
            continue
        assert encode_manifest(found) == damaged


@given(builds, st.data())
def test_a_changed_byte_of_any_manifest_is_refused_or_makes_another_one(build: Packed, draw: st.DataObject) -> None:
    damaged = bytearray(encode_manifest(build.manifest))
    for _ in range(draw.draw(st.integers(1, 3))):
        damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    try:
        found = decode_manifest(bytes(damaged))
    except (BadManifest, NewerFormat, UnknownFeature):
        return
    assert encode_manifest(found) == damaged


def test_every_truncation_and_extension_is_refused() -> None:
    for length in range(len(PAYLOAD)):
        with pytest.raises(BadManifest):
            decode_manifest(PAYLOAD[:length])
    with pytest.raises(BadManifest):
        decode_manifest(PAYLOAD + bytes(8))


ONE = manifest_of({"ab": Entry(b""), "ac": Entry(b""), "l": Entry(target="ab")}, {})


def forge(header: dict[str, Any] | None = None, **other: Any) -> bytes:
    """The payload of two empty files `ab` and `ac` and a link `l` to the first, with other columns."""
    empty = digest_of(b"")
    columns = {
        "path_shared": [0, 1, 0],
        "path_rest": [2, 1, 1],
        "path_bytes": list(b"abcl"),
        "kinds": [0, 0, Kind.LINK],
        "flags": [0, 0, 0],
        "tag_sets": [0, 0, 0],
        "chunk_counts": [0, 0, 0],
        "sizes": [0, 0, 2],
        "digests": ids_column(empty + empty + digest_of(b"ab")),
        "target_lengths": [2],
        "target_bytes": list(b"ab"),
        "chunk_sizes": [],
        "chunk_ids": ids_column(b""),
        **other,
    }
    made = [(name, np.asarray(columns[name], dtype)) for name, (dtype, _) in SPEC.items()]
    return encode_columns(MAGIC, VERSION, header_of(ONE) if header is None else header, made)


def test_the_payload_that_the_hostile_ones_differ_from() -> None:
    assert forge() == encode_manifest(ONE)


HEADER = header_of(ONE)
CUT = HEADER["cut"]
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a path that shares less than it can": lambda: forge(
        path_shared=[0, 0, 0], path_rest=[2, 2, 1], path_bytes=list(b"abacl")
    ),
    "a path that shares more than there is": lambda: forge(path_shared=[0, 3, 0], path_rest=[2, 1, 1]),
    "a first path that shares": lambda: forge(path_shared=[1, 1, 0], path_rest=[2, 1, 1]),
    "a path twice": lambda: forge(path_shared=[0, 2, 0], path_rest=[2, 0, 1], path_bytes=list(b"abl")),
    "a path that is no UTF-8": lambda: forge(path_bytes=list(b"a\xffcl")),
    "a path cut inside a character": lambda: forge(path_bytes=[0xC3, 0xA9, 0x28, ord("l")]),
    "a path that is a surrogate": lambda: forge(path_rest=[3, 1, 1], path_bytes=list(b"\xed\xa0\x80cl")),
    "an empty path": lambda: forge(path_shared=[0, 0, 0], path_rest=[0, 1, 1], path_bytes=list(b"cl")),
    "a path beyond the limit": lambda: forge(path_rest=[1025, 1, 1], path_bytes=list(b"a" * 1025 + b"cl")),
    "paths out of order": lambda: forge(path_bytes=list(b"acbl")),
    "a path out of the tree": lambda: forge(path_rest=[4, 3, 1], path_bytes=list(b"../a/acl")),
    "a path in a file": lambda: forge(path_shared=[0, 2, 0], path_rest=[2, 2, 1], path_bytes=list(b"ab/cl")),
    "too few bytes of paths": lambda: forge(path_bytes=list(b"abc")),
    "too many bytes of paths": lambda: forge(path_bytes=list(b"abcll")),
    "lengths that overflow": lambda: forge(path_rest=[65535, 65535, 6]),
    "too few paths": lambda: forge(path_shared=[0, 1], path_rest=[2, 1], path_bytes=list(b"abc")),
    "too few shared lengths": lambda: forge(path_shared=[0, 1]),
    "too few kinds": lambda: forge(kinds=[0, 0], target_lengths=[], target_bytes=[]),
    "too few sizes": lambda: forge(sizes=[0, 0]),
    "too few digests": lambda: forge(digests=ids_column(digest_of(b"") * 2)),
    "too many flags": lambda: forge(flags=[0, 0, 0, 0]),
    "too few targets": lambda: forge(target_lengths=[], target_bytes=[]),
    "too many targets": lambda: forge(target_lengths=[1, 1]),
    "targets that do not add up": lambda: forge(target_lengths=[1]),
    "a target that is no UTF-8": lambda: forge(target_bytes=[0xFF, 0xFE]),
    "a target out of the tree": lambda: forge(target_bytes=list(b"..")),
    "an absolute target": lambda: forge(target_bytes=list(b"/b")),
    "no cutter": lambda: forge({**HEADER, "cut": []}),
    "a cutter without sizes": lambda: forge({**HEADER, "cut": CUT[:1]}),
    "a cutter with too many sizes": lambda: forge({**HEADER, "cut": [*CUT, 1]}),
    "a size that is a text": lambda: forge({**HEADER, "cut": [CUT[0], "256", *CUT[2:]]}),
    "a size that is true": lambda: forge({**HEADER, "cut": [*CUT[:4], True]}),
    "sizes that no cutter follows": lambda: forge({**HEADER, "cut": [CUT[0], 100, 64, 1024, 2]}),
    "a size beyond 64 bits": lambda: forge({**HEADER, "cut": [CUT[0], 256, 64, (1 << 64) - 1, 2]}),
    "tags that are no list": lambda: forge({**HEADER, "tags": 1}),
    "tags that are texts": lambda: forge({**HEADER, "tags": ["a"]}),
    "tags of bytes": lambda: forge({**HEADER, "tags": [[b"a"]]}),
    "a set of no tags": lambda: forge({**HEADER, "tags": [[]]}),
    "features that are no list": lambda: forge({**HEADER, "features": {}}),
    "another order in the header": lambda: forge(dict(reversed(HEADER.items()))),
    "more in the header": lambda: forge({**HEADER, "more": 1}),
    "less in the header": lambda: forge({"features": [], "cut": CUT}),
    "nothing in the header": lambda: forge({}),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_payloads_are_refused_as_damage(make: Callable[[], bytes]) -> None:
    """Whatever rule they break, and for whatever a publisher would be told about it."""
    payload = make()
    with pytest.raises(BadManifest) as caught:
        decode_manifest(payload)
    assert caught.value.code == "bad-manifest"
    assert len(caught.value.message) < 1000


def test_paths_are_bounded_before_they_are_made() -> None:
    """Front-coding makes much of little: here 4 bytes a file would become 64 KiB."""
    files = 4000
    column = np.zeros(files, "<u8")
    bomb = forge(
        path_shared=[0, *[65535] * (files - 1)],
        path_rest=[65535, *[0] * (files - 1)],
        path_bytes=[97] * 65535,
        kinds=column,
        flags=column,
        tag_sets=column,
        chunk_counts=column,
        sizes=column,
        digests=np.zeros((files, 4), "<u8"),
        target_lengths=[],
        target_bytes=[],
    )
    rows_missing = forge(path_shared=[0] * 100_000, path_rest=[0] * 100_000, path_bytes=[])
    tracemalloc.start()
    try:
        for payload in (bomb, rows_missing):
            with pytest.raises(BadManifest):
                decode_manifest(payload)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_two_paths_share_what_they_can(first: str, second: str) -> None:
    """Or nothing would decode: paths that cannot be in a tree are refused, all others come back."""
    try:
        manifest = manifest_of({first: Entry(b""), second: Entry(b"")}, {})
    except (LadingError, UnicodeEncodeError):
        return
    assert list(decode_manifest(encode_manifest(manifest)).paths) == sorted({first, second})


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "features": ["sparse"]},
        {**HEADER, "cut": ["ae-2027", 1]},
        {**HEADER, "features": [["\x1b[2J"] * 5000]},
    ],
)
def test_what_is_not_known_yet_asks_for_a_newer_version(header: dict[str, Any]) -> None:
    with pytest.raises(UnknownFeature) as caught:
        decode_manifest(forge(header))
    assert caught.value.code == "unknown-feature"
    assert "newer version" in caught.value.next
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_a_newer_format_is_told_apart_from_damage() -> None:
    with pytest.raises(NewerFormat):
        decode_manifest(PAYLOAD[:6] + bytes((VERSION + 1,)) + PAYLOAD[7:])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    header = msgpack.packb({**HEADER, "columns": [[name, dtype, 1] for name, (dtype, _) in SPEC.items()]})
    framed = MAGIC + bytes((VERSION, 0)) + struct.pack("<II", len(header), 0) + header + bytes(-len(header) % 8)
    for payload in (data, framed + data, bytearray(framed + data)):
        with pytest.raises(BadManifest):
            decode_manifest(payload)


@given(builds, st.data())
def test_some_rows_of_a_table_of_files(build: Packed, draw: st.DataObject) -> None:
    count = len(build.manifest.paths)
    rows = draw.draw(st.lists(st.integers(0, count - 1), unique=True)) if count else []
    table = files_of(build.manifest, rows)
    assert table.paths == [build.manifest.paths[row] for row in rows]
    assert table.sizes.tolist() == [int(build.manifest.sizes[row]) for row in rows]
    assert table.targets == {
        at: build.tree[path].target for at, path in enumerate(table.paths) if build.tree[path].target
    }
