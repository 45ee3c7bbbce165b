"""A store is a folder that can be copied anywhere: no secret in it, nothing of one machine, and it serves as it is."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.kit.command import lading
from tests.kit.game import write_build
from tests.kit.nginx import Nginx
from tests.kit.published import GAME, Published
from tests.kit.trees import assert_same_tree, tar_digest

HEX = "[0-9a-f]"
ID = f"{HEX}{{64}}"
# Every key that the formats give to a store; `.tmp/lock` is a folder store's own and empty.
KEYS = (
    r"lading\.json",
    rf"s/{GAME}/(?:packs|manifests)/({HEX}{{2}})/\1{HEX}{{62}}",
    rf"s/{GAME}/(?:placements|diffs|heads|notes)/{ID}",
    rf"s/{GAME}/games/{GAME}",
    rf"tuf/{GAME}/(?:timestamp\.json|voucher)",
    rf"tuf/{GAME}/[1-9][0-9]*\.(?:root|targets|builds|channels|snapshot)\.json",
    rf"tuf/{GAME}/[1-9][0-9]*\.bundle",
    rf"tuf/{GAME}/candidates/[1-9][0-9]*",
    r"\.tmp/lock",
)
SECRET = "correct-horse-battery-staple"


@pytest.fixture
def copy(published: Published, tmp_path: Path) -> Path:
    """The store under another name; the original is gone."""
    place = tmp_path / "stick" / "a copy of the store"
    shutil.copytree(published.store, place)
    shutil.rmtree(published.store)
    return place


def test_it_holds_what_the_formats_name_and_nothing_else(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 8, also where a publisher's environment is full of secrets."""
    for name in ("LADING_TOKEN", "LADING_KEY_PASSPHRASE"):
        monkeypatch.setenv(name, SECRET)
    notes = tmp_path / "notes.md"
    notes.write_text("long notes\n" * 200)
    source = write_build(tmp_path / "source", 1)
    words = ["publish", str(source), GAME, "--store", str(published.store), "--notes", str(notes), "--version", "4.0"]
    assert lading(*words).exit == 0

    files = [path for path in published.store.rglob("*") if not path.is_dir()]
    keys = {path: path.relative_to(published.store).as_posix() for path in files}
    assert [key for key in keys.values() if not any(re.fullmatch(form, key) for form in KEYS)] == []
    assert not any(path.is_symlink() for path in files)
    assert (published.store / ".tmp" / "lock").stat().st_size == 0
    foreign = [word.encode() for word in (SECRET, str(tmp_path), str(published.sources))]
    private = list(private_halves(published.state))
    assert len(private) == 4 * 3  # root, builds, online, and the registry's own
    assert [key for path, key in keys.items() if any(word in path.read_bytes() for word in foreign + private)] == []


def private_halves(state: Path) -> Iterator[bytes]:
    """Each private key that signed the store, as it might have slipped into it."""
    for file in state.glob("*/keys/**/*.json"):
        body = json.loads(file.read_bytes())["pem"].splitlines()[1]
        raw = b64decode(body)[-32:]
        yield from (body.encode(), raw, raw.hex().encode())


@pytest.mark.parametrize("build", [1, 3])
def test_it_serves_installs(published: Published, copy: Path, tmp_path: Path, build: int) -> None:
    target, before = tmp_path / "game", tar_digest(copy)
    assert lading("install", GAME, "--into", str(target), "--store", str(copy), "--build", str(build)).exit == 0
    assert_same_tree(target, published.source(build))
    assert tar_digest(copy) == before


@pytest.mark.parametrize("way", ["pin", "registry", "first-use", "none"])
def test_it_serves_installs_to_strangers_who_say_whom_they_trust(
    published: Published, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A machine that has never seen the publisher; what it decided holds for every later command."""
    (pin,) = (file.read_text() for file in published.state.glob(f"*/keys/{GAME}/pin"))
    (registry,) = (json.loads(file.read_bytes()) for file in published.state.glob("*/keys/_registry.json"))
    vouched = "registry:sha256:" + sha256(bytes.fromhex(registry["public"])).hexdigest()
    monkeypatch.setenv("LADING_STATE_DIR", str(tmp_path / "state of a stranger"))
    target, said = tmp_path / "game", {"pin": pin, "registry": vouched, "first-use": way}
    words = ["--trust", said[way]] if way in said else []
    done = lading("install", GAME, "--into", str(target), "--store", str(copy), "--build", "1", *words, "--json")
    if way == "none":
        assert (done.exit, done.document["error"]["code"]) == (6, "trust-needed")
        assert done.document["error"]["data"]["root"] == pin
        assert not target.exists()
        return
    assert done.exit == 0
    assert lading("update", str(target)).exit == 0
    assert_same_tree(target, published.source(3))


LACKING: dict[str, tuple[int, str]] = {
    "1.root.json": (6, "metadata-missing"),
    "*.snapshot.json *.bundle": (6, "metadata-missing"),
    "1.targets.json *.bundle": (6, "metadata-missing"),
    "timestamp.json": (6, "pointer-lost"),
}


@pytest.mark.parametrize("files", LACKING)
@pytest.mark.parametrize("trust", ["first-use", "pin"])
def test_a_copy_in_part_is_named(
    published: Published, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str, trust: str
) -> None:
    (pin,) = (file.read_text() for file in published.state.glob(f"*/keys/{GAME}/pin"))
    monkeypatch.setenv("LADING_STATE_DIR", str(tmp_path / "state of a stranger"))
    for path in [path for form in files.split() for path in (copy / "tuf" / GAME).glob(form)]:
        path.unlink()
    said, target = pin if trust == "pin" else trust, tmp_path / "game"
    done = lading("install", GAME, "--into", str(target), "--store", str(copy), "--trust", said, "--json")
    assert (done.exit, done.document["error"]["code"]) == LACKING[files]
    assert not target.exists()


def test_a_copy_without_bundles_serves(published: Published, copy: Path, tmp_path: Path) -> None:
    """They save requests, and nothing else."""
    for path in (copy / "tuf" / GAME).glob("*.bundle"):
        path.unlink()
    assert lading("install", GAME, "--into", str(tmp_path / "game"), "--store", str(copy)).exit == 0
    assert_same_tree(tmp_path / "game", published.source(3))


@pytest.mark.parametrize("end", ["", "/"])
def test_it_serves_installs_from_a_folder_of_a_web_host(
    published: Published, copy: Path, tmp_path: Path, nginx: Callable[[Path], Nginx], end: str
) -> None:
    target, address = tmp_path / "game", nginx(tmp_path).url + "/stick/a%20copy%20of%20the%20store" + end
    assert lading("install", GAME, "--into", str(target), "--store", address, "--build", "1").exit == 0
    assert lading("update", str(target)).exit == 0
    assert_same_tree(target, published.source(3))


def test_an_installation_follows_to_the_copy(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--store` is recorded: the next command needs no word of it. The environment cannot lead it astray."""
    target, copy = tmp_path / "game", tmp_path / "copy"
    assert lading("install", GAME, "--into", str(target), "--store", str(published.store), "--build", "1").exit == 0
    monkeypatch.setenv("LADING_STORE", str(tmp_path / "for another game"))
    shutil.move(published.store, copy)
    done = lading("update", str(target), "--json")
    assert (done.exit, done.document["error"]["code"]) == (10, "not-a-store")
    assert "--store" in done.document["error"]["next"]
    assert lading("update", str(target), "--store", str(copy), "--build", "2").exit == 0
    assert lading("update", str(target)).exit == 0
    assert_same_tree(target, published.source(3))


def test_it_can_be_published_to(published: Published, copy: Path, tmp_path: Path) -> None:
    """Nothing that a publish needs was left behind."""
    target, source = tmp_path / "game", write_build(tmp_path / "source", 2)
    (source / "new.txt").write_text("new")
    assert lading("install", GAME, "--into", str(target), "--store", str(copy)).exit == 0
    assert lading("publish", str(source), GAME, "--store", str(copy)).exit == 0
    assert lading("update", str(target)).exit == 0
    assert_same_tree(target, source)
