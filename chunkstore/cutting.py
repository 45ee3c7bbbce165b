"""Content-defined cutting: where one chunk ends and the next begins.

FastCDC 2020 with normalised chunking (Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication
Based Storage Systems", IEEE TPDS 2020), by `pyfastcdc`. Cut points depend on the bytes and the parameters alone, never
on read windows or on the number of workers. Holds no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from pyfastcdc import FastCDC

from chunkstore.errors import LocalProblem, Refused
from chunkstore.store import Buffer

ALGORITHM = "fastcdc-2020"


@dataclass(frozen=True, slots=True)
class CutParameters:
    """Sizes in bytes and the normalisation level; recorded in every manifest and never changed silently in a depot.

    Limits: 64 ≤ minimum ≤ average ≤ maximum ≤ 1 MiB, average a power of two of at least 256, maximum at least 1 KiB,
    normalisation 0 to 3.
    """

    average: int = 32 * 1024
    minimum: int = 8 * 1024
    maximum: int = 128 * 1024
    normalisation: int = 2

    def __post_init__(self) -> None:
        ordered = 64 <= self.minimum <= self.average <= self.maximum <= MAX_CHUNK
        large_enough = self.average >= 256 and self.maximum >= 1024
        power_of_two = not self.average & (self.average - 1)
        if not (ordered and large_enough and power_of_two and 0 <= self.normalisation <= 3):
            raise BadCutParameters(f"cutter sizes do not fit together: {self}")


MAX_CHUNK = 1024 * 1024
DEFAULT = CutParameters()


def parameters_for(average: int) -> CutParameters:
    """The usual shape around an average size in bytes: a quarter at least, four times at most.

    Raises `BadCutParameters`.
    """
    return CutParameters(average, average // 4, min(MAX_CHUNK, average * 4))


class Cutter:
    """Cuts buffers by one set of parameters. Cheap to make; one per thread."""

    def __init__(self, parameters: CutParameters) -> None:
        if FastCDC.__module__ != "pyfastcdc.cy.fastcdc":
            raise SlowCutter("pyfastcdc runs on its pure-Python fallback, 600 times too slow to publish with")
        self.parameters = parameters
        self._fastcdc = FastCDC(
            avg_size=parameters.average,
            min_size=parameters.minimum,
            max_size=parameters.maximum,
            normalized_chunking=cast(Literal[0, 1, 2, 3], parameters.normalisation),
        )

    def ends(self, data: Buffer, *, final: bool = True) -> list[int]:
        """End offsets of the chunks of `data`, ascending.

        With `final` false more bytes follow: the chunk that touches the end is left out, because only it could still
        grow; the caller presents its bytes again in front of what follows.
        """
        found = [chunk.offset + chunk.length for chunk in self._fastcdc.cut_buf(data)]
        if not final and found:
            found.pop()
        return found


class BadCutParameters(Refused):
    """Cutter sizes that no cutter can follow."""

    code = "bad-cut-parameters"
    default_cause = "Chunks have 64 bytes to 1 MiB, and their average size is a power of two."
    default_next = "Use minimum <= average <= maximum with a power of two as average, e.g. 8192, 32768, 131072."


class SlowCutter(LocalProblem):
    """The compiled cutter is missing on this machine."""

    code = "cutter-not-compiled"
    default_cause = "No wheel of pyfastcdc fits this Python, and it was installed without its C extension."
    default_next = "Install pyfastcdc from a wheel, with a supported version of Python."
