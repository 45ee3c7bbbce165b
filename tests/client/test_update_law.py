"""The law of the main job: whatever two builds are, an update ends in exactly the other one, and for its price."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkstore.ids import DIGEST_SIZE
from chunkstore.store import ObjectStore
from chunkstore.wrappers.forward import ForwardingStore
from client.engine import Settled
from manifest.documents import Build
from manifest.payload import decode_manifest
from publisher.candidates import Release
from publisher.settings import TagRule
from publisher.tags import tag_files
from tests.kit.game import Entry
from tests.kit.growing import fits, next_trees, trees
from tests.kit.rig import GAME, Foreign, Player, Rig, Tree, read_tree, snapshot

AVERAGES = st.sampled_from((256, 512, 1024))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Two trees: mostly one that became of the other, sometimes strangers to each other."""
    before = draw(trees)
    return before, draw(st.one_of(next_trees(before), next_trees(before), trees))


@pytest.fixture
def _only_whole_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read that only lies between two frames."""
    monkeypatch.setattr("delta.fetching.MAX_GAP", 0)


FEWER = settings(max_examples=settings().max_examples * 3 // 5)


@pytest.mark.usefixtures("_only_whole_frames")
@FEWER
@given(pair=pairs(), average=AVERAGES)
def test_an_update_is_the_other_build_for_the_price_that_was_shown(
    pair: tuple[dict[str, Entry], dict[str, Entry]], average: int
) -> None:
    """R-2.3.2-1: install(a), update to b equals b, byte for byte and mode for mode, and back again."""
    a, b = pair
    with a_rig(average) as rig:
        first = rig.publish(a)
        player = Watched(rig)
        player.pays_what_was_shown(set(), player.install)
        assert player.tree() == a
        foreign = Foreign.put(player.root, foreign_paths(a, b))
        second = rig.publish(b)

        player.pays_what_was_shown(chunks_of(rig, first), player.update)
        assert player.tree() == {**b, **foreign.entries}
        foreign.assert_untouched()

        before = sorted(snapshot(player.root).items())
        again = player.update()
        assert (again.changed, again.files_changed, player.content.requests) == (False, 0, 0)
        assert player.metadata.requests == 1  # the timestamp
        assert sorted(snapshot(player.root).items()) == before

        player.pays_what_was_shown(chunks_of(rig, second), lambda **aim: player.update(build=first.number, **aim))
        assert player.tree() == {**a, **foreign.entries}
        foreign.assert_untouched()
        assert player.status().state == "installed"
        assert player.verify(full=True).wounds == []

        player.uninstall()
        assert read_tree(player.root) == foreign.entries


@FEWER
@given(data=st.data(), average=AVERAGES)
def test_depots_and_tags_make_one_tree(data: st.DataObject, average: int) -> None:
    """Depots of one build unite in one tree, whatever moves between them; tags choose among optional files."""
    wanted_tags = data.draw(st.sets(st.sampled_from(("so", "b")), max_size=2))
    with a_rig(average) as rig:
        player = rig.player()
        tree: dict[str, Entry] = {}
        for step in range(3):
            tree = data.draw(next_trees(tree) if step else trees)
            publish_in_depots(rig, tree, data)
            if step < 2:
                player.install(tags=sorted(wanted_tags)) if wanted_tags else player.install()
            else:
                player.update()
            assert player.tree() == tagged(tree, wanted_tags)
        if wanted_tags:
            fewer = wanted_tags - {data.draw(st.sampled_from(sorted(wanted_tags)))} or {"none"}
            player.install(tags=sorted(fewer))
            assert player.tree() == tagged(tree, fewer)


RULES = (TagRule("*.so", "so"), TagRule("/b", "b"))


def publish_in_depots(rig: Rig, tree: dict[str, Entry], data: st.DataObject) -> None:
    """Each entry in one of three depots; empty folders may be in all of them."""
    choice = data.draw(st.lists(st.integers(0, 2), min_size=len(tree), max_size=len(tree)))
    homes = dict(zip(tree, choice, strict=True))
    for number, depot in enumerate(("main", "other", "third")):
        mine = {
            path: entry
            for path, entry in tree.items()
            if homes[path] == number or (entry == Entry() and homes[path] == 0)
        }
        release = Release(None, "stable", parent=None if number else 0)
        rig.publish(mine, depot=depot, tags=[(rule.pattern, rule.tag) for rule in RULES], release=release)


def tagged(tree: dict[str, Entry], tags: set[str]) -> dict[str, Entry]:
    """What is left of a tree when only these optional files are wanted."""
    names, numbers = tag_files(list(tree), RULES)
    sets = [set(), *map(set, names)]
    chosen = zip(tree.items(), numbers, strict=True)
    return {path: entry for (path, entry), number in chosen if not number or sets[number] & tags}


@contextmanager
def a_rig(average: int) -> Iterator[Rig]:
    with tempfile.TemporaryDirectory() as folder:
        yield Rig(Path(folder), average)


class RangesSeen(ForwardingStore):
    """Remembers which ranges were asked for."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.ranges: list[tuple[str, int, int]] = []

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        self.ranges.append((key, offset, length))
        return super().get_range(key, offset, length)


class Watched(Player):
    """A player whose downloads are compared with what had to be downloaded."""

    def __init__(self, rig: Rig) -> None:
        self.seen = RangesSeen(rig.store)
        self.rig = rig
        super().__init__(rig.folder / "installed", self.seen, rig.folder / "installed.state", rig.clock)

    def pays_what_was_shown(self, on_disk: set[bytes], go: Callable[..., Settled]) -> None:
        """A dry run shows what the run then pays; every frame that is fetched holds a chunk that was not here."""
        tree_before = snapshot(self.root)
        with self.forgetting():
            shown = go(dry_run=True)
        assert shown.actual is None
        assert snapshot(self.root) == tree_before
        self.seen.ranges.clear()
        settled = go()
        assert settled.planned == shown.planned == settled.actual
        assert self.content.received_bytes == settled.planned.download_bytes
        fetched = self.fetched_frames()
        assert len(fetched) == len(set(fetched))
        for frame in fetched:
            assert set(frame) - on_disk, "a frame was fetched all of whose chunks are here"

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """What is verified inside the block has to be fetched again after it."""
        kept = self.root.parent / "kept.state"
        shutil.copytree(self.state, kept) if self.state.exists() else kept.mkdir()
        yield
        shutil.rmtree(self.state)
        kept.rename(self.state)

    def fetched_frames(self) -> list[tuple[bytes, ...]]:
        """The chunks of each frame inside the ranges; ranges hold whole frames and nothing else."""
        registry = self.rig.registry()
        found = []
        for key, offset, length in self.seen.ranges:
            pack = key.rpartition("/")[2]
            index = registry.pack_index(GAME, pack)
            at, chunk = offset, 0
            ids = index.ids.tobytes()
            for start, stored, count in zip(
                index.offsets.tolist(), index.stored.tolist(), index.chunks.tolist(), strict=True
            ):
                names = ids[chunk * DIGEST_SIZE : (chunk + count) * DIGEST_SIZE]
                if offset <= start < offset + length:
                    assert start == at
                    at += stored
                    found.append(tuple(names[n : n + DIGEST_SIZE] for n in range(0, len(names), DIGEST_SIZE)))
                chunk += count
            assert at == offset + length
        return found


def chunks_of(rig: Rig, build: Build) -> set[bytes]:
    """The ids of all chunks of a build."""
    registry = rig.registry()
    ids = b"".join(
        decode_manifest(registry.manifest(GAME, ref.manifest, ref.payload_size)).chunk_ids.tobytes()
        for ref in build.depots.values()
    )
    return {ids[at : at + DIGEST_SIZE] for at in range(0, len(ids), DIGEST_SIZE)}


def foreign_paths(a: Tree, b: Tree) -> list[str]:
    """Beside the game's files, and in folders that are folders in both builds or go."""
    folders = {path.rpartition("/")[0] for path in a}
    beside = [f"{folder}/mine.sav".lstrip("/") for folder in sorted(folders)]
    return ["saves/slot.sav", *(path for path in beside if fits(a, path) and fits(b, path))]
