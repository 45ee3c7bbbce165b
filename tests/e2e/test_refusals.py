"""Words and places that cannot be right: each has its code and its exit code, and leaves everything as it was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from client.record import InstallFolder
from tests.kit.command import lading
from tests.kit.game import write_build
from tests.kit.published import GAME, Published
from tests.kit.trees import tar_digest

# Words, in which {store}, {game} (a folder with build 1 in it), {new}, {absent}, {source} and {file} stand for places.
REFUSALS: dict[str, tuple[int, str]] = {
    # no command
    "install": (2, "usage"),
    f"install {GAME}": (2, "usage"),
    f"install {GAME} --into {{new}}": (2, "usage"),
    f"install {GAME} --into {{new}} --store {{store}} --version 1.0 --build 1": (2, "usage"),
    f"install {GAME} --into {{new}} --store {{store}} --build 0": (2, "usage"),
    f"install {GAME} --into {{new}} --store {{store}} --build x": (2, "usage"),
    f"install {GAME} --into {{new}} --store {{store}} --limit-rate fast": (2, "bad-setting"),
    f"install {GAME} --into {{new}} --store {{store}} --nonsense": (2, "usage"),
    f"install {GAME} extra --into {{new}} --store {{store}}": (2, "usage"),
    "update": (2, "usage"),
    "update {game} --version 1.0 --build 1": (2, "usage"),
    "verify": (2, "usage"),
    "repair": (2, "usage"),
    "status": (2, "usage"),
    "uninstall": (2, "usage"),
    # names
    "install TOY --into {new} --store {store}": (2, "bad-name"),
    "install ../toy --into {new} --store {store}": (2, "bad-name"),
    "install chess --into {new} --store {store}": (5, "game-missing"),
    f"install {GAME} --into {{new}} --store {{store}} --channel beta": (5, "channel-missing"),
    f"install {GAME} --into {{new}} --store {{store}} --version 9.9": (5, "build-missing"),
    f"install {GAME} --into {{new}} --store {{store}} --build 99": (5, "build-missing"),
    f"install {GAME} --into {{new}} --store {{store}} --depot french": (5, "depot-missing"),
    "update {game} --channel beta": (5, "channel-missing"),
    "update {game} --build 99": (5, "build-missing"),
    # stores
    f"install {GAME} --into {{new}} --store {{absent}}": (10, "not-a-store"),
    f"install {GAME} --into {{new}} --store {{new}}": (2, "folders-entangled"),
    f"install {GAME} --into {{new}} --store {{source}}": (10, "not-a-store"),
    f"install {GAME} --into {{new}} --store {{file}}": (7, "path-unusable"),
    f"install {GAME} --into {{new}} --store ftp://127.0.0.1/": (2, "store-unknown"),
    f"install {GAME} --into {{new}} --store s3://bucket": (2, "store-s3-unsupported"),
    f"install {GAME} --into {{new}} --store http://": (2, "store-unknown"),
    f"install {GAME} --into {{new}} --store {{store}} --trust sha256:00": (2, "bad-pin"),
    f"install {GAME} --into {{new}} --store {{store}} --trust sha256:{'0' * 64}": (6, "root-mismatch"),
    f"install {GAME} --into {{new}} --store {{store}} --trust registry:sha256:{'0' * 64}": (6, "bad-voucher"),
    f"install {GAME} --into {{store}}/game --store {{store}}": (2, "folders-entangled"),
    f"install {GAME} --into {{store}} --store {{store}}": (2, "folders-entangled"),
    f"publish {{source}} {GAME} --store {{source}}/store": (2, "folders-entangled"),
    f"publish {{source}} {GAME} --store {{game}}": (10, "store-occupied"),
    f"publish {{source}} {GAME} --store http://127.0.0.1:9/": (2, "store-read-only"),
    f"publish {{new}} {GAME} --store {{store}}": (5, "source-missing"),
    f"publish {{source}} {GAME} --store {{store}} --version a/b": (2, "bad-name"),
    f"publish {{source}} {GAME} --store {{store}} --channel Stable": (2, "bad-name"),
    f"publish {{source}} {GAME} --store {{store}} --chunk-average 4096": (10, "cutter-fixed"),
    # folders
    "update {new}": (5, "not-installed"),
    "update {source}": (5, "not-installed"),
    "verify {new}": (5, "not-installed"),
    "repair {new}": (5, "not-installed"),
    "uninstall {source}": (5, "not-installed"),
    f"install {GAME} --into {{file}} --store {{store}}": (7, "path-unusable"),
    f"install {GAME} --into {{taken}} --store {{store}}": (10, "foreign-files"),
}


@pytest.mark.parametrize("words", REFUSALS)
def test_it_is_refused_by_name(published: Published, tmp_path: Path, words: str) -> None:
    places = {
        "store": published.store,
        "game": tmp_path / "game",
        "new": tmp_path / "new",
        "absent": tmp_path / "absent",
        "source": write_build(tmp_path / "source", 2),
        "file": tmp_path / "file",
        "taken": tmp_path / "taken",
    }
    assert (
        lading("install", GAME, "--into", str(places["game"]), "--store", str(published.store), "--build", "1").exit
        == 0
    )
    places["file"].write_text("a file")
    (places["taken"] / "bin").mkdir(parents=True)
    (places["taken"] / "bin" / "game").write_text("mine")
    before = {name: tar_digest(place) for name, place in places.items() if place.is_dir()}

    done = lading(*[word.format(**places) for word in words.split()], "--json")

    error = done.document["error"]
    assert (done.exit, error["code"]) == REFUSALS[words], error
    assert done.stdout.count("\n") == 1
    assert all(error[key] for key in ("message", "cause", "next")), error
    assert (done.document["ok"], done.document["result"]) == (False, None)
    assert "Traceback" not in done.stderr
    assert {name: tar_digest(place) for name, place in places.items() if name in before} == before
    assert not places["new"].exists()
    assert not places["absent"].exists()


def test_nothing_installed_is_an_answer(isolated: Path, tmp_path: Path) -> None:
    done = lading("status", str(tmp_path / "nowhere"), "--json")
    assert (done.exit, done.document["result"]["state"]) == (0, "absent")


NEWER = [("newer-store", "store/lading.json"), ("newer-metadata", f"store/tuf/{GAME}/timestamp.json")]


@pytest.mark.parametrize(("code", "document"), [*NEWER, ("newer-record", "game/.lading/install.json")])
def test_a_newer_format_is_left_alone(published: Published, tmp_path: Path, code: str, document: str) -> None:
    """Players stop at newer metadata and do not look at the store's own document, which is for those who write."""
    target = tmp_path / "game"
    assert lading("install", GAME, "--into", str(target), "--store", str(published.store), "--build", "1").exit == 0
    file = tmp_path / document
    kept = file.read_bytes()
    newer, times = re.subn(rb'("format": ?)1', rb"\g<1>99", kept)
    assert times == 1
    file.write_bytes(newer)
    looking, playing = ["build", "list", GAME, "--store", str(published.store)], ["update", str(target)]
    done = lading(*(looking if code == "newer-store" else playing), "--json")
    assert (done.exit, done.document["error"]["code"]) == (7, code)
    file.write_bytes(kept)
    assert lading("update", str(target)).exit == 0


@pytest.mark.parametrize("verb", ["update", "verify", "repair", "uninstall"])
def test_a_busy_folder(published: Published, tmp_path: Path, verb: str) -> None:
    target = tmp_path / "game"
    assert lading("install", GAME, "--into", str(target), "--store", str(published.store)).exit == 0
    with InstallFolder(target).locked():
        done = lading(verb, str(target), "--json")
    assert (done.exit, done.document["error"]["code"]) == (10, "tree-busy")
    assert lading(verb, str(target)).exit == 0
