"""One setting of the C library's allocator, for commands that move large buffers on several threads."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 4 * 1024 * 1024 + 64 * 1024  # a range with what surrounds it


def keep_buffers() -> None:
    """Lets glibc reuse buffers of up to a range instead of mapping each one anew, and give larger ones back at once.

    A mapped buffer costs a page fault per page, under one lock for all threads: frames and ranges pass through by the
    thousand. Packs and columns are few and large: on the heap they leave holes that almost double what is held.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _KEPT)
            mallopt(_M_TRIM_THRESHOLD, 1 << 25)
