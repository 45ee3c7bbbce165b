"""`docs/format.md` against what the program writes: its tables, its masks, its worked example."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from chunkstore.stores.folder import FolderStore
from manifest.trust import roles
from publisher.candidates import Release
from tests.golden import signed
from tests.golden.independent_cutter import MASKS
from tests.golden.independent_reader import DIFF, ENTRIES, INDEX, MANIFEST, PLACEMENT, TYPES
from tests.golden.independent_trust import LIMITS, canonical, verifies
from tests.kit.game import Entry, noise
from tests.kit.rig import Rig

HERE = Path(__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^#{2,3} (.+?)\n(.*?)(?=^#{2,3} |\Z)", PAGE, re.MULTILINE | re.DOTALL))
NAME, ID = r"[a-z0-9._-]+", r"[0-9a-f]{64}"
BLOCKS = re.findall(r"```\n(0000  .*?)```", SECTIONS["A worked example"], re.DOTALL)
NUMBER, ROLE = "[1-9][0-9]*", "(?:root|targets|builds|channels|snapshot|old-[0-9a-f])"
PLACEHOLDERS = {
    "<game>": NAME,
    "<scope>": NAME,
    "<channel>": NAME,
    "<id>": ID,
    "<ab>": "[0-9a-f]{2}",
    "<number>": NUMBER,
}
PLACEHOLDERS |= {"<version>": NUMBER, "<role>": ROLE, "<keyid>": "[0-9a-f]{16}", "<digest>": "[0-9a-f]{16}"}

TREE = {"game/play.sh": Entry(b"#!/bin/sh\n", executable=True), "game/play.txt": Entry(noise(2000, "play"))}


def rows(section: str, table: int = 0) -> dict[str, str]:
    """The first two cells of a table's rows, code marks taken off."""
    tables = re.findall(r"(?:^\|.*\n)+", SECTIONS[section], re.MULTILINE)
    cells = [re.split(r"(?<!\\)\|", line)[1:3] for line in tables[table].splitlines()[2:]]
    return {key.strip().strip("`"): kind.strip().strip("`").replace("\\|", "|") for key, kind in cells}


def columns(section: str, table: int = 0) -> dict[str, str]:
    return {name: "id" if kind == "ids" else kind for name, kind in rows(section, table).items()}


def test_the_example_shows_the_golden_files() -> None:
    for block, name in zip(BLOCKS, ["pack", "manifest.payload", "head.msgpack"], strict=True):
        golden, at = (HERE / name).read_bytes(), 0
        for line in block.splitlines():
            if line.strip() == "…":
                at = -1
                continue
            offset, data = int(line[:4], 16), bytes.fromhex(line[6:53])
            assert (at in (offset, -1), golden[offset : offset + len(data)]) == (True, data), line
            at = offset + len(data)
        assert at in (len(golden), -1)


@pytest.mark.parametrize(("block", "columns", "told"), [(0, INDEX, 5), (1, MANIFEST, 9)])
def test_the_example_spells_out_what_is_there(block: int, columns: dict[str, str], told: int) -> None:
    """What is called zeros is zero, and the numbers that are given for a column are the ones in its bytes."""
    for text, meaning in re.findall(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} )+) +(\S.*)$", BLOCKS[block], re.MULTILINE):
        data = bytes.fromhex(text)
        column, _, value = meaning.partition(": ")
        numbers = [int(number) for number in re.findall(r"\d+", value)]
        if meaning == "zeros":
            assert not any(data)
        elif numbers and column in columns:
            found = [row for (row,) in struct.iter_unpack("<" + TYPES[columns[column]], data)]
            assert found == numbers[: len(found)]
            told -= 1
    assert told == 0


def test_every_object_has_a_key_of_the_table(tmp_path: Path) -> None:
    rig = Rig(tmp_path, store=FolderStore(tmp_path / "store"))
    rig.publish(TREE, release=Release(None, "stable", notes="n" * 2000))
    rig.publish({**TREE, "more": Entry(noise(3000, "more"))})
    keys = [entry.key for entry in rig.store.list("")] + [f"tuf/game/{name}" for name in signed.objects()[1]]
    patterns = {key: re.sub("<[a-z]+>", lambda found: PLACEHOLDERS[found[0]], key) for key in rows("Objects")}
    used = set()
    for name in keys:
        (key,) = [key for key, pattern in patterns.items() if re.fullmatch(pattern, name)]
        used.add(key)
    assert used == set(patterns)


def golden(name: str) -> Any:
    """A signed file of the golden game."""
    return json.loads((HERE / "tuf" / name).read_bytes())


def test_documents_have_the_fields_of_the_tables(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.publish(TREE)
    store = json.loads(rig.store.get("lading.json", limit=1 << 20).data)
    candidate = golden("candidates/13")
    entry = golden(BUILDS)["signed"]["targets"]["game/builds/11"]
    assert_fields("Store document", store | {"static": True})
    assert_fields("Build", entry["custom"])
    assert_fields("Build", entry["custom"]["depots"]["main"], table=1)
    assert_fields("Channel", golden("15.channels.json")["signed"]["targets"]["game/channels/stable"]["custom"])
    assert_fields("Builds and channels", entry, table=1)
    assert_fields("Candidate", candidate)
    assert_fields("Candidate", candidate["release"], table=1)
    assert_fields("Voucher", golden("voucher")["signed"])


BUILDS = "13.builds.json"
SIGNED = {
    "2.root.json": ("Root", set()),
    "2.targets.json": ("Targets", {"scope"}),
    BUILDS: ("Builds and channels", set()),
    "16.snapshot.json": ("Snapshot", set()),
    "timestamp.json": ("Timestamp", {"at"}),
}


@pytest.mark.parametrize("name", SIGNED)
def test_signed_files_have_the_fields_of_the_tables(name: str) -> None:
    section, own = SIGNED[name]
    document = golden(name)
    special = {key: document["signed"].pop(key) for key in rows(section)}
    words = document["signed"]["x-lading"]
    assert_fields("Signed metadata", document, table=1)
    assert_fields("Signed metadata", document["signed"], table=2)
    assert_fields("Signed metadata", words | {"scope": "", "at": 0} | words, table=3)
    assert words.keys() & {"scope", "at"} == own
    assert_fields(section, special)


def test_the_roles_are_those_of_the_table() -> None:
    """What the independent reader takes at most is what the page says; the program's numbers stand in `limits.md`."""
    lines = re.findall(r"^\| `([a-z]+)` \|.* \| ([0-9]+) \|$", SECTIONS["Signed metadata"], re.MULTILINE)
    assert {role: int(most) for role, most in lines} == LIMITS
    lives = dict(re.findall(r"^\| `([a-z]+)` \|.* ([0-9]+) days \|", SECTIONS["Signed metadata"], re.MULTILINE))
    assert {role: int(days) * 24 * 3600 for role, days in lives.items()} == dict(roles.LIFETIMES)
    assert dict(roles.LIMITS) == LIMITS


def test_paths_of_documents_are_those_of_the_table() -> None:
    forms = [re.sub("<[a-z]+>", lambda found: PLACEHOLDERS[found[0]], path) for path in rows("Builds and channels", 2)]
    for name in ("1.old-0.json", BUILDS, "15.channels.json"):
        for path in golden(name)["signed"]["targets"]:
            assert any(re.fullmatch(form, path) for form in forms), path
    assert "game/builds/newest" in golden(BUILDS)["signed"]["targets"]


def test_the_example_is_signed_as_the_page_says() -> None:
    timestamp = golden("timestamp.json")
    example = SECTIONS["A worked example"].partition("RFC 8032")[2]
    message, signature = ("".join(block.split("\n")) for block in re.findall(r"```\n(.*?)```", example, re.DOTALL))
    public, keyid = re.findall(r"`([0-9a-f]{64})`", example)
    assert message.encode() == canonical(timestamp["signed"])
    assert timestamp["signatures"] == [{"keyid": keyid, "sig": signature}]
    assert verifies(bytes.fromhex(public), signature, message.encode())


def assert_fields(section: str, document: dict[str, Any], table: int = 0) -> None:
    types = {"integer": int, "boolean": bool, "list": list, "object": dict}
    kinds = {name: types.get(kind, str) for name, kind in rows(section, table).items()}
    assert {name: type(value) for name, value in document.items()} == kinds


def test_columns_are_those_of_the_tables() -> None:
    """The reader demands exactly its columns, so what it reads proves its tables, and this one proves the page's."""
    assert columns("Manifest", 1) == MANIFEST
    assert columns("Pack", 1) == INDEX
    assert columns("Placement") == PLACEMENT
    listed = columns("Diff")
    assert listed.pop("path_shared` … `target_bytes") == ""
    assert listed == {name: kind for name, kind in DIFF.items() if name not in ENTRIES}
    assert len(ENTRIES) == 11


def test_the_masks_are_those_of_the_page() -> None:
    listed = re.findall(r"\b[0-9a-f]{16}\b", SECTIONS["Cutting"])
    assert [int(mask, 16) for mask in listed] == list(MASKS.values())
    assert list(MASKS) == list(range(5, 24))
