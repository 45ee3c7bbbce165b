"""Columnar payloads: a small msgpack header followed by raw little-endian columns that are mapped without a copy.

Layout: 8 bytes of magic (six letters, a format number, zero) · header length as u32 · u32 zero · header · zero padding
to a multiple of 8 · each column in turn, padded likewise. The header is a msgpack map whose last entry, `columns`,
lists name, dtype and element count; the reader demands exactly the columns that it expects, in order, nothing between
them and nothing after: one meaning has one encoding, so equal content has equal bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack
import numpy as np

from chunkstore.errors import Corrupt, Refused
from chunkstore.store import Buffer

_HEAD = struct.Struct("<8sII")
MAX_HEADER = 64 * 1024

Column = np.ndarray[Any, np.dtype[Any]]


def ids_column(ids: Buffer) -> Column:
    """32-byte digests, one after another, as rows of four 64-bit words; numpy's `S32` would drop trailing zeros."""
    return np.frombuffer(ids, dtype="<u8").reshape(-1, 4)


def encode_columns(
    magic: bytes, version: int, header: Mapping[str, Any], columns: Sequence[tuple[str, Column]]
) -> bytes:
    """The payload. `magic` is six letters; `columns` are one-dimensional, or ids as rows of four words."""
    listing = [[name, column.dtype.str, len(column)] for name, column in columns]
    head = msgpack.packb({**header, "columns": listing})
    if len(head) > MAX_HEADER:
        raise ValueError(f"a header of {len(head)} bytes is more than any reader takes")
    parts: list[Buffer] = [_HEAD.pack(magic + bytes((version, 0)), len(head), 0), head, bytes(-len(head) % 8)]
    for _, column in columns:
        parts.append(np.ascontiguousarray(column).reshape(-1).view("|u1").data)
        parts.append(bytes(-column.nbytes % 8))
    return b"".join(parts)


def decode_columns(
    data: Buffer, magic: bytes, version: int, spec: Mapping[str, tuple[str, int]]
) -> tuple[dict[str, Any], dict[str, Column]]:
    """Header and columns of a payload; the columns are views of `data`.

    `spec` maps each expected column to its dtype and to the words per element (1, or 4 for ids). Raises `BadPayload`,
    and `NewerFormat` for a version above `version`.
    """
    if len(data) < _HEAD.size:
        raise BadPayload(f"{len(data)} bytes are too short for a payload")
    mark, length, zero = _HEAD.unpack_from(data)
    if mark[:6] != magic or mark[7]:
        raise BadPayload(f"not a payload of kind {magic.decode()}")
    if mark[6] > version:
        raise NewerFormat(f"format {mark[6]} of {magic.decode()} is newer than {version}, the newest known here")
    if mark[6] != version or zero or not 0 < length <= MAX_HEADER:
        raise BadPayload("the payload's head is malformed")
    at = _HEAD.size + length
    header = _header(bytes(data[_HEAD.size : at]))
    counts = _counts(header, spec)
    at = _padded(data, at)
    columns: dict[str, Column] = {}
    for (name, (dtype, words)), count in zip(spec.items(), counts, strict=True):
        nbytes = count * words * np.dtype(dtype).itemsize
        if at + nbytes > len(data):
            raise BadPayload(f"column {name} ends after the payload")
        column = np.frombuffer(data, dtype=dtype, count=count * words, offset=at)
        columns[name] = column.reshape(count, words) if words > 1 else column
        at = _padded(data, at + nbytes)
    if at != len(data):
        raise BadPayload("bytes follow the last column")
    return header, columns


def _header(raw: bytes) -> dict[str, Any]:
    try:
        header = msgpack.unpackb(raw, strict_map_key=True)
        canonical = msgpack.packb(header) == raw
    except (ValueError, msgpack.UnpackException) as error:
        raise BadPayload("the payload's header is not msgpack") from error
    if not isinstance(header, dict) or not canonical:
        raise BadPayload("the payload's header is not in its canonical form")
    return header


def _counts(header: dict[str, Any], spec: Mapping[str, tuple[str, int]]) -> list[int]:
    """Takes the listing of columns off the header; the number of elements of each."""
    key, listing = header.popitem() if header else ("", None)
    if key != "columns" or not isinstance(listing, list):
        raise BadPayload("the payload's header does not end with its columns")
    if any(type(row) is not list or len(row) != 3 or type(row[2]) is not int or row[2] < 0 for row in listing):
        raise BadPayload("the payload's columns are malformed")
    if [row[:2] for row in listing] != [[name, dtype] for name, (dtype, _) in spec.items()]:
        raise BadPayload("the payload's columns are not the expected ones")
    return [row[2] for row in listing]


def _padded(data: Buffer, at: int) -> int:
    end = at + -at % 8
    if any(data[at:end]):
        raise BadPayload("padding is not zero")
    return end


class BadPayload(Corrupt):
    """A payload that breaks its format."""

    code = "bad-payload"
    default_cause = "The object is damaged, or was not written by Lading."
    default_next = "Run `lading store check STORE`."


class NewerFormat(Refused):
    """Something was written by a newer version of Lading."""

    code = "newer-format"
    default_cause = "A newer version of Lading wrote this."
    default_next = "Install a newer version of Lading; nothing was changed."
