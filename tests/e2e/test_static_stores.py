"""A store without a server: its publisher fills it, a timer renews it, and anybody carries it anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cast import DAY, GAME, Cast, Person, Refusal
from tests.kit.disks import unhurried_disk
from tests.kit.webhost import WebHost, web_host

__all__ = ["unhurried_disk"]


@pytest.fixture
def cast(isolated: Path, tmp_path: Path) -> Cast:
    """A studio that published two builds to a static store, and a player who has the first."""
    cast = Cast(tmp_path / "cast")
    studio, player = cast.studio(), cast.player()
    assert studio.result("init", studio.store, "--static")["static"] is True
    studio.publish("one")
    player.install(trust=studio.pin())
    studio.publish("two")
    return cast


@pytest.fixture
def timer(cast: Cast) -> Person:
    """A user of the system who got the online key of the game, and nothing else."""
    timer = cast.studio("timer")
    cast.studio().give(timer, "online")
    assert [path.name.partition("-")[0] for path in timer.keys.rglob("*") if path.is_file()] == ["online"]
    return timer


@pytest.fixture
def host(cast: Cast) -> Iterator[WebHost]:
    """A web host whose folder `games/of/ours` is a copy of the store."""
    with web_host(cast.folder / "www") as host:
        shutil.copytree(cast.store, cast.folder / "www" / "games" / "of" / "ours")
        yield host


def renewed(timer: Person, store: str = "") -> list[str]:
    (row,) = timer.refresh(store)["games"]
    assert row["error"] is None
    return row["renewed"]


# Copies


@pytest.mark.parametrize("place", ["stick", "web"])
def test_a_copy_serves_installs_and_updates(cast: Cast, host: WebHost, place: str) -> None:
    """Also to somebody who had the game from elsewhere, and after the original is gone."""
    where = {"stick": str(cast.keep("stick")), "web": f"{host.url}/games/of/ours"}[place]
    shutil.rmtree(cast.store)
    newcomer, player = cast.player("newcomer", where), cast.player(store=where)
    assert newcomer.install(trust=cast.studio().pin())["from"] is None
    assert player.update()["from"] == 1
    assert newcomer.has == player.has == "two"
    for each in (newcomer, player):
        assert each.result("update", str(each.game))["to"] == 2, "it remembers where it came from last"


def test_a_copy_that_is_made_again_serves_the_next_build(cast: Cast, host: WebHost) -> None:
    """Copied over the one before, as `rsync` does."""
    web = cast.player(store=f"{host.url}/games/of/ours")
    web.update()
    cast.studio().publish("three")
    shutil.copytree(cast.store, host.root / "games" / "of" / "ours", dirs_exist_ok=True)
    web.update()
    assert web.has == "three"


def test_a_copy_that_lags_behind_is_refused_by_who_saw_more(cast: Cast) -> None:
    """What is installed stays; a copy that has what was seen is good again."""
    stick = cast.keep("stick")
    player = cast.player()
    cast.studio().publish("three")
    player.update()
    player.store = str(stick)
    assert player.refuses() == (6, "metadata-rollback")
    shutil.copytree(cast.store, stick, dirs_exist_ok=True)
    assert player.finds_nothing_new()
    assert player.has == "three"


# A timer that has the online key alone


def test_a_timer_keeps_a_store_alive(cast: Cast, timer: Person) -> None:
    """For two years and a half, as long as the publisher's signatures last; then it says who has to sign."""
    player = cast.player()
    for _ in range(10):
        cast.clock.advance(90 * DAY)
        assert "timestamp" in renewed(timer)
        assert player.say("update", str(player.game))["to"] == 2
    cast.clock.advance(150 * DAY)
    done = timer("store", "refresh", timer.store)
    assert (done.exit, timer.warnings(done)) == (0, ["publisher-needed"])
    assert done.document["result"]["games"][0]["waiting"] == ["root", "targets", "builds"]
    cast.studio().refresh()
    cast.clock.advance(180 * DAY)
    renewed(timer)
    assert player.finds_nothing_new()
    cast.studio().publish("three")
    player.update()
    assert player.has == "three"


def test_without_a_timer_it_expires(cast: Cast, timer: Person) -> None:
    player = cast.player()
    player.update()
    cast.clock.advance(399 * DAY)
    assert player.finds_nothing_new()
    cast.clock.advance(2 * DAY)
    assert player.refuses() == (6, "metadata-expired")
    assert timer.refused("store", "refresh", timer.store) == (6, "metadata-expired")
    assert player("update", str(player.game), "--accept-stale").exit == 0
    timer.refresh("", "--accept-stale")
    assert player.finds_nothing_new()
    cast.studio().publish("three")
    player.update()
    assert player.has == "three"


def test_a_copy_can_be_renewed_where_it_lies(cast: Cast, timer: Person) -> None:
    """And after the next copy of the original, which its publisher went on with, all follow that."""
    stick = cast.keep("stick")
    player = cast.player(store=str(stick))
    player.update()
    for _ in range(2):
        cast.clock.advance(300 * DAY)
        renewed(timer, str(stick))
        assert player.finds_nothing_new()
        cast.studio().refresh()
    cast.studio().publish("three")
    shutil.copytree(cast.store, stick, dirs_exist_ok=True)
    player.update()
    assert player.has == "three"


def test_a_timer_does_not_sign_what_is_older_than_what_it_signed_before(cast: Cast, timer: Person) -> None:
    """Whoever may write to the store, and has no key, puts an old pointer back and waits for a fresh signature."""
    pointer = cast.store / "tuf" / GAME / "timestamp.json"
    old = pointer.read_bytes()
    renewed(timer)
    cast.studio().publish("three")
    renewed(timer)
    newest = pointer.read_bytes()
    pointer.write_bytes(old)
    assert timer.refused("store", "refresh", timer.store) == (6, "metadata-rollback")
    assert pointer.read_bytes() == old
    pointer.write_bytes(newest)
    assert renewed(timer) == ["timestamp"]
    player = cast.player()
    player.update()
    assert player.has == "three"


@pytest.mark.parametrize(("same_name", "code"), [(True, (6, "root-mismatch")), (False, (10, "other-registry"))])
def test_a_timer_signs_for_no_other_publisher(cast: Cast, timer: Person, same_name: bool, code: Refusal) -> None:
    """Who makes the game anew in its place, with keys of their own and the name of the registry, gets no signature."""
    renewed(timer)
    forged = cast.folder / "forged"
    thief = cast.studio("thief")
    thief.store = str(forged)
    if same_name:
        forged.mkdir()
        shutil.copy(cast.store / "lading.json", forged)
    thief.publish("of the thief")
    shutil.copy(cast.store / "lading.json", forged)
    kept = cast.keep("kept")
    cast.put_back(forged)
    assert timer.refused("store", "refresh", timer.store) == code
    cast.put_back(kept)
    assert renewed(timer) == ["timestamp"]
    player = cast.player()
    player.update()
    assert player.has == "two"
