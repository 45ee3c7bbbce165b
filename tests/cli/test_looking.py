"""Looking at what was published: games, builds, channels, files, differences."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tests.kit.command import Lading
from tests.kit.game import noise
from tests.kit.nginx import Nginx
from tests.kit.shop import Shop
from tests.kit.source import write


def publish_two(shop: Shop) -> None:
    write(
        shop.source,
        {"old.txt": b"old", "music.ogg": noise(100_000, "music"), "run.sh": b"#!/bin/sh\n", "a b/ü.txt": b"x"},
    )
    shop.publish("--version", "1.0", "--channel", "beta")
    (shop.source / "old.txt").unlink()
    (shop.source / "music.ogg").rename(shop.source / "a b" / "theme.ogg")
    (shop.source / "run.sh").chmod(0o755)
    pak = noise(200_000, "pak")
    write(shop.source, {"new.txt": b"new", "data.pak": pak[:100_000] + b"123" + pak[100_000:]})
    shop.publish("--version", "1.1")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Shop.made_once(tmp_path_factory.mktemp("two"), publish_two)


@pytest.fixture
def shop_of_two(shop: Shop, two: Path) -> Shop:
    """Build 1 on beta, build 2 on stable: a file added, one removed, one changed, one moved, one made executable."""
    return shop.copy(two)


def test_lists_and_shows(shop_of_two: Shop) -> None:
    shop = shop_of_two
    shop("game", "create", "another", "--scope", "shared")
    games = shop.result("game", "list")["games"]
    assert [(game["game"], game["scope"], game["builds"], game["newest"]) for game in games] == [
        ("another", "shared", 0, None),
        ("toy", "toy", 2, 2),
    ]
    assert [row["channel"] for row in shop.result("game", "show", "toy")["channels"]] == ["beta", "stable"]
    builds = shop.result("build", "list", "toy")["builds"]
    assert [(row["build"], row["version"], row["channels"]) for row in builds] == [
        (1, "1.0", ["beta"]),
        (2, "1.1", ["stable"]),
    ]
    assert shop.result("build", "list", "another")["builds"] == []
    depot = shop.result("build", "show", "toy@#1")["depots"]["main"]
    assert (depot["platform"], depot["files"], depot["installed_size"]) == ("any", 6, 300_019)
    assert shop.result("channel", "list", "another")["channels"] == []


@pytest.mark.parametrize(
    ("selector", "build"), [("toy", 2), ("toy@1.0", 1), ("toy@#1", 1), ("toy@@beta", 1), ("toy@@stable", 2)]
)
def test_selectors(shop_of_two: Shop, selector: str, build: int) -> None:
    assert shop_of_two.result("build", "show", selector)["build"] == build
    assert shop_of_two.result("ls", selector)["build"] == build


@pytest.mark.parametrize(
    ("selector", "code"),
    [
        ("toy@9.9", "build-missing"),
        ("toy@#9", "build-missing"),
        ("toy@@gamma", "channel-missing"),
        ("boy", "game-missing"),
    ],
)
def test_what_a_selector_does_not_find(shop_of_two: Shop, selector: str, code: str) -> None:
    missing = shop_of_two("build", "show", selector)
    assert (missing.exit, missing.document["error"]["code"]) == (5, code)


def test_a_channel_written_as_a_version_is_pointed_out(shop_of_two: Shop) -> None:
    missing = shop_of_two("build", "show", "toy@beta")
    assert missing.exit == 5
    assert "@beta" in missing.document["error"]["next"]


def test_a_game_without_the_stable_channel_shows_its_newest_build(shop: Shop) -> None:
    shop.publish("--no-channel")
    shop.publish("--channel", "beta")
    assert shop.result("build", "show", "toy")["build"] == 2


def test_ls(shop_of_two: Shop) -> None:
    rows = {row["path"]: row for row in shop_of_two.result("ls", "toy")["files"]}
    assert list(rows) == ["a b/theme.ogg", "a b/ü.txt", "data.pak", "new.txt", "readme.txt", "run.sh"]
    assert rows["run.sh"] == {
        "depot": "main",
        "path": "run.sh",
        "kind": "file",
        "size": 10,
        "executable": True,
        "blake3": rows["run.sh"]["blake3"],
    }
    under = shop_of_two.result("ls", "toy", "a b/")["files"]
    assert [row["path"] for row in under] == ["a b/theme.ogg", "a b/ü.txt"]
    for words in (["toy", "a"], ["toy", "nothing"], ["toy", "--depot", "dlc"]):
        assert shop_of_two("ls", *words).exit == 5


@pytest.mark.parametrize("path", ["data.pak", "a b/ü.txt", "run.sh"])
def test_cat_writes_the_bytes_and_nothing_else(shop_of_two: Shop, lading: Lading, path: str) -> None:
    finished = lading("cat", "toy", path, "--store", str(shop_of_two.store))
    assert (finished.exit, finished.stderr) == (0, "")
    assert finished.raw == (shop_of_two.source / path).read_bytes()
    described = shop_of_two.result("cat", "toy", path)
    assert described["size"] == len(finished.raw)


def test_cat_of_what_is_no_file(shop_of_two: Shop) -> None:
    for path in ("nothing", "a b", "old.txt"):
        missing = shop_of_two("cat", "toy", path)
        assert (missing.exit, missing.document["error"]["code"]) == (5, "file-missing")


def test_cat_gives_out_no_byte_that_is_wrong(shop: Shop, lading: Lading) -> None:
    shop.publish()
    (pack,) = (shop.store / "s" / "toy" / "packs").rglob("?" * 64)
    data = bytearray(pack.read_bytes())
    data[1000] ^= 1
    pack.write_bytes(data)
    damaged = lading("cat", "toy", "data.pak", "--store", str(shop.store))
    assert (damaged.exit, damaged.raw) == (6, b"")
    assert "bad-chunk" in damaged.stderr
    assert str(pack.name) in damaged.stderr


def test_files_of_two_depots_under_one_path(shop: Shop, lading: Lading) -> None:
    for platform in ("linux", "windows"):
        write(shop.source, {"readme.txt": f"for {platform}"})
        shop.publish("--depot", platform, "--platform", platform)
    doubtful = shop("cat", "toy", "readme.txt")
    assert (doubtful.exit, doubtful.document["error"]["code"]) == (2, "file-ambiguous")
    chosen = lading("cat", "toy", "readme.txt", "--depot", "linux", "--store", str(shop.store))
    assert chosen.raw == b"for linux"
    assert [row["depot"] for row in shop.result("ls", "toy", "readme.txt")["files"]] == ["linux", "windows"]


def test_diff(shop_of_two: Shop) -> None:
    found = shop_of_two.result("diff", "toy", "1.0", "@stable")
    assert found["files"] == {"added": 1, "removed": 1, "changed": 2, "moved": 1}
    assert found["paths"] == {
        "added": ["new.txt"],
        "removed": ["old.txt"],
        "changed": ["data.pak", "run.sh"],
        "moved": [{"from": "music.ogg", "to": "a b/theme.ogg"}],
    }
    assert 0 < found["download_bytes"] < 150_000
    assert (found["requests"], found["chunks"]) == (1, 2)
    nothing = shop_of_two.result("diff", "toy", "#2", "#2")
    assert (nothing["download_bytes"], nothing["requests"], nothing["chunks"]) == (0, 0, 0)
    assert shop_of_two.result("diff", "toy", "#2", "#1")["files"] == {
        "added": 1,
        "removed": 1,
        "changed": 2,
        "moved": 1,
    }


def test_diff_counts_depots_that_come_and_go(shop: Shop) -> None:
    shop.publish("--depot", "base")
    write(shop.source, {"readme.txt": b"other"})
    shop.publish("--depot", "dlc", "--parent", "none")
    found = shop.result("diff", "toy", "#1", "#2")
    assert found["files"] == {"added": 2, "removed": 2, "changed": 0, "moved": 0}
    only = shop.result("diff", "toy", "#1", "#2", "--depot", "dlc")
    assert only["files"] == {"added": 2, "removed": 0, "changed": 0, "moved": 0}
    assert shop("diff", "toy", "#1", "#2", "--depot", "nope").exit == 5


def test_a_channel_is_moved_by_hand(shop_of_two: Shop) -> None:
    shop = shop_of_two
    moved = shop.result("channel", "set", "toy", "stable", "--build", "1", "--minimum", "1")
    assert (moved["build"], moved["previous"], moved["minimum"], moved["rollout"]) == (1, 2, 1, 100)
    rolled = shop.result("channel", "set", "toy", "stable", "--rollout", "12.5")
    assert (rolled["rollout"], rolled["changed"]) == (12.5, True)
    assert shop("channel", "set", "toy", "stable", "--rollout", "12.5", "--exit-code").exit == 3
    for share in ("nan", "inf", "-inf", "101", "0.001"):
        assert shop("channel", "set", "toy", "stable", f"--rollout={share}").document["error"]["code"] == "usage"
    assert shop("channel", "set", "toy", "stable", "--build", "77").exit == 5
    assert shop("channel", "set", "toy", "stable", "--minimum", "2").exit == 2
    assert shop.result("channel", "show", "toy", "stable")["build"] == 1


def test_a_web_host_shows_the_same(shop_of_two: Shop, lading: Lading, nginx: Callable[..., Nginx]) -> None:
    """A store behind any web host serves everything but a list of its games."""
    url = nginx(shop_of_two.store).url
    for words in (["build", "list", "toy"], ["ls", "toy"], ["diff", "toy", "#1", "#2"], ["channel", "list", "toy"]):
        far = lading(*words, "--store", url, "--json")
        assert far.document["result"] == shop_of_two.result(*words)
    pak = lading("cat", "toy", "data.pak", "--store", url).raw
    assert sha256(pak).digest() == sha256((shop_of_two.source / "data.pak").read_bytes()).digest()
    listed = lading("game", "list", "--store", url, "--json")
    assert (listed.exit, listed.document["error"]["code"]) == (2, "store-not-listable")


@pytest.mark.parametrize(
    "words",
    [
        ["game", "list"],
        ["game", "show", "toy"],
        ["build", "list", "toy"],
        ["build", "show", "toy"],
        ["channel", "list", "toy"],
        ["channel", "set", "toy", "new", "--build", "1"],
        ["ls", "toy"],
        ["diff", "toy", "#1", "#2"],
    ],
    ids=" ".join,
)
def test_people_read_text(shop_of_two: Shop, lading: Lading, words: list[str]) -> None:
    finished = lading(*words, "--store", str(shop_of_two.store))
    assert finished.exit == 0
    assert "toy" in finished.stdout or "1.1" in finished.stdout or "data.pak" in finished.stdout
    assert "{" not in finished.stdout
