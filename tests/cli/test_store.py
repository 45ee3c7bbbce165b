"""`lading store check` finds what is missing or damaged, says whom it hurts, and its advice works; `stats` adds up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.command import Lading
from tests.kit.game import noise
from tests.kit.shop import Shop
from tests.kit.source import write


def publish_three(shop: Shop) -> None:
    shop.publish("--version", "1.0", "--notes", str(write(shop.source.parent, {"notes": "n" * 2000}) / "notes"))
    write(shop.source, {"two.bin": noise(100_000, "two")})
    shop.publish("--version", "2.0")
    (shop.source / "two.bin").unlink()
    shop.publish("--version", "3.0")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Shop.made_once(tmp_path_factory.mktemp("three"), publish_three)


@pytest.fixture
def shop_of_three(shop: Shop, three: Path) -> Shop:
    """Builds 1 and 3 hold the same; build 2 has a file that the others lack, in a pack of its own."""
    return shop.copy(three)


def damaged(shop: Shop, *words: str) -> list[tuple[str, str, list[int | None]]]:
    """The problems: folder of the object, code, builds that it hurts."""
    checked = shop.check(*words)
    problems = checked.document["result"]["problems"]
    assert checked.exit == (6 if problems else 0)
    assert all(problem["message"] and problem["next"] for problem in problems)
    return [
        (problem["key"].split("/")[2], problem["code"], [row["build"] for row in problem["builds"]])
        for problem in problems
    ]


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    changes: dict[str, Callable[[], bytes]] = {
        "bit": lambda: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        "cut": lambda: data[:-10],
        "longer": lambda: data + b"more",
        "empty": lambda: b"",
    }
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(changes[how]())


def pack_of(shop: Shop, *, smallest: bool) -> Path:
    packs = sorted((shop.store / "s/toy/packs").rglob("?" * 64), key=lambda path: path.stat().st_size)
    assert len(packs) == 2
    return packs[0 if smallest else 1]


def test_a_whole_store_is_whole(shop_of_three: Shop) -> None:
    result = shop_of_three.check().document["result"]
    counts = {key: result[key] for key in ("games", "builds", "manifests", "packs")}
    assert counts == {"games": 1, "builds": 3, "manifests": 2, "packs": 2}
    assert result["bytes"] == sum(len(data) for key, data in shop_of_three.objects().items() if "/packs/" in key)
    assert shop_of_three.check("--quick").document["result"]["bytes"] == 0


@pytest.mark.parametrize("how", ["bit", "cut", "longer", "empty", "gone"])
@pytest.mark.parametrize(("smallest", "builds"), [(True, [2]), (False, [1, 2, 3])])
def test_a_damaged_pack_hurts_the_builds_that_need_it(
    shop_of_three: Shop, how: str, smallest: bool, builds: list[int]
) -> None:
    spoil(pack_of(shop_of_three, smallest=smallest), how)
    code = {"bit": "bad-chunk", "gone": "object-missing"}.get(how, "bad-pack")
    assert damaged(shop_of_three) == [("packs", code, builds)]


@pytest.mark.parametrize("folder", ["manifests", "heads", "placements", "diffs", "notes"])
@pytest.mark.parametrize("how", ["bit", "cut", "gone"])
def test_every_other_object_is_looked_at(shop_of_three: Shop, folder: str, how: str) -> None:
    objects = sorted(path for path in (shop_of_three.store / "s/toy" / folder).rglob("*") if path.is_file())
    for path in objects:
        data = path.read_bytes()
        spoil(path, how)
        found = damaged(shop_of_three, "--quick")
        if how != "bit" or folder != "heads":  # a head may still be one with another number in it
            assert [where for where, _, _ in found] == [folder]
            assert found[0][2]
        path.write_bytes(data)
    assert damaged(shop_of_three) == []


def test_a_damaged_pointer_hides_the_whole_game(shop_of_three: Shop) -> None:
    shop_of_three("game", "create", "other")
    spoil(shop_of_three.store / "tuf/toy/timestamp.json", "cut")
    assert damaged(shop_of_three) == [("timestamp.json", "bad-metadata", [None])]


@pytest.mark.parametrize("how", ["bit", "cut", "longer", "gone"])
@pytest.mark.parametrize("name", ["1.targets.json", "4.builds.json", "4.channels.json", "4.snapshot.json", "4.bundle"])
def test_signed_files_are_looked_at_though_this_machine_knows_them(shop_of_three: Shop, name: str, how: str) -> None:
    """Who has verified them once reads the timestamp only, and would not notice; strangers would."""
    assert damaged(shop_of_three) == []
    spoil(shop_of_three.store / "tuf/toy" / name, how)
    codes = {"gone": "object-missing", "longer": "object-too-large"}
    wrong, hurts = ("bad-metadata", [None]) if name.endswith(".json") else ("bad-bundle", [])
    code = "bad-bundle" if (how, hurts) == ("longer", []) else codes.get(how, wrong)
    assert damaged(shop_of_three, "--quick") == [(name, code, hurts)]


@pytest.mark.parametrize("how", ["bit", "gone"])
def test_the_first_root_is_looked_at(shop_of_three: Shop, how: str) -> None:
    spoil(shop_of_three.store / "tuf/toy/1.root.json", how)
    assert damaged(shop_of_three, "--quick")


def test_a_lost_pointer_is_named_and_no_publish_begins_the_game_anew(shop_of_three: Shop) -> None:
    pointer = shop_of_three.store / "tuf/toy/timestamp.json"
    kept = pointer.read_bytes()
    spoil(pointer, "gone")
    before = shop_of_three.objects()
    assert damaged(shop_of_three) == [("timestamp.json", "pointer-lost", [None])]
    for refused in (
        shop_of_three.publish("--version", "1.0"),
        shop_of_three("game", "create", "toy"),
        shop_of_three("build", "list", "toy"),
    ):
        assert (refused.exit, refused.document["error"]["code"]) == (6, "pointer-lost")
        assert "timestamp.json" in refused.document["error"]["next"]
    assert shop_of_three.objects() == before
    pointer.write_bytes(kept)
    assert damaged(shop_of_three) == []


def test_two_swapped_packs_are_both_named(shop_of_three: Shop) -> None:
    one, two = pack_of(shop_of_three, smallest=True), pack_of(shop_of_three, smallest=False)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert sorted(damaged(shop_of_three)) == [("packs", "bad-pack", [1, 2, 3]), ("packs", "bad-pack", [2])]


def test_a_placement_that_points_to_wrong_bytes(shop_of_three: Shop) -> None:
    """Of two builds' placements one is given to the other: every object is whole, and yet they do not fit."""
    heads = sorted((shop_of_three.store / "s/toy/heads").iterdir())
    one, two = (path.read_bytes() for path in heads)
    heads[0].write_bytes(two)
    heads[1].write_bytes(one)
    found = damaged(shop_of_three)
    assert {folder for folder, _, _ in found} == {"placements"}
    assert sorted(build for _, _, builds in found for build in builds if build) == [1, 2, 3]


@pytest.mark.parametrize("how", ["bit", "gone"])
def test_the_advice_mends_the_build(shop_of_three: Shop, lading: Lading, how: str) -> None:
    """Delete the object, publish again from the folder with --rescan: the build is whole, with its own number."""
    shop = shop_of_three
    for pack in [pack_of(shop, smallest=True), pack_of(shop, smallest=False)]:
        spoil(pack, how)
        pack.unlink(missing_ok=True)
    assert sorted(builds for _, _, builds in damaged(shop)) == [[1, 2, 3], [2]]
    again = shop.publish("--version", "3.0", "--rescan").document["result"]
    assert (again["build"], again["new_chunks"] > 0) == (3, True)
    assert [builds for _, _, builds in damaged(shop)] in ([[2], [2]], [[2]])
    assert lading("cat", "toy", "data.pak", "--store", str(shop.store)).raw == noise(200_000, "pak")
    write(shop.source, {"two.bin": noise(100_000, "two")})
    shop.publish("--version", "2.0", "--rescan")
    assert damaged(shop) == []


def test_metadata_is_mended_by_publishing_again(shop_of_three: Shop) -> None:
    shop = shop_of_three
    for folder in ("manifests", "heads", "placements", "diffs"):
        for path in (shop.store / "s/toy" / folder).rglob("*"):
            if path.is_file():
                spoil(path, "cut")
    assert {folder for folder, _, _ in damaged(shop, "--quick")} == {"manifests", "heads"}
    write(shop.source, {"two.bin": noise(100_000, "two")})
    assert shop.publish("--version", "2.0", "--rescan").exit == 0
    (shop.source / "two.bin").unlink()
    assert shop.publish("--version", "3.0", "--rescan").exit == 0
    assert damaged(shop) == []
    (notes,) = (shop.store / "s/toy/notes").iterdir()
    notes.write_bytes(b"spoiled")
    assert damaged(shop) == [("notes", "wrong-payload", [1])]
    (shop.source.parent / "notes").write_text("n" * 2000)
    assert shop.publish("--version", "1.0", "--rescan", "--notes", str(shop.source.parent / "notes")).exit == 0
    assert damaged(shop) == []


def test_people_are_told_what_to_do(shop_of_three: Shop, lading: Lading) -> None:
    pack = pack_of(shop_of_three, smallest=True)
    pack.unlink()
    told = lading("store", "check", str(shop_of_three.store))
    assert told.exit == 6
    assert pack.name in told.stdout
    assert "toy #2" in told.stdout
    assert "--rescan" in told.stdout


def test_stats_add_up(shop_of_three: Shop) -> None:
    shop = shop_of_three
    orphan = shop.store / "s/toy/packs/00" / ("0" * 64)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x" * 1000)
    found, objects = shop.stats(), shop.objects()
    packs = [data for key, data in objects.items() if "/packs/" in key]
    assert found["builds"] == 3
    assert found["logical_bytes"] == 3 * 200_005 + 100_000
    assert found["unique_bytes"] == 300_005
    assert found["stored_bytes"] == sum(map(len, objects.values()))
    assert found["dedup_ratio"] == round(found["logical_bytes"] / found["stored_bytes"], 3)
    assert (found["packs"], found["pack_bytes"]) == (3, sum(map(len, packs)))
    assert (found["orphan_packs"], found["orphan_bytes"]) == (1, 1000)
    (game,) = found["games"]
    assert (game["game"], game["builds"], game["logical_bytes"]) == ("toy", 3, found["logical_bytes"])
    (channel,) = found["channels"]
    assert (channel["channel"], channel["builds"], channel["unique_bytes"]) == ("stable", 1, 200_005)
    assert 200_000 < channel["download_bytes"] < found["pack_bytes"]


def test_games_of_one_scope_share_their_chunks_and_are_weighed_together(shop: Shop) -> None:
    for game in ("one", "two"):
        shop("game", "create", game, "--scope", "shared")
        assert shop("publish", str(shop.source), game).exit == 0
    found = shop.stats()
    assert (found["builds"], found["logical_bytes"], found["unique_bytes"]) == (2, 400_010, 200_005)
    assert found["packs"] == 1
    assert damaged(shop) == []


def test_an_empty_store(shop: Shop, lading: Lading) -> None:
    lading("init", str(shop.store))
    assert shop.stats()["dedup_ratio"] == 0
    assert shop.check().document["result"]["games"] == 0
