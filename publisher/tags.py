"""Which files of a depot carry which tags, in the form in which a manifest keeps them.

The rules come from `publisher.settings`. `executable` is not kept: it is a bit of its own, set by the scan.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from publisher.patterns import Patterns
from publisher.settings import EXECUTABLE_TAG, TagRule


def tag_files(paths: Sequence[str], rules: Sequence[TagRule]) -> tuple[list[tuple[str, ...]], array[int]]:
    """The sets of tags that occur, sorted, and for each path the number of its set, counted from 1; 0 is no tag.

    Raises `BadPattern`.
    """
    kept = sorted({rule.tag for rule in rules} - {EXECUTABLE_TAG})
    patterns = [(tag, Patterns(rule.pattern for rule in rules if rule.tag == tag)) for tag in kept]
    carried = [tuple(tag for tag, pattern in patterns if pattern.match(path)) for path in paths]
    sets = sorted(set(carried) - {()})
    number = {(): 0, **{names: at for at, names in enumerate(sets, 1)}}
    return sets, array("H", [number[names] for names in carried])
