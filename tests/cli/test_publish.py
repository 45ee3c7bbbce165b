"""`lading publish` and its neighbours, as a user calls them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chunkstore.opening import open_store
from chunkstore.store import ObjectStore
from chunkstore.wrappers.fault import Fault, FaultyStore
from tests.kit.command import Lading
from tests.kit.game import noise
from tests.kit.shop import Shop
from tests.kit.source import write

ROOT = Path(__file__).parents[2]


KEYS = {
    *("game", "build", "version", "channel", "depot", "manifest", "files", "source_bytes", "chunks"),
    *("new_chunks", "new_bytes", "stored_bytes", "packs", "requests", "seconds"),
}


def test_the_second_publish_stores_no_chunk(shop: Shop) -> None:
    first = shop.publish().document["result"]
    packs = {key: data for key, data in shop.objects().items() if "/packs/" in key}
    second = shop.publish().document["result"]
    assert set(first) >= KEYS
    assert (first["build"], first["version"], first["channel"], first["depot"]) == (1, "1", "stable", "main")
    assert (first["files"], first["source_bytes"], first["new_bytes"]) == (2, 200_005, 200_005)
    assert (second["build"], second["new_chunks"], second["stored_bytes"], second["packs"]) == (2, 0, 0, 0)
    assert {key: data for key, data in shop.objects().items() if "/packs/" in key} == packs


def test_nothing_to_do(shop: Shop) -> None:
    shop.publish("--version", "1.0")
    assert shop.publish("--version", "1.0").exit == 0
    assert shop.publish("--if-changed").exit == 0
    unchanged = shop.publish("--if-changed", "--exit-code")
    assert (unchanged.exit, unchanged.document["ok"], unchanged.document["result"]["build"]) == (3, True, 1)


def test_a_version_with_other_content_is_taken(shop: Shop) -> None:
    shop.publish("--version", "1.0")
    before = shop.objects()["tuf/toy/timestamp.json"]
    write(shop.source, {"readme.txt": b"other"})
    taken = shop.publish("--version", "1.0")
    assert (taken.exit, taken.document["error"]["code"]) == (10, "version-taken")
    assert shop.objects()["tuf/toy/timestamp.json"] == before


def test_a_dry_run_tells_the_same_and_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    told = shop.publish("--dry-run").document["result"]
    assert not shop.store.exists()
    assert not (tmp_path / "state").exists()
    done = shop.publish().document["result"]
    assert {key: told[key] for key in KEYS - {"requests"}} == {key: done[key] for key in KEYS - {"requests"}}
    objects = shop.objects()
    write(shop.source, {"readme.txt": b"other"})
    assert shop.publish("--dry-run").document["result"]["new_chunks"] == 1
    for words in (["game", "create", "other"], ["channel", "set", "toy", "beta", "--build", "1"]):
        assert shop(*words, "--dry-run").exit == 0
    assert shop.objects() == objects


@pytest.mark.parametrize("words", [["publish", "SOURCE", "toy"], ["game", "create", "toy"], ["init", "STORE"]])
def test_a_store_is_made_of_nothing_or_an_empty_folder_only(shop: Shop, lading: Lading, words: list[str]) -> None:
    words = [word.replace("SOURCE", str(shop.source)).replace("STORE", str(shop.store)) for word in words]
    words += [] if words[0] == "init" else ["--store", str(shop.store)]
    shop.store.mkdir()
    (shop.store / "my letters.txt").touch()
    refused = lading(*words, "--json")
    assert (refused.exit, refused.document["error"]["code"]) == (10, "store-occupied")
    assert os.listdir(shop.store) == ["my letters.txt"]
    (shop.store / "my letters.txt").unlink()
    assert lading(*words).exit == 0
    assert (shop.store / "lading.json").exists()


def test_init_leaves_a_store_as_it_is(lading: Lading, shop: Shop) -> None:
    first = lading("init", str(shop.store), "--json").document["result"]
    again = lading("init", str(shop.store), "--json", "--exit-code")
    assert (first["created"], again.exit, again.document["result"]["created"]) == (True, 3, False)
    assert again.document["result"]["registry"] == first["registry"]


READING = [
    ["game", "list"],
    ["game", "show", "toy"],
    ["build", "list", "toy"],
    ["build", "show", "toy"],
    ["channel", "list", "toy"],
    ["channel", "show", "toy", "stable"],
    ["ls", "toy"],
    ["cat", "toy", "readme.txt"],
    ["diff", "toy", "#1", "#1"],
]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_what_is_no_store_and_what_is_not_there(shop: Shop, words: list[str]) -> None:
    missing = shop(*words)
    assert (missing.exit, missing.document["error"]["code"]) == (10, "not-a-store")
    assert not shop.store.exists()
    shop("game", "create", "another")
    absent = shop(*words)
    assert absent.exit == (0 if words == ["game", "list"] else 5)


@pytest.mark.parametrize("words", [*READING, ["publish", "SOURCE", "toy"], ["game", "create", "x"]], ids=" ".join)
def test_a_store_of_a_newer_format_is_left_alone(shop: Shop, words: list[str]) -> None:
    shop.publish()
    document = (shop.store / "lading.json").read_text()
    (shop.store / "lading.json").write_text(document.replace('"format":1', '"format":99'))
    before = shop.objects()
    refused = shop(*(word.replace("SOURCE", str(shop.source)) for word in words))
    assert (refused.exit, refused.document["error"]["code"]) == (7, "newer-store")
    assert shop.objects() == before


@pytest.mark.parametrize(
    "words", [["publish", "SOURCE", "toy"], ["game", "create", "toy"], ["channel", "set", "toy", "beta"]], ids=" ".join
)
def test_a_web_host_can_only_be_read(lading: Lading, shop: Shop, words: list[str]) -> None:
    words = [word.replace("SOURCE", str(shop.source)) for word in words]
    refused = lading(*words, "--store", "http://127.0.0.1:9/store", "--json")
    assert (refused.exit, refused.document["error"]["code"]) == (2, "store-read-only")


@pytest.mark.parametrize("words", [["game", "list"], ["publish", "SOURCE", "toy"]], ids=" ".join)
def test_a_store_has_to_be_named(lading: Lading, shop: Shop, words: list[str]) -> None:
    refused = lading(*(word.replace("SOURCE", str(shop.source)) for word in words), "--json")
    assert (refused.exit, refused.document["error"]["code"]) == (2, "usage")
    assert "LADING_STORE" in refused.document["error"]["next"]


@pytest.mark.parametrize(
    ("store", "state"), [("s", "s/state"), ("source/s", "state"), ("s", "source/state"), ("source", "x")]
)
def test_store_source_and_state_lie_apart(
    shop: Shop, lading: Lading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, state: str
) -> None:
    """A copied store holds no key, and no build holds one: private files never lie under either."""
    monkeypatch.setenv("LADING_STATE_DIR", str(tmp_path / state))
    before = sorted(tmp_path.rglob("*"))
    refused = lading("publish", str(shop.source), "toy", "--store", str(tmp_path / store), "--json")
    assert (refused.exit, refused.document["error"]["code"]) == (2, "folders-entangled")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_source_makes_no_store(shop: Shop) -> None:
    missing = shop("publish", str(shop.source / "nowhere"), "toy")
    assert (missing.exit, missing.document["error"]["code"]) == (5, "source-missing")
    assert not shop.store.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--channel", "beta", "--no-channel"], "usage"),
        (["--parent", "last"], "usage"),
        (["--platform", "amiga"], "usage"),
        (["--channel", "Beta"], "bad-name"),
        (["--version", "@beta"], "bad-name"),
        (["--depot", "../x"], "bad-name"),
        (["--chunk-average", "1000"], "bad-cut-parameters"),
        (["--notes", "BINARY"], "bad-notes"),
    ],
)
def test_words_that_mean_nothing(shop: Shop, tmp_path: Path, words: list[str], code: str) -> None:
    (tmp_path / "BINARY").write_bytes(b"\xff\xfe")
    refused = shop.publish(*(str(tmp_path / word) if word == "BINARY" else word for word in words))
    assert (refused.exit, refused.document["error"]["code"]) == (2, code)


def test_the_folder_may_say_what_it_is(shop: Shop) -> None:
    write(shop.source, {"lading.toml": 'game = "frost"\n[[depot]]\nname = "linux"\nplatform = "linux"\n'})
    result = shop.result("publish", str(shop.source))
    assert (result["game"], result["depot"], result["files"]) == ("frost", "linux", 2)
    (shop.source / "lading.toml").unlink()
    nameless = shop("publish", str(shop.source))
    assert (nameless.exit, nameless.document["error"]["code"]) == (2, "usage")


def test_notes_are_shown_short_or_long(shop: Shop, tmp_path: Path) -> None:
    for notes in ("short", "long line\n" * 500):
        (tmp_path / "notes").write_text(notes)
        shop.publish("--notes", str(tmp_path / "notes"), "--critical")
        shown = shop.result("build", "show", "toy")
        assert (shown["notes"], shown["critical"]) == (notes, True)
    (tmp_path / "notes").write_bytes(b"x" * (1024 * 1024 + 1))
    assert shop.publish("--notes", str(tmp_path / "notes")).document["error"]["code"] == "bad-notes"


class Killed(BaseException):
    """The process is gone at this call."""


def _dying(verb: str, call: int, *, done: bool) -> Fault:
    def answer(work: Any) -> Any:
        if done:
            work()
        raise Killed

    return Fault(verb, call, answer)


@dataclass
class Fate:
    """What befalls every store that is opened, and how often the last one was written to."""

    script: list[Fault] = field(default_factory=list)
    last: FaultyStore | None = None

    def writes(self, verb: str) -> int:
        assert self.last is not None
        return self.last.calls(verb)


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Fate:
    """Stores that the command line opens fail as `fate.script` says."""
    fate = Fate()

    def open_faulty(*words: Any, **more: Any) -> ObjectStore:
        fate.last = FaultyStore(open_store(*words, **more), fate.script)
        return fate.last

    monkeypatch.setattr("cli.compose.open_store", open_faulty)
    return fate


def test_killed_at_any_write_the_old_build_stays_and_the_same_command_goes_on(
    shop: Shop, fate: Fate, tmp_path: Path
) -> None:
    """Before the pointer moves players see the old build, after it the new one; nothing in between, nothing lost."""
    shop.publish("--version", "1.0")
    write(shop.source, {"data.pak": noise(200_000, "other pak"), "new.txt": b"new"})
    pristine = tmp_path / "pristine"
    for name in ("store", "state"):
        shutil.copytree(tmp_path / name, pristine / name)
    shop.publish("--version", "2.0")
    writes = [(verb, call) for verb in ("put", "replace") for call in range(1, fate.writes(verb) + 1)]
    assert len(writes) >= 9
    for verb, call in writes:
        for done in (False, True):
            for name in ("store", "state"):
                shutil.rmtree(tmp_path / name)
                shutil.copytree(pristine / name, tmp_path / name)
            fate.script[:] = [_dying(verb, call, done=done)]
            with pytest.raises(Killed):
                shop.publish("--version", "2.0")
            fate.script.clear()
            _check_old_or_new(shop)
            assert shop.publish("--version", "2.0").exit == 0
            assert shop.result("build", "show", "toy")["version"] == "2.0"
            assert shop.result("ls", "toy", "new.txt")["files"][0]["size"] == 3


def _check_old_or_new(shop: Shop) -> None:
    builds = [row for row in shop.result("build", "list", "toy")["builds"] if row["state"] == "live"]
    assert [build["version"] for build in builds] in (["1.0"], ["1.0", "2.0"])
    present = shop.result("channel", "show", "toy", "stable")["version"]
    assert present == builds[-1]["version"]
    checked = shop.check()
    assert (checked.exit, checked.document["result"]["problems"]) == (0, [])


MURDER = """
import os, signal, sys
from chunkstore.stores.folder import FolderStore

left = int(sys.argv.pop(1))

def deadly(method):
    def call(*words, **more):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*words, **more)
    return call

FolderStore.put, FolderStore.replace = deadly(FolderStore.put), deadly(FolderStore.replace)
from cli.main import main
main()
"""


@pytest.mark.parametrize("writes", [1, 4, 7])
def test_a_process_that_is_really_killed(shop: Shop, tmp_path: Path, writes: int) -> None:
    shop.publish("--version", "1.0")
    write(shop.source, {"data.pak": noise(200_000, "other pak"), "new.txt": b"new"})
    words = ["publish", str(shop.source), "toy", "--version", "2.0", "--store", str(shop.store)]
    environ = os.environ | {"LADING_STATE_DIR": str(tmp_path / "state")}
    killed = subprocess.run([sys.executable, "-c", MURDER, str(writes), *words], cwd=ROOT, env=environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    _check_old_or_new(shop)
    assert shop.result("build", "show", "toy")["version"] == "1.0"
    again = shop.publish("--version", "2.0")
    assert again.document["result"]["version"] == "2.0"
