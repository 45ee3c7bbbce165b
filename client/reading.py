"""Reading files of a build without installing it: verified bytes in order, a few MiB in memory at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from chunkstore.errors import NotFound, Refused
from chunkstore.frames import BadChunk, Verified, decode_frame, verify_run
from chunkstore.placements import Placement
from client.resolve import DepotContent, place_depot
from delta.fetching import MAX_GAP, MAX_RANGE
from manifest.documents import DepotRef
from manifest.kinds import Kind
from manifest.model import Manifest
from manifest.payload import decode_manifest
from manifest.registry import RegistryReader


@dataclass(frozen=True, slots=True)
class _Run:
    """Chunks of the file (`first` to `last`) that lie one after another in one frame, from `start` on."""

    frame: int
    start: int
    first: int
    last: int


@dataclass(slots=True)
class _Span:
    """A range of one pack that holds the frames of some runs."""

    pack: int
    offset: int
    end: int
    runs: list[_Run]


def find_file(
    registry: RegistryReader, scope: str, depots: Mapping[str, DepotRef], path: str
) -> tuple[str, DepotContent, int]:
    """The depot that holds the file, with its content, and the file's row. Raises `FileMissing`, `FileAmbiguous`."""
    manifests = {}
    for name, ref in depots.items():
        payload = registry.manifest(scope, ref.manifest, ref.payload_size)
        manifest = decode_manifest(payload)
        row = _row_of(manifest, path)
        if row is not None:
            manifests[name] = ref, manifest, payload, row
    if not manifests:
        raise FileMissing(f"the build has no file {path!r:.300}")
    if len(manifests) > 1:
        raise FileAmbiguous(f"several depots have a file {path!r:.300}: {', '.join(sorted(manifests))}")
    ((name, (ref, manifest, payload, row)),) = manifests.items()
    return name, place_depot(registry, scope, ref, manifest, payload), row


def read_file(registry: RegistryReader, scope: str, content: DepotContent, row: int) -> Iterator[Verified]:
    """The bytes of a file, in order. Raises `BadChunk` before a wrong byte is given out."""
    chunks = content.manifest.chunks_of(row)
    sizes = content.manifest.chunk_sizes[chunks].tolist()
    ids = content.manifest.chunk_ids[chunks].tobytes()
    place = content.placement.take(np.arange(chunks.start, chunks.stop))
    for span in _spans(place, sizes):
        pack = place.pack_id(span.pack).hex()
        data = memoryview(registry.pack_range(scope, pack, span.offset, span.end - span.offset))
        decoded, raw = -1, memoryview(b"")
        for run in span.runs:
            if run.frame != decoded:
                begin = int(place.frame_offset[run.frame]) - span.offset
                stored = data[begin : begin + int(place.frame_stored[run.frame])]
                raw = decode_frame(int(place.frame_kind[run.frame]), stored, int(place.frame_raw[run.frame]))
                decoded = run.frame
            wanted = sizes[run.first : run.last]
            part = raw[run.start : run.start + sum(wanted)]
            verified = verify_run(part, wanted, ids[32 * run.first : 32 * run.last])
            if verified is None:
                raise BadChunk("a chunk of the store does not have the bytes that its id names", where=f"pack {pack}")
            yield verified


def _row_of(manifest: Manifest, path: str) -> int | None:
    row = bisect_left(manifest.paths, path)
    if row == len(manifest.paths) or manifest.paths[row] != path or manifest.kinds[row] != Kind.FILE:
        return None
    return row


def _spans(place: Placement, sizes: list[int]) -> Iterator[_Span]:
    """The ranges to ask for, in the order of the file; neighbours are merged, whichever comes first in the pack."""
    open_span: _Span | None = None
    for run in _runs(place, sizes):
        pack, offset = int(place.frame_pack[run.frame]), int(place.frame_offset[run.frame])
        end = offset + int(place.frame_stored[run.frame])
        if open_span is not None:
            low, high = min(open_span.offset, offset), max(open_span.end, end)
            gap = max(offset - open_span.end, open_span.offset - end)
            if pack == open_span.pack and gap <= MAX_GAP and high - low <= MAX_RANGE:
                open_span.offset, open_span.end = low, high
                open_span.runs.append(run)
                continue
            yield open_span
        open_span = _Span(pack, offset, end, [run])
    if open_span is not None:
        yield open_span


def _runs(place: Placement, sizes: list[int]) -> Iterator[_Run]:
    frames, starts = place.chunk_frame.tolist(), place.chunk_offset.tolist()
    first = 0
    for at in range(1, len(sizes) + 1):
        whole = at < len(sizes) and frames[at] == frames[at - 1] and starts[at] == starts[at - 1] + sizes[at - 1]
        if not whole:
            yield _Run(frames[first], starts[first], first, at)
            first = at


class FileMissing(NotFound):
    """The build has no such file."""

    code = "file-missing"
    default_cause = "The path is misspelt, or names a folder or a link. Paths have / and begin at the build's root."
    default_next = "Run `lading ls GAME --store STORE` to see what the build holds."


class FileAmbiguous(Refused):
    """Depots of different platforms hold different files under this path."""

    code = "file-ambiguous"
    default_cause = "Depots that are never installed together may use the same path."
    default_next = "Say which one is meant with --depot."
