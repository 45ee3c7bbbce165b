"""The pipeline: every worker thread takes a batch through all of hash, dedup, frame and pack.

A whole pipeline per worker beats a stage per thread or a future per chunk (95 % against 66 % of the machine's
ceiling): the C calls release the GIL, and nothing is handed over. Finished packs are uploaded by threads of their own,
a bounded number at a time, so that an fsync or a network never idles a core.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from blake3 import blake3

from chunkstore.cancel import Cancel
from chunkstore.columns import ids_column
from chunkstore.compression import DEFAULT_LEVEL
from chunkstore.cutting import CutParameters, Cutter
from chunkstore.frames import GROUP_RAW, encode_frame
from chunkstore.packs import TARGET, PackBuilder, PackIndex
from chunkstore.store import Buffer
from manifest.events import EventSink, Progress
from publisher.known import KnownChunks, placement_of_pack
from publisher.source import Batch, SourceReader, buffer_size

UPLOADS = 2
"""Packs on their way at once, besides those that workers fill."""


@dataclass(slots=True)
class Tally:
    """What the pipeline has done so far, in bytes and counts."""

    source_bytes: int = 0
    new_chunks: int = 0
    new_bytes: int = 0
    stored_bytes: int = 0
    packs: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that the workers share. `put_pack(id, data)` stores a pack durably."""

    reader: SourceReader
    known: KnownChunks
    put_pack: Callable[[str, Buffer], None]
    nonce: bytes
    cut: CutParameters
    sink: EventSink
    cancel: Cancel
    total: int
    level: int = DEFAULT_LEVEL
    tally: Tally = field(default_factory=Tally)

    def run(self, workers: int) -> Tally:
        """Reads everything; all packs are stored when it returns. The first failure of any thread stops all."""
        try:
            return self._run(workers)
        finally:
            self.reader.close()

    def _run(self, workers: int) -> Tally:
        stop = Cancel()
        with ThreadPoolExecutor(UPLOADS, "upload") as pool, ThreadPoolExecutor(workers, "publish") as threads:
            uploads = _Uploads(self, pool)
            futures = [threads.submit(self._work, uploads, stop) for _ in range(workers)]
            for future in futures:
                future.add_done_callback(lambda done: stop.request() if done.exception() else None)
            failures = [error for future in futures if (error := future.exception())]
            if not failures:
                uploads.finish_partial([future.result() for future in futures])
            uploads.wait()
        for error in sorted(failures, key=lambda error: isinstance(error, _Stopped)):
            raise error
        return self.tally

    def _work(self, uploads: _Uploads, stop: Cancel) -> PackBuilder:
        buffer = bytearray(buffer_size(self.cut))
        cutter = Cutter(self.cut)
        pack = PackBuilder(self.nonce)
        while batch := self.reader.batch(buffer, cutter):
            self.cancel.check()
            if stop.requested:
                raise _Stopped
            for frame in self._new_frames(batch):
                kind, stored = encode_frame(frame.raw, self.level)
                pack.add(kind, stored, len(frame.raw), frame.sizes, frame.ids)
                if pack.size >= TARGET:
                    uploads.submit(pack)
                    pack = PackBuilder(self.nonce)
        return pack

    def _new_frames(self, batch: Batch) -> Iterator[_RawFrame]:
        """Names the chunks of a batch, notes them with their files, and groups those that nobody has."""
        ends = [end for piece in batch.pieces for end in piece.ends]
        starts = [0, *ends][:-1]
        data = batch.data
        digests = [blake3(data[start:end], max_threads=1).digest() for start, end in zip(starts, ends, strict=True)]
        at = 0
        for piece in batch.pieces:
            mine = digests[at : at + len(piece.ends)]
            piece.result.ids[piece.number] = b"".join(mine)
            piece.result.sizes[piece.number] = np.diff(piece.ends, prepend=piece.start).astype("<u4")
            if len(mine) == 1 and not piece.result.digest:
                piece.result.digest = mine[0]
            at += len(mine)
        if not digests:
            return
        _, fresh = self.known.claim(ids_column(b"".join(digests)))
        new = np.flatnonzero(fresh).tolist()
        self._count(len(data), len(new), sum(ends[row] - starts[row] for row in new))
        group: list[int] = []
        raw = 0
        for row in new:
            size = ends[row] - starts[row]
            if group and raw + size > GROUP_RAW:
                yield _RawFrame.of(data, group, starts, ends, digests)
                group, raw = [], 0
            group.append(row)
            raw += size
        if group:
            yield _RawFrame.of(data, group, starts, ends, digests)

    def _count(self, read: int, new_chunks: int, new_bytes: int) -> None:
        tally = self.tally
        with tally.lock:
            tally.source_bytes += read
            tally.new_chunks += new_chunks
            tally.new_bytes += new_bytes
            progress = Progress(tally.source_bytes, self.total, tally.source_bytes - tally.new_bytes)
        self.sink.emit(progress)


@dataclass(frozen=True, slots=True)
class _RawFrame:
    raw: Buffer
    sizes: list[int]
    ids: bytes

    @staticmethod
    def of(data: memoryview, group: list[int], starts: list[int], ends: list[int], digests: list[bytes]) -> _RawFrame:
        """The chunks of these rows: a view of the batch where they lie together, else a copy."""
        first, last = group[0], group[-1]
        raw: Buffer
        if last - first == len(group) - 1:
            raw = data[starts[first] : ends[last]]
        else:
            raw = b"".join(data[starts[row] : ends[row]] for row in group)
        return _RawFrame(raw, [ends[row] - starts[row] for row in group], b"".join(digests[row] for row in group))


class _Uploads:
    """Packs on their way to the store, never more than `UPLOADS` waiting beside those in transit."""

    def __init__(self, pipeline: Pipeline, pool: ThreadPoolExecutor) -> None:
        self._pipeline = pipeline
        self._pool = pool
        self._room = threading.Semaphore(UPLOADS)
        self._futures: list[Future[None]] = []
        self._failure: BaseException | None = None

    def submit(self, pack: PackBuilder) -> None:
        """Sends a pack; blocks while too many are on their way."""
        self._room.acquire()
        if self._failure is not None:
            raise self._failure
        self._futures.append(self._pool.submit(self._upload, pack))

    def finish_partial(self, packs: list[PackBuilder]) -> None:
        """Sends what the workers had not filled, joined so that small publishes make one pack."""
        pending: PackBuilder | None = None
        for pack in packs:
            if pack.empty:
                continue
            if pending and pending.size + pack.size <= TARGET:
                pending.absorb(pack)
                continue
            if pending:
                self.submit(pending)
            pending = pack
        if pending:
            self.submit(pending)

    def wait(self) -> None:
        """Until all are stored. Raises the first failure."""
        for future in self._futures:
            future.result()

    def _upload(self, pack: PackBuilder) -> None:
        try:
            name, data, index = pack.finish()
            self._pipeline.put_pack(name.hex(), data)
            self._place(name.hex(), index)
            tally = self._pipeline.tally
            with tally.lock:
                tally.packs += 1
                tally.stored_bytes += len(data)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._room.release()

    def _place(self, name: str, index: PackIndex) -> None:
        known = self._pipeline.known
        rows, _ = known.claim(index.ids)
        known.place(rows, placement_of_pack(name, index))


class _Stopped(Exception):
    """Another worker failed first; never leaves this module."""
