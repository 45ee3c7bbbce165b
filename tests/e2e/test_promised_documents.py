"""The JSON of the player's verbs has the keys of the contract, with values of the right type; so have events."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.kit.command import Finished, lading
from tests.kit.published import GAME, Published

NUMBER, TEXT = int, str
SETTLED = {
    "game": TEXT,
    "from": NUMBER,
    "to": NUMBER,
    "build": NUMBER,
    "version": TEXT,
    "files_changed": NUMBER,
    "reused_bytes": NUMBER,
    "seconds": (int, float),
}
RESULTS: dict[str, dict[str, Any]] = {
    "install": SETTLED | {"from": type(None)},
    "update": SETTLED,
    "repair": SETTLED,
    "verify": {"files": NUMBER, "bytes": NUMBER, "wounds": list, "extra": list, "seconds": (int, float)},
    "status": {"game": TEXT, "build": NUMBER, "version": TEXT, "channel": TEXT, "state": TEXT},
    "publish": {
        "game": TEXT,
        "build": NUMBER,
        "version": TEXT,
        "channel": TEXT,
        "depot": TEXT,
        "manifest": TEXT,
        **dict.fromkeys(["files", "source_bytes", "chunks", "new_chunks", "new_bytes"], NUMBER),
        **dict.fromkeys(["stored_bytes", "packs", "requests"], NUMBER),
        "seconds": (int, float),
    },
}
EVENTS = Path(__file__).parents[2] / "docs" / "events.md"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the game is installed."""
    return tmp_path / "game"


@pytest.fixture
def words(published: Published, target: Path) -> dict[str, list[str]]:
    """For each verb a command line that has something to do, once build 1 is installed."""
    store = ["--store", str(published.store)]
    return {
        "publish": ["publish", str(published.source(1)), GAME, *store],
        "install": ["install", GAME, "--into", str(target), *store, "--build", "1"],
        "update": ["update", str(target)],
        "repair": ["repair", str(target)],
        "verify": ["verify", str(target)],
        "status": ["status", str(target)],
    }


def run(words: dict[str, list[str]], verb: str, *flags: str) -> Finished:
    if verb != "install":
        assert lading(*words["install"]).exit == 0
    return lading(*words[verb], *flags)


@pytest.mark.parametrize("verb", RESULTS)
def test_result(words: dict[str, list[str]], verb: str) -> None:
    done = run(words, verb, "--json")
    assert done.exit == 0, done.stdout
    document = done.document
    said = {key: document[key] for key in ("v", "command", "ok", "error")}
    assert said == {"v": 1, "command": verb, "ok": True, "error": None}
    result = document["result"]
    assert {key: result.get(key) for key, kind in RESULTS[verb].items() if not has_type(result, key, kind)} == {}
    assert (document["receipt"] is not None) == (verb in ("install", "update", "repair"))


def has_type(result: dict[str, Any], key: str, kind: Any) -> bool:
    """Whether the result has the key with a value of that type; a truth value is no number."""
    return isinstance(result.get(key, ...), kind) and not isinstance(result[key], bool)


def test_wounds(words: dict[str, list[str]], target: Path) -> None:
    assert lading(*words["install"]).exit == 0
    (target / "bin" / "game").chmod(0o644)
    (target / "text" / "05.txt").unlink()
    (target / "empty.cfg").unlink()
    (target / "empty.cfg").mkdir()
    levels = target / "data" / "levels.pak"
    levels.write_bytes(b"x" + levels.read_bytes()[1:] + b"more")
    (target / "my.save").write_text("mine")
    done = lading(*words["verify"], "--json")
    assert (done.exit, done.document["ok"], done.document["error"]["code"]) == (11, False, "wounds-found")
    result = done.document["result"]
    assert result["extra"] == ["my.save"]
    kinds = [(wound["path"], wound["kind"]) for wound in result["wounds"]]
    assert kinds == [
        ("bin/game", "mode"),
        ("data/levels.pak", "modified"),
        ("data/levels.pak", "modified"),
        ("empty.cfg", "type"),
        ("text/05.txt", "missing"),
    ]
    first, surplus = (wound for wound in result["wounds"] if wound["kind"] == "modified")
    assert first["offset"] == 0 < first["length"]
    assert (surplus["offset"], surplus["length"]) == (600_000, 4)


@pytest.mark.parametrize("verb", ["update", "repair"])
def test_nothing_to_do_is_three_where_asked(words: dict[str, list[str]], verb: str) -> None:
    assert lading(*words["install"]).exit == 0
    assert lading(*words["update"]).exit == 0
    assert lading(*words[verb]).exit == 0
    done = lading(*words[verb], "--exit-code", "--json")
    assert (done.exit, done.document["ok"], done.document["error"]) == (3, True, None)
    assert done.document["result"]["files_changed"] == 0


def test_something_to_do_is_zero(words: dict[str, list[str]]) -> None:
    assert lading(*words["install"]).exit == 0
    assert lading(*words["update"], "--exit-code", "--dry-run").exit == 0
    assert lading(*words["update"], "--exit-code").exit == 0


@pytest.mark.parametrize("verb", RESULTS)
def test_events(words: dict[str, list[str]], verb: str) -> None:
    (schema,) = re.findall(r"```json\n(.*?)```", EVENTS.read_text(encoding="utf-8"), re.DOTALL)
    validator = Draft202012Validator(json.loads(schema))
    done = run(words, verb, "--events", "--json")
    for event in done.events:
        validator.validate(event)
    assert [event["seq"] for event in done.events] == list(range(1, len(done.events) + 1))
    assert [event["type"] for event in done.events if event["type"] == "result"] == ["result"]
    assert done.events[-1] == done.events[-1] | {"type": "result", "command": verb, "ok": True, "exit": 0}
    if verb in ("install", "update", "publish"):
        check_progress(done.events)


def check_progress(events: list[dict[str, Any]]) -> None:
    """Phases come with their names, progress never runs backwards and never past its total."""
    assert events[0]["type"] == "phase"
    done = 0
    for event in events:
        if event["type"] == "phase":
            done = 0
        elif event["type"] == "progress":
            assert done <= event["done"] <= event["total"]
            assert event["saved"] <= event["done"]
            done = event["done"]
    assert any(event["type"] == "progress" and event["done"] == event["total"] for event in events)
