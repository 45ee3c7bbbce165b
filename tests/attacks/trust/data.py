"""Attacks by the size and the form of what is read: metadata, manifests, placements, packs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3

from chunkstore.columns import Column, ids_column
from chunkstore.compression import compress
from chunkstore.ids import digest_of
from chunkstore.placements import Placement, encode_placement
from manifest.heads import Head, encode_head
from manifest.keys import head_key, manifest_key, pack_key, placement_key, timestamp_key
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.placed import read_placement
from manifest.trust.roles import BUILDS, SNAPSHOT
from tests.attacks.trust.forged import forget_diffs, manifest_payload, serve_manifest
from tests.attacks.trust.scene import Scene
from tests.attacks.trust.table import BUILD_KEYS, NOTHING, attack
from tests.kit.forge import overwrite
from tests.kit.rig import GAME
from tests.kit.webhost import too_long_body

_MEBIBYTE = 1 << 20


def _name(scene: Scene) -> str:
    """The id of the newest build's manifest."""
    return str(scene.forge().target(BUILDS, f"builds/{scene.newest}")["depots"]["main"]["manifest"])


def _newest_manifest(scene: Scene) -> tuple[str, Manifest]:
    ref = scene.forge().target(BUILDS, f"builds/{scene.newest}")["depots"]["main"]
    return ref["manifest"], decode_manifest(scene.rig.registry().manifest(GAME, ref["manifest"], ref["payload_size"]))


def _serve_placement(scene: Scene, name: str, placement: Placement, sizes: Column) -> None:
    """Whoever may write to the store may place chunks anew: neither head nor placement is signed."""
    payload = encode_placement(placement, sizes)
    digest = digest_of(payload)
    overwrite(scene.store, placement_key(GAME, digest.hex()), compress(payload))
    overwrite(scene.store, head_key(GAME, name), encode_head(Head(digest, len(payload))))


@attack("A38", "a pointer without end", holds=NOTHING, answer="object-too-large", announced=False, streamed=True)
def endless_pointer(scene: Scene, streamed: bool) -> None:
    if streamed:
        scene.host().misbehave(timestamp_key(GAME), too_long_body)
    else:
        overwrite(scene.store, timestamp_key(GAME), b" " * 10 * _MEBIBYTE)


def _streamed_metadata(scene: Scene) -> None:
    forge = scene.forge()
    host = scene.host()
    (host.root / f"tuf/{GAME}/{forge.signed(SNAPSHOT)['version']}.bundle").unlink()
    host.misbehave(forge.key(BUILDS), too_long_body)


def _streamed_manifest(scene: Scene) -> None:
    forget_diffs(scene)
    scene.host().misbehave(manifest_key(GAME, _name(scene)), too_long_body)


def _large_manifest(scene: Scene) -> None:
    forget_diffs(scene)
    overwrite(scene.store, manifest_key(GAME, _name(scene)), bytes(10 * _MEBIBYTE))


@attack(
    "A39",
    "a manifest or metadata without end",
    holds=NOTHING,
    answer="object-too-large",
    metadata=_streamed_metadata,
    manifest=_streamed_manifest,
    announced=_large_manifest,
)
def endless_manifest(scene: Scene, serve: Callable[[Scene], None]) -> None:
    serve(scene)


def _new_pack(scene: Scene) -> str:
    """The key of the pack that holds what the newest build brought."""
    name, manifest = _newest_manifest(scene)
    placement = read_placement(scene.rig.registry(), GAME, name, manifest)
    return pack_key(GAME, placement.pack_id(int(placement.frame_pack[placement.chunk_frame[0]])).hex())


@attack("A40", "chunks that are a byte longer", holds=NOTHING, answer="bad-chunk or bad-compression")
def longer_chunks(scene: Scene) -> None:
    key = _new_pack(scene)
    pack = scene.good[key]
    overwrite(scene.store, key, pack[:40] + b"!" + pack[40:])


@attack(
    "A41",
    "chunks that are a byte shorter, or missing",
    holds=NOTHING,
    answer="bad-chunk or bad-compression or object-truncated",
    byte=1,
    all=1 << 30,
)
def shorter_chunks(scene: Scene, count: int) -> None:
    key = _new_pack(scene)
    pack = scene.good[key]
    overwrite(scene.store, key, pack[:40] + pack[40 + count :])


@attack(
    "A42",
    "a body without end where a range was asked for",
    holds=NOTHING,
    answer="host-misconfigured or object-too-large",
)
def endless_range(scene: Scene) -> None:
    key = _new_pack(scene)
    scene.host().misbehave(key, too_long_body)


def _hashes(**hashes: str) -> Callable[[Scene], None]:
    """Names the file of builds by these digests of it; `*` stands for the right one."""

    def serve(scene: Scene) -> None:
        forge = scene.forge()
        forge.write(BUILDS)
        listed = forge.signed(SNAPSHOT)["meta"]["builds.json"]
        right = listed["hashes"]["sha256"]
        listed["hashes"] = {name: form.replace("*", right) for name, form in hashes.items()}
        forge.serve()

    return serve


def _spelt(spell: Callable[[str], str]) -> Callable[[Scene], None]:
    """Calls the manifest by another form of its id."""

    def serve(scene: Scene) -> None:
        forge = scene.forge()
        ref = forge.target(BUILDS, f"builds/{scene.newest}")["depots"]["main"]
        ref["manifest"] = spell(ref["manifest"])
        forge.serve([BUILDS])

    return serve


def _upper_hash(scene: Scene) -> None:
    forge = scene.forge()
    forge.write(BUILDS)
    hashes = forge.signed(SNAPSHOT)["meta"]["builds.json"]["hashes"]
    hashes["sha256"] = hashes["sha256"].upper()
    forge.serve()


@attack(
    "A52",
    "weaker hashes, and digests that are shortened or spelt in another way",
    holds=BUILD_KEYS,
    answer="bad-metadata or bad-document",
    md5=_hashes(md5="*"),
    sha1=_hashes(sha1="*"),
    sha1_beside=_hashes(sha256="*", sha1="*"),
    no_hash=_hashes(),
    empty=_hashes(sha256=""),
    prefixed=_hashes(sha256="0x*"),
    base64=_hashes(sha256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    upper=_upper_hash,
    id_upper=_spelt(str.upper),
    id_truncated=_spelt(lambda name: name[:32]),
    id_prefixed=_spelt(lambda name: f"sha1:{name}"),
    id_spaced=_spelt(lambda name: f"{name} "),
    id_of_another_alphabet=_spelt(lambda name: name.replace("0", "\u0660").replace("1", "\uff11")),
)
def downgraded(scene: Scene, serve: Callable[[Scene], None]) -> None:
    serve(scene)


@attack(
    "A53",
    "a digest of another mode of BLAKE3 taken for the plain one",
    holds=BUILD_KEYS,
    answer="bad-document or wrong-payload",
    extended=lambda payload: blake3(payload).hexdigest(length=64),
    beyond=lambda payload: blake3(payload).hexdigest(length=32, seek=32),
    keyed=lambda payload: blake3(payload, key=bytes(32)).hexdigest(),
    derived=lambda payload: blake3(payload, derive_key_context="lading").hexdigest(),
)
def another_mode(scene: Scene, digest: Callable[[bytes], str]) -> None:
    forged = manifest_payload()
    name = digest(forged.payload)
    overwrite(scene.store, manifest_key(GAME, name), compress(forged.payload))
    serve_manifest(scene, forged, name=name)


def _columns(**columns: tuple[str, list[int]]) -> Callable[[Scene], None]:
    """A manifest of two files with these columns in the place of the right ones, as (type, values)."""

    def serve(scene: Scene) -> None:
        made = {name: np.array(values, dtype=dtype) for name, (dtype, values) in columns.items()}
        serve_manifest(scene, manifest_payload(["a", "b"], columns=made))

    return serve


def _placed(change: Callable[[Placement], Placement]) -> Callable[[Scene], None]:
    """The newest build's chunks placed in another way."""

    def serve(scene: Scene) -> None:
        name, manifest = _newest_manifest(scene)
        placement = read_placement(scene.rig.registry(), GAME, name, manifest)
        forget_diffs(scene)
        _serve_placement(scene, name, change(placement), manifest.chunk_sizes)

    return serve


def _moved(placement: Placement, bytes_: int) -> Placement:
    return replace(placement, chunk_offset=(placement.chunk_offset.astype(np.int64) + bytes_).astype("<u4"))


@attack(
    "A54",
    "spans that overlap, leave a hole, begin before their file or do not sum to its size",
    holds=BUILD_KEYS,
    answer="bad-manifest or bad-payload or bad-chunk",
    too_large=_columns(sizes=("<u8", [1, 2])),
    too_small=_columns(sizes=("<u8", [1, 0])),
    no_chunk=_columns(chunk_counts=("<u4", [2, 0])),
    too_many_chunks=_columns(chunk_counts=("<u4", [1, 2])),
    beyond_all_counts=_columns(chunk_counts=("<u4", [1, 2**32 - 1])),
    empty_chunk=_columns(chunk_sizes=("<u4", [1, 0])),
    beyond_all_sizes=_columns(sizes=("<u8", [1, 2**64 - 1])),
    overlap=_placed(lambda placement: replace(placement, chunk_offset=np.zeros_like(placement.chunk_offset))),
    hole=_placed(lambda placement: _moved(placement, 1 << 19)),
    before_the_frame=_placed(lambda placement: _moved(placement, -1)),
    behind_the_pack=_placed(
        lambda placement: replace(placement, frame_offset=placement.frame_offset + np.uint32(2**31))
    ),
)
def spans(scene: Scene, serve: Callable[[Scene], None]) -> None:
    serve(scene)


def _long(name: str, dtype: str) -> Callable[[Scene], None]:
    return lambda scene: serve_manifest(scene, manifest_payload(columns={name: np.ones(10_000_000, dtype)}))


def _deep(scene: Scene) -> None:
    forge = scene.forge()
    forge.list(BUILDS, b'{"signed":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    forge.serve()


def _deep_documents(scene: Scene) -> None:
    """As deep as a parser just takes, where what reads the parsed document may not."""
    nested: Any = 1
    for _ in range(900):
        nested = [nested]
    forge = scene.forge()
    forge.target(BUILDS, f"builds/{scene.newest}")["notes"] = nested
    forge.serve([BUILDS])


@attack(
    "A55",
    "ten million entries; JSON that is 100,000 deep",
    holds=BUILD_KEYS,
    answer="bad-manifest or bad-metadata or bad-document",
    files=_long("kinds", "|u1"),
    chunks=_long("chunk_sizes", "<u4"),
    depth=_deep,
    depth_in_a_document=_deep_documents,
)
def enormous(scene: Scene, serve: Callable[[Scene], None]) -> None:
    serve(scene)


class _DiskUsage(NamedTuple):
    total: int
    used: int
    free: int


def _five_gigabytes(scene: Scene) -> None:
    """A manifest of 180 KB whose one file is the same chunk five thousand times."""
    count = 5_000
    digest = digest_of(bytes(_MEBIBYTE))
    columns = {
        "chunk_counts": np.array([count], "<u4"),
        "sizes": np.array([count * _MEBIBYTE], "<u8"),
        "chunk_sizes": np.full(count, _MEBIBYTE, "<u4"),
        "chunk_ids": ids_column(digest * count),
    }
    forged = manifest_payload(["a"], columns=columns, cut_maximum=_MEBIBYTE)
    none = np.zeros(count, "<u4")
    one = np.zeros(1, "<u4")
    placement = Placement(
        packs=ids_column(bytes(32)),
        frame_pack=one,
        frame_offset=one + np.uint32(32),
        frame_stored=one + np.uint32(100),
        frame_raw=one + np.uint32(_MEBIBYTE),
        frame_kind=one.astype("|u1") + np.uint8(1),
        chunk_frame=none,
        chunk_offset=none,
    )
    _serve_placement(scene, digest_of(forged.payload).hex(), placement, columns["chunk_sizes"])
    serve_manifest(scene, forged, installed_size=count * _MEBIBYTE)
    scene.patch.setattr("shutil.disk_usage", lambda path: _DiskUsage(2 << 30, 1 << 30, 1 << 30))


def _petabyte(scene: Scene) -> None:
    columns = {
        "chunk_counts": np.array([10**9], "<u4"),
        "sizes": np.array([10**9 * _MEBIBYTE], "<u8"),
        "chunk_sizes": np.array([_MEBIBYTE], "<u4"),
    }
    serve_manifest(scene, manifest_payload(["a"], columns=columns, cut_maximum=_MEBIBYTE))


@attack(
    "A56",
    "one chunk named without end: a small manifest of an enormous file",
    holds=BUILD_KEYS,
    answer="disk-full or bad-manifest",
    more_than_the_disk=_five_gigabytes,
    petabyte=_petabyte,
)
def repeated(scene: Scene, serve: Callable[[Scene], None]) -> None:
    serve(scene)
