"""The documents say what the program does: commands, settings, events, and links that lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.config import SETTING_NAMES, key_of, variable_of
from cli.main import VERBS
from manifest.events import Item, Phase, Progress, ResultEvent, WarningEvent, event_document
from publisher.lading_toml import BadConfig, load_source_config
from publisher.patterns import Patterns
from publisher.settings import Placed, SourceConfig
from tests.kit.command import lading
from tests.kit.commands import every_command

ROOT = Path(__file__).parents[2]
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
SOURCE = (ROOT / "docs" / "lading-toml.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### lading ([a-z ]+)\n(.*?)(?=^#|\Z)", CLI, re.MULTILINE | re.DOTALL))
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_every_command_is_documented() -> None:
    assert set(SECTIONS) == set(every_command())


@pytest.mark.parametrize("name", sorted(every_command()))
def test_every_option_is_documented(name: str) -> None:
    options = {option for param in every_command()[name].params for option in param.opts if option.startswith("--")}
    assert {option for option in options if f"`{option}" not in SECTIONS.get(name, "")} == set()


def test_every_setting_is_documented() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| `(LADING_\w+)` \|", CLI, re.MULTILINE)
    assert dict(rows) == {key_of(name): variable_of(name) for name in SETTING_NAMES}


@pytest.fixture
def described(tmp_path: Path) -> SourceConfig:
    """What a source folder with the two documented files says."""
    for language, name in (("toml", "lading.toml"), ("gitignore", ".ladingignore")):
        (text,) = re.findall(rf"```{language}\n(.*?)```", SOURCE, re.DOTALL)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return load_source_config(tmp_path)


def test_the_example_of_a_source_folder_is_understood(described: SourceConfig) -> None:
    assert described.game == "frost"
    assert [(depot.name, depot.platform, depot.optional) for depot in described.depots] == [
        ("windows", "windows", False),
        ("linux", "linux", False),
        ("voices-de", None, True),
    ]
    assert described.depot("windows").mappings == (Placed("build/win64", ""), Placed("assets", "data"))
    left_out = Patterns(described.depot("windows").ignore)
    sources = ["a.pdb", "reporter.pdb", "a.tmp", "saves/1", "build/win64/tools/x", "build/win64/cache/x", "assets/x"]
    assert [path for path in sources if not left_out.match(path)] == ["reporter.pdb", "assets/x"]


@pytest.mark.parametrize("place", ["", "[[depot]]\n", "[[depot]]\n[[depot.mapping]]\n"])
def test_every_key_of_a_source_folder_is_documented(tmp_path: Path, place: str) -> None:
    (tmp_path / "lading.toml").write_text(f"{place}nonsense = 1", encoding="utf-8")
    with pytest.raises(BadConfig) as caught:
        load_source_config(tmp_path)
    assert {key for key in caught.value.data["allowed"] if f"`{key}`" not in SOURCE} == set()


def test_every_tag_is_documented(tmp_path: Path) -> None:
    (tmp_path / "lading.toml").write_text("[[depot]]\ntags = { a = 'nonsense' }", encoding="utf-8")
    with pytest.raises(BadConfig) as caught:
        load_source_config(tmp_path)
    kinds = caught.value.message.partition("Allowed here: ")[2].rstrip(".").split(", ")
    assert set(kinds) == set(re.findall(r"^\| `([a-z-]+)", SOURCE.partition("| tag |")[2], re.MULTILINE))


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    (text,) = re.findall(r"```json\n(.*?)```", EVENTS, re.DOTALL)
    Draft202012Validator.check_schema(json.loads(text))
    return Draft202012Validator(json.loads(text))


ERROR = {"code": "c", "message": "m", "where": "", "cause": "", "next": "", "data": {}}


@pytest.mark.parametrize(
    "event",
    [
        Phase("fetch"),
        Phase("fetch", 7),
        Progress(1),
        Progress(1, 2, 1),
        Item("a/b", "added"),
        WarningEvent("clock-skew", "late"),
        ResultEvent("update", True, 0),
        ResultEvent("update", False, 7, ERROR),
    ],
    ids=repr,
)
def test_every_event_has_the_documented_form(schema: Draft202012Validator, event: Any) -> None:
    schema.validate(event_document(event, seq=1, ts=1764000000.5))


def test_the_schema_refuses_what_is_no_event(schema: Draft202012Validator) -> None:
    good = event_document(Progress(1, 2), seq=1, ts=0)
    assert not schema.is_valid(good | {"done": -1})
    assert not schema.is_valid({key: value for key, value in good.items() if key != "seq"})
    assert schema.is_valid(good | {"type": "a later type", "more": 1})


def test_the_examples_are_events(schema: Draft202012Validator) -> None:
    examples = [json.loads(line) for line in EVENTS.splitlines() if line.startswith('{"v"')]
    assert {example["type"] for example in examples} == {"phase", "progress", "item", "warning", "result"}
    for example in examples:
        schema.validate(example)


@pytest.mark.parametrize("words", [["config", "show"], ["config", "shw"], ["config", "show", "--limit-rate", "?"]])
def test_what_the_program_emits_has_the_documented_form(schema: Draft202012Validator, words: list[str]) -> None:
    for event in lading("--events", *words).events:
        schema.validate(event)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_readme_names_no_command_that_does_not_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    called = re.findall(r"^(?:\S*/)?lading ([a-z]+)|&& \S*lading ([a-z]+)", text, re.MULTILINE)
    assert {first or second for first, second in called} - set(VERBS) == set()
