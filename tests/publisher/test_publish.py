"""One publish from end to end: what is read, what is stored, what survives, what is mended."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chunkstore.cancel import Interrupted
from chunkstore.store import Conflict, PathUnusable, StoreUnavailable
from chunkstore.wrappers.fault import FaultyStore, fail_before
from manifest.documents import BuildMissing, GameMissing
from manifest.keys import head_key, manifest_key, pack_key, timestamp_key
from manifest.payload import decode_manifest
from manifest.trust.creation import GameTaken
from manifest.trust.refusals import KeysMissing
from publisher.commit import VersionTaken
from publisher.publish import Published
from publisher.settings import DepotConfig
from publisher.settled import CutterFixed, PlatformFixed
from tests.kit.game import noise
from tests.kit.source import Publisher, write

SMALL = {"a.bin": noise(300_000, "a"), "b.bin": noise(300_000, "b"), "c.txt": b"hello"}


@pytest.fixture
def machine(tmp_path: Path) -> Publisher:
    return Publisher(write(tmp_path / "source", SMALL), tmp_path / "state")


def paths(machine: Publisher, published: Published) -> list[str]:
    ref = machine.build_of(published).depots["main"]
    payload = machine.registry.manifest("toy", ref.manifest, ref.payload_size)
    return list(decode_manifest(payload).paths)


def depots(machine: Publisher, published: Published) -> set[str]:
    return set(machine.build_of(published).depots)


def packs(machine: Publisher) -> set[str]:
    return set(machine.registry.packs("toy"))


def test_equal_content_is_a_new_build_without_new_objects(machine: Publisher) -> None:
    first = machine.publish()
    before = packs(machine)
    second = machine.publish(rescan=True)
    assert (first.number, second.number) == (1, 2)
    assert (second.tally.new_chunks, second.tally.packs) == (0, 0)
    assert packs(machine) == before
    assert second.manifest == first.manifest


def test_files_at_rest_are_not_read_again(machine: Publisher) -> None:
    machine.publish()
    write(machine.folder, {"c.txt": b"other"})
    second = machine.publish()
    assert second.tally.source_bytes == len(b"other")
    assert paths(machine, second) == ["a.bin", "b.bin", "c.txt"]


def test_nothing_is_asked_for_when_nothing_changed(machine: Publisher) -> None:
    machine.publish()
    machine.store = FaultyStore(machine.store, ())
    same = machine.publish(if_changed=True)
    assert (same.created, same.pointed) == (False, False)
    assert machine.store.calls("list") == 0
    assert machine.store.calls("put") + machine.store.calls("replace") == 0


def test_a_removed_file_needs_no_reading(machine: Publisher) -> None:
    machine.publish()
    (machine.folder / "b.bin").unlink()
    second = machine.publish()
    assert second.tally.source_bytes == 0
    assert paths(machine, second) == ["a.bin", "c.txt"]


def test_a_file_whose_chunks_the_store_has_lost_is_read_again(machine: Publisher) -> None:
    """Never against a local guess: the cache says unchanged, the store says gone."""
    machine.publish()
    for pack in packs(machine):
        machine.store.delete(pack_key("toy", pack))
    write(machine.folder, {"c.txt": b"other"})
    second = machine.publish()
    assert second.tally.new_bytes == 600_000 + len(b"other")


@pytest.mark.parametrize("damage", ["missing", "garbage"])
@pytest.mark.parametrize("what", [manifest_key, head_key])
def test_publishing_again_mends_metadata(machine: Publisher, what: object, damage: str) -> None:
    """`store check` gives this advice, so it has to work, with the same label, too."""
    first = machine.publish(version="1.0")
    key = what("toy", first.manifest)  # type: ignore[operator]
    if damage == "missing":
        machine.store.delete(key)
    else:
        machine.store.replace(key, b"garbage", match=machine.store.stat(key).etag)
    again = machine.publish(version="1.0", rescan=True)
    assert again.number == 1
    assert paths(machine, again) == ["a.bin", "b.bin", "c.txt"]
    assert machine.registry.head("toy", first.manifest).placement


def test_an_unreadable_earlier_build_does_not_stop_the_next_one(machine: Publisher) -> None:
    first = machine.publish()
    machine.store.delete(manifest_key("toy", first.manifest))
    write(machine.folder, {"d.txt": b"new"})
    second = machine.publish()
    assert second.number == 2
    assert machine.registry.head("toy", second.manifest).diffs == ()


def test_every_earlier_manifest_has_a_diff_and_the_last_one_a_way_back(machine: Publisher) -> None:
    names = []
    for number in range(4):
        write(machine.folder, {"c.txt": f"version {number}"})
        names.append(machine.publish().manifest)
    head = machine.registry.head("toy", names[-1])
    assert [diff.origin.hex() for diff in head.diffs] == names[-2::-1]
    assert machine.registry.head("toy", names[-2]).diff_from(bytes.fromhex(names[-1]))


def test_packs_of_an_interrupted_publish_are_not_sent_again(machine: Publisher) -> None:
    inner = machine.store
    machine.store = FaultyStore(inner, [fail_before("put", 2, Interrupted("stop"))])  # the first put is the pack
    with pytest.raises(Interrupted):
        machine.publish()
    left = packs(machine)
    assert len(left) == 1
    machine.store = inner
    again = machine.publish()
    assert (again.number, again.tally.new_chunks) == (1, 0)
    assert packs(machine) == left


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell which files are open")
def test_a_publish_that_fails_leaves_no_file_open(machine: Publisher) -> None:
    write(machine.folder, {"huge.pak": noise(60_000_000, "huge")})
    machine.store = FaultyStore(machine.store, [fail_before("put", 1, StoreUnavailable("gone"))])
    with pytest.raises(StoreUnavailable) as caught:  # kept, as are the frames that its traceback holds
        machine.publish()
    assert caught.value.message == "gone"
    links = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert [link for link in links if str(machine.folder) in link] == []


def overtaken(machine: Publisher, overtake: Callable[[], Published], *, move: int = 1) -> list[Published]:
    """Somebody else publishes when the machine's next publish is about to move the timestamp, for the first time or a
    later one; what came of theirs."""
    raced: list[Published] = []
    moves = count(1)

    class Racing(FaultyStore):
        def replace(self, key: str, data: object, *, match: str | None) -> str:
            if key == timestamp_key("toy") and not raced and next(moves) == move:
                raced.append(overtake())
            return super().replace(key, data, match=match)  # type: ignore[arg-type]

    machine.store = Racing(machine.store, ())
    return raced


def test_the_loser_of_a_race_tries_again_on_top_of_the_winner(machine: Publisher, tmp_path: Path) -> None:
    machine.publish()
    other = machine.colleague(write(tmp_path / "dlc", {"dlc.pak": noise(50_000, "dlc")}), tmp_path / "other")
    raced = overtaken(machine, lambda: other.publish(depot=DepotConfig("dlc")))
    write(machine.folder, {"c.txt": b"other"})
    mine = machine.publish()
    assert raced[0].number != mine.number
    assert sorted(machine.build_of(mine).depots) == ["dlc", "main"]
    state = machine.registry.whole("toy")
    assert state.channels["stable"].build == mine.number
    assert set(state.builds) == {1, raced[0].number, mine.number}


@pytest.mark.parametrize("said", [{"version": "1.1"}, {"if_changed": True}], ids=str)
@pytest.mark.parametrize(("published_before", "move"), [(True, 1), (False, 1), (False, 2)])
def test_a_race_of_equal_content_makes_one_build(
    machine: Publisher, tmp_path: Path, said: dict[str, Any], published_before: bool, move: int
) -> None:
    """The first time that a first publish moves the timestamp it makes the game; the keys are shared by then."""
    if published_before:
        machine.publish(version="1.0")
    write(machine.folder, {"c.txt": b"other"})
    raced = overtaken(machine, lambda: machine.colleague(machine.folder, tmp_path / "twin").publish(**said), move=move)
    mine = machine.publish(**said)
    assert (raced[0].created, mine.created, mine.pointed) == (True, False, False)
    assert mine.number == raced[0].number
    assert set(machine.registry.whole("toy").builds) == {*([1] if published_before else []), mine.number}


@pytest.mark.parametrize("move", [1, 2])
def test_the_loser_of_a_race_of_equal_content_still_has_its_channel(
    machine: Publisher, tmp_path: Path, move: int
) -> None:
    raced = overtaken(
        machine, lambda: machine.colleague(machine.folder, tmp_path / "twin").publish(version="1.0"), move=move
    )
    mine = machine.publish(version="1.0", channel="beta")
    assert (mine.number, mine.created, mine.pointed) == (raced[0].number, False, True)
    assert machine.registry.whole("toy").channels["beta"].build == mine.number


def test_two_machines_without_common_keys_do_not_make_one_game(machine: Publisher, tmp_path: Path) -> None:
    """Whoever writes the first root owns the game; to the other one it is told, and nothing of his goes live."""
    stranger = Publisher(machine.folder, tmp_path / "stranger", machine.store)
    told: list[str] = []

    def overtake() -> Published:
        with pytest.raises(GameTaken) as caught:
            stranger.publish()
        told.append(caught.value.code)
        return machine.colleague(machine.folder, tmp_path / "twin").publish()

    raced = overtaken(machine, overtake)
    mine = machine.publish()
    assert (told, raced[0].number, mine.number) == (["game-taken"], 1, 2)
    with pytest.raises(KeysMissing):
        stranger.publish()
    assert set(machine.registry.whole("toy").builds) == {1, 2}


def test_a_race_that_is_never_won_is_a_named_conflict(machine: Publisher) -> None:
    machine.publish()
    before = machine.registry.whole("toy")
    faults = [fail_before("replace", call, Conflict("somebody else")) for call in range(1, 40)]
    machine.store = FaultyStore(machine.store, faults)
    with pytest.raises(Conflict):
        machine.publish()
    assert machine.registry.whole("toy") == before


def test_a_label_names_one_content(machine: Publisher) -> None:
    first = machine.publish(version="1.0")
    assert machine.publish(version="1.0").number == first.number
    write(machine.folder, {"c.txt": b"other"})
    with pytest.raises(VersionTaken):
        machine.publish(version="1.0")
    second = machine.publish(version="1.1")
    write(machine.folder, {"c.txt": b"hello"})
    back = machine.publish(version="1.0")
    assert (back.number, back.created, back.pointed) == (first.number, False, False)
    assert machine.registry.whole("toy").channels["stable"].build == second.number


def test_a_number_is_no_label_if_another_build_has_it_as_its_own(machine: Publisher) -> None:
    machine.publish(version="2")
    write(machine.folder, {"c.txt": b"other"})
    told = machine.publish(dry_run=True)
    done = machine.publish()
    assert (told.number, told.version) == (done.number, done.version) == (3, "3")
    write(machine.folder, {"c.txt": b"a third"})
    assert machine.publish(version="2.1").number == 4


def test_a_label_that_is_taken_in_a_race_is_no_number_either(machine: Publisher, tmp_path: Path) -> None:
    machine.publish()
    other = machine.colleague(write(tmp_path / "other", {"a.bin": b"other"}), tmp_path / "its state")
    raced = overtaken(machine, lambda: other.publish(version="4"))
    mine = machine.publish()
    assert (raced[0].number, raced[0].version) == (3, "4")
    assert (mine.number, mine.version) == (5, "5")


def test_the_same_label_on_another_channel_points_it_to_the_build(machine: Publisher) -> None:
    first = machine.publish(version="1.0")
    again = machine.publish(version="1.0", channel="beta")
    assert (again.created, again.pointed) == (False, True)
    assert machine.registry.whole("toy").channels["beta"].build == first.number


def test_depots_are_inherited_from_the_parent(machine: Publisher) -> None:
    machine.publish(depot=DepotConfig("linux", platform="linux"))
    both = machine.publish(depot=DepotConfig("windows", platform="windows"))
    assert depots(machine, both) == {"linux", "windows"}
    third = machine.publish(depot=DepotConfig("macos", platform="macos"), parent=1)
    assert depots(machine, third) == {"linux", "macos"}
    assert depots(machine, machine.publish(depot=DepotConfig("main"), parent=0)) == {"main"}
    with pytest.raises(BuildMissing):
        machine.publish(parent=77)


def test_platform_and_chunk_size_are_settled_by_the_first_publish(machine: Publisher) -> None:
    machine.publish(depot=DepotConfig(platform="linux", chunk_average=8192))
    write(machine.folder, {"c.txt": b"other"})
    second = machine.publish(rescan=True)
    ref = machine.build_of(second).depots["main"]
    assert ref.platform == "linux"
    assert decode_manifest(machine.registry.manifest("toy", ref.manifest, ref.payload_size)).cut.average == 8192
    with pytest.raises(CutterFixed):
        machine.publish(depot=DepotConfig(chunk_average=32768))
    with pytest.raises(PlatformFixed):
        machine.publish(depot=DepotConfig(platform="windows"))
    with pytest.raises(CutterFixed):  # on a channel of its own, without parent: it is the same depot
        machine.publish(depot=DepotConfig(chunk_average=32768), channel="beta", parent=0)


def test_without_a_state_folder_there_are_no_keys_and_nothing_is_published(machine: Publisher) -> None:
    machine.state.write_text("in the way")
    with pytest.raises(PathUnusable):
        machine.publish()
    with pytest.raises(GameMissing):
        machine.registry.whole("toy")


def test_what_cannot_be_remembered_only_costs_time(machine: Publisher) -> None:
    folder = machine.state / machine.registry.registry_id
    for name in ("files", "packs", "session"):
        (folder / f"toy.main.{name}").mkdir(parents=True)
    assert machine.publish().number == 1
    assert machine.publish().number == 2


def test_release_notes_beyond_a_kilobyte_are_an_object(machine: Publisher) -> None:
    short, long = "fixed", "a line of news\n" * 200
    assert machine.build_of(machine.publish(notes=short)).notes == short
    build = machine.build_of(machine.publish(notes=long))
    assert build.notes == ""
    assert machine.registry.notes("toy", build.notes_id) == long
