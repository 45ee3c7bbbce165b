"""`lading.toml` and `.ladingignore`: what they may say, and that anything else is refused by name."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from chunkstore.store import PathUnusable
from publisher import lading_toml
from publisher.lading_toml import BadConfig, load_source_config
from publisher.settings import DepotConfig, DepotNeeded, Placed, SourceConfig, TagRule


def test_a_folder_without_files_has_the_defaults(tmp_path: Path) -> None:
    config = load_source_config(tmp_path)
    assert config == SourceConfig()
    assert config.depot() == DepotConfig(name="main", platform=None, mappings=(Placed("", ""),))
    assert config.depot("dlc").name == "dlc"


def test_a_root_that_is_no_folder_is_left_to_the_scan(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert load_source_config(tmp_path / "file") == SourceConfig()
    assert load_source_config(tmp_path / "missing") == SourceConfig()


def test_the_documented_example_means_what_it_says(tmp_path: Path) -> None:
    assert lading_toml.__doc__
    example = lading_toml.__doc__.split("\n\n", 1)[1].partition("All is optional")[0]
    _write(tmp_path, textwrap.dedent(example))
    (tmp_path / ".ladingignore").write_text("*.tmp\n# no\n")
    config = load_source_config(tmp_path)
    assert config.game == "frost"
    assert config.depot() == DepotConfig(
        name="windows",
        platform="windows",
        language="de",
        optional=False,
        chunk_average=32768,
        mappings=(Placed("build/win64", ""), Placed("assets", "data")),
        ignore=("*.tmp", "# no", "*.pdb", "/tools/"),
        tags=(
            TagRule("voices/de/", "language:de"),
            TagRule("bin/launcher", "executable"),
            TagRule("settings.ini", "user-owned"),
        ),
    )


def test_small_liberties(tmp_path: Path) -> None:
    _write(
        tmp_path,
        """\
        \ufeff[[depot]]
        mapping = [{ from = "." , to = "data/" }]
        tags = { "*.so" = ["executable", "platform:linux"], "hd/" = "optional:hd" }
        """,
    )
    depot = load_source_config(tmp_path).depot()
    assert depot.mappings == (Placed("", "data"),)
    assert [rule.tag for rule in depot.tags] == ["executable", "platform:linux", "optional:hd"]


def test_several_depots_need_a_name(tmp_path: Path) -> None:
    _write(tmp_path, '[[depot]]\nname = "linux"\n[[depot]]\nname = "windows"\nignore = ["*.so"]')
    config = load_source_config(tmp_path)
    assert config.depot("windows") == DepotConfig(name="windows", ignore=("*.so",))
    with pytest.raises(DepotNeeded, match="2 depots here: linux, windows") as caught:
        config.depot()
    assert caught.value.code == "depot-needed"
    assert caught.value.data == {"depot": None, "depots": ["linux", "windows"]}
    with pytest.raises(DepotNeeded) as caught:
        config.depot("window")
    assert "--depot windows" in caught.value.next


BAD = {
    "unknown-key": ("gmae = 'frost'", "gmae"),
    "unknown-depot-key": ("[[depot]]\n[[depot]]\nname='b'\nplatfrom = 'any'", "depot[1].platfrom"),
    "unknown-mapping-key": ("[[depot]]\nmapping = [{from='a', too='b'}]", "depot[0].mapping[0].too"),
    "game-form": ("game = 'Frost!'", "game"),
    "game-type": ("game = 7", "game"),
    "ignore-type": ("ignore = '*.pdb'", "ignore"),
    "ignore-entry": ("ignore = [7]", "ignore"),
    "depot-type": ("depot = 'main'", "depot"),
    "depot-table": ("[depot]\nname = 'main'", "depot"),
    "depot-none": ("depot = []", "depot"),
    "depot-twice": ("[[depot]]\n[[depot]]", "depot"),
    "depot-name": ("[[depot]]\nname = 'a/b'", "depot[0].name"),
    "platform": ("[[depot]]\nplatform = 'beos'", "depot[0].platform"),
    "platform-type": ("[[depot]]\nplatform = ['any']", "depot[0].platform"),
    "language": ("[[depot]]\nlanguage = 'de_DE.UTF-8'", "depot[0].language"),
    "optional": ("[[depot]]\noptional = 'yes'", "depot[0].optional"),
    "mapping-none": ("[[depot]]\nmapping = []", "depot[0].mapping"),
    "mapping-escape": ("[[depot]]\nmapping = [{from = '../other'}]", "depot[0].mapping[0].from"),
    "mapping-absolute": ("[[depot]]\nmapping = [{to = '/usr'}]", "depot[0].mapping[0].to"),
    "mapping-reserved": ("[[depot]]\nmapping = [{to = '.lading'}]", "depot[0].mapping[0].to"),
    "mapping-type": ("[[depot]]\nmapping = [{to = 1}]", "depot[0].mapping[0].to"),
    "tags-type": ("[[depot]]\ntags = ['executable']", "depot[0].tags"),
    "tag-type": ("[[depot]]\ntags = {a = true}", "depot[0].tags"),
    "tag-unknown": ("[[depot]]\ntags = {a = 'exectuable'}", "depot[0].tags"),
    "tag-bare": ("[[depot]]\ntags = {a = 'language'}", "depot[0].tags"),
    "tag-language": ("[[depot]]\ntags = {a = 'language:-'}", "depot[0].tags"),
    "tag-platform": ("[[depot]]\ntags = {a = 'platform:beos'}", "depot[0].tags"),
    "tag-detail": ("[[depot]]\ntags = {a = 'executable:yes'}", "depot[0].tags"),
    "tag-optional": ("[[depot]]\ntags = {a = 'optional:HD'}", "depot[0].tags"),
}


@pytest.mark.parametrize(("text", "key"), BAD.values(), ids=BAD.keys())
def test_what_has_no_meaning_is_refused_by_key(tmp_path: Path, text: str, key: str) -> None:
    _write(tmp_path, text)
    with pytest.raises(BadConfig) as caught:
        load_source_config(tmp_path)
    error = caught.value
    assert error.code == "bad-config"
    assert error.data["key"] == key
    assert error.data["reason"]
    assert key in error.message
    assert error.where == str(tmp_path / "lading.toml")
    assert error.cause
    assert error.next


def test_a_misspelt_key_is_answered_with_the_right_one(tmp_path: Path) -> None:
    _write(tmp_path, "[[depot]]\nplatfrom = 'any'")
    with pytest.raises(BadConfig) as caught:
        load_source_config(tmp_path)
    assert caught.value.next.startswith("Did you mean 'platform'? Allowed here: name, platform, ")
    assert "platform" in caught.value.data["allowed"]


@pytest.mark.parametrize("data", [b"game = ", b"game = 'a'\ngame = 'b'", b"\xff", b"a = " + b"[" * 100_000, b"\0"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "lading.toml").write_bytes(data)
    with pytest.raises(BadConfig) as caught:
        load_source_config(tmp_path)
    assert caught.value.where == str(tmp_path / "lading.toml")


def test_an_ignore_file_must_be_text(tmp_path: Path) -> None:
    (tmp_path / ".ladingignore").write_bytes(b"*.p\xff\n")
    with pytest.raises(BadConfig, match=r"\.ladingignore"):
        load_source_config(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "lading.toml").mkdir()
    with pytest.raises(PathUnusable) as caught:
        load_source_config(tmp_path)
    assert caught.value.where == str(tmp_path / "lading.toml")


def _write(root: Path, text: str) -> None:
    (root / "lading.toml").write_text(textwrap.dedent(text), "utf-8")
