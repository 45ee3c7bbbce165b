"""Hypothesis strategies for trees of files: small, valid on every system, and full of what updates stumble over."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from hypothesis import strategies as st

from manifest.paths import fold
from tests.kit.game import Entry, noise

# Few names, two of which differ only in case: kinds change at a path, names change case, folders meet files.
_NAMES = ("a", "A", "b", "c.so", "é")
_BLOCKS = 10
_TARGETS = ("a", "b", "b/c.so", "a/b")


@cache
def block(number: int) -> bytes:
    """A piece of content: several chunks long, most of it incompressible."""
    return noise(200 + 350 * number, number) if number % 4 else b"again and again " * 60 * (number + 1)


paths = st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3).map("/".join)
contents = st.lists(st.integers(0, _BLOCKS - 1), max_size=6).map(lambda numbers: b"".join(map(block, numbers)))
files = st.builds(Entry, contents, st.booleans())
links = st.builds(lambda target: Entry(target=target), st.sampled_from(_TARGETS))
entries = st.one_of(files, files, files, links, st.just(Entry()))


def fits(tree: Mapping[str, Entry], path: str) -> bool:
    """Whether the path can be added: nothing of its name, no file above it, nothing below it."""
    mine = fold(path)
    taken = {fold(other) for other in tree}
    parents = {fold(parent): parent for other in tree for parent in above(other)}
    mine_above = {fold(parent): parent for parent in above(path)}
    spelled_alike = all(parents.get(folded, parent) == parent for folded, parent in mine_above.items())
    return mine not in taken and mine not in parents and not taken & mine_above.keys() and spelled_alike


def above(path: str) -> list[str]:
    """The folders that a path lies in, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def grown(pairs: list[tuple[str, Entry]], onto: dict[str, Entry] | None = None) -> dict[str, Entry]:
    """A tree of those entries that fit together, the first come first."""
    tree = dict(onto or {})
    for path, entry in pairs:
        if fits(tree, path):
            tree[path] = entry
    return tree


trees = st.lists(st.tuples(paths, entries), max_size=10).map(grown)


@st.composite
def next_trees(draw: st.DrawFn, tree: dict[str, Entry]) -> dict[str, Entry]:
    """A tree that has become of `tree`: entries went, moved, changed and came."""
    after: dict[str, Entry] = {}
    for path, entry in tree.items():
        fate = draw(st.sampled_from(("stays", "stays", "goes", "moves", "changes", "mode")))
        place = draw(paths) if fate == "moves" else path
        if fate != "goes" and fits(after, place):
            after[place] = draw(entries) if fate == "changes" else _with_other_mode(entry, fate == "mode")
    return grown(draw(st.lists(st.tuples(paths, entries), max_size=4)), after)


def _with_other_mode(entry: Entry, really: bool) -> Entry:
    return Entry(entry.data, not entry.executable) if really and entry.data is not None else entry
