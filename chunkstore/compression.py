"""The one place that compresses and decompresses.

Every decompression is bounded before memory is taken: python-zstandard ignores `max_output_size` when a frame states
its own size, so the stated size is compared with what the caller knows first. Compression is a container, never an
identity: ids are taken over uncompressed bytes.
"""

from __future__ import annotations

import threading

import zstandard

from chunkstore.errors import Corrupt
from chunkstore.store import Buffer

DEFAULT_LEVEL = 3
_local = threading.local()


def compress(data: Buffer, level: int = DEFAULT_LEVEL) -> bytes:
    """`data`, which is not empty, as one zstd frame that states its size.

    Compressors are kept per thread: making one costs more than compressing a chunk.
    """
    compressor = getattr(_local, "compressor", None)
    if compressor is None or _local.level != level:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=level, write_content_size=True)
        _local.level = level
    return compressor.compress(data)


def decompress(data: Buffer, *, size: int) -> bytes:
    """The `size` bytes, at least one, of `data`. Raises `BadCompression` if it is not one zstd frame of that size."""
    return _decompress(data, size, size)


def decompress_within(data: Buffer, *, limit: int) -> bytes:
    """What `data` holds, 1 to `limit` bytes. Raises `BadCompression` for anything else."""
    return _decompress(data, 1, limit)


def _decompress(data: Buffer, least: int, most: int) -> bytes:
    decompressor = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    try:
        stated = zstandard.frame_content_size(data)  # -1 if the frame does not say
        # Nothing that is stored is empty, and the decoder would not look into a frame that says it is.
        if not least <= stated <= most:
            raise BadCompression(f"a compressed object states {stated} bytes where {least} to {most} are possible")
        # The decoder asks for a little more memory than the frame states only through its window; an honest
        # encoder's window never exceeds the content by more than the format's minimum of 1 KiB.
        if zstandard.get_frame_parameters(data).window_size > max(most, 1024):
            raise BadCompression("a compressed object asks for a larger window than its content")
        plain: bytes = decompressor.decompress(data, max_output_size=most, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise BadCompression(f"not a valid zstd frame: {error}") from error
    if len(plain) != stated:
        raise BadCompression(f"a compressed object holds {len(plain)} bytes and states {stated}")
    return plain


class BadCompression(Corrupt):
    """Compressed bytes that do not decode to what their place allows."""

    code = "bad-compression"
    default_cause = "The object is damaged or was made to exhaust memory; nothing of it was used."
    default_next = "Run `lading store check STORE`."
