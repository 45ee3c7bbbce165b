"""Cuts files by `docs/format.md` alone, a byte at a time: no line of the program nor of its library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

GEAR = [int.from_bytes(hashlib.md5(bytes([byte]) * 64).digest()[:8], "big") for byte in range(256)]
MASKS = {
    5: 0x0000000001804110,
    6: 0x0000000001803110,
    7: 0x0000000018035100,
    8: 0x0000001800035300,
    9: 0x0000019000353000,
    10: 0x0000590003530000,
    11: 0x0000D90003530000,
    12: 0x0000D90103530000,
    13: 0x0000D90303530000,
    14: 0x0000D90313530000,
    15: 0x0000D90F03530000,
    16: 0x0000D90303537000,
    17: 0x0000D90703537000,
    18: 0x0000D90707537000,
    19: 0x0000D91707537000,
    20: 0x0000D91747537000,
    21: 0x0000D91767537000,
    22: 0x0000D93767537000,
    23: 0x0000D93777537000,
}


def cut(data: bytes, average: int, minimum: int, maximum: int, normalisation: int) -> Iterator[int]:
    """The sizes of the chunks of a file."""
    bits = average.bit_length() - 1
    early, late = MASKS[bits + normalisation], MASKS[bits - normalisation]
    while data:
        size = next_chunk(data[:maximum], average, minimum, early, late)
        yield size
        data = data[size:]


def next_chunk(rest: bytes, average: int, minimum: int, early: int, late: int) -> int:
    count = len(rest)
    if count <= minimum:
        return count
    turn = even(min(average, count))
    hashed = 0
    for at in range(even(minimum), even(count)):
        hashed = (2 * hashed + GEAR[rest[at]]) % 2**64
        if hashed & (early if at < turn else late) == 0:
            return at
    return count


def even(number: int) -> int:
    return number - number % 2
