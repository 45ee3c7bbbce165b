"""Where settings come from and which source wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.config import BadSetting, Settings, key_of, parse_rate, resolve, variable_of
from tests.kit.command import Lading

# One good text for each of three sources, for settings of every kind of value.
TEXTS = {
    "store": ("a", "b", "c"),
    "state_dir": ("x", "y", "z"),
    "workers": ("2", "3", "4"),
    "debug": ("true", "yes", "on"),
    "download_limit_rate": ("10M", "20k", "off"),
    "download_parallel": ("5", "6", "7"),
    "output_progress": ("bar", "plain", "auto"),
}


def write(file: Path, **values: str) -> None:
    lines: list[str] = []
    for name, value in values.items():
        section, _, key = key_of(name).rpartition(".")
        lines.append(f"{section}.{key} = '{value}'" if section else f"{key} = '{value}'")
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text("\n".join(lines))


@given(name=st.sampled_from(sorted(TEXTS)), present=st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_flag_over_environment_over_file_over_default(
    tmp_path_factory: pytest.TempPathFactory, name: str, present: tuple[bool, bool, bool]
) -> None:
    """The contract's precedence, for every kind of setting and every set of sources that name it."""
    file = tmp_path_factory.getbasetemp() / "precedence" / "config.toml"
    in_flag, in_environment, in_file = present
    from_flag, from_environment, from_file = TEXTS[name]
    write(file, **({name: from_file} if in_file else {}))

    found = resolve(
        flags={name: from_flag} if in_flag else {},
        environ={variable_of(name): from_environment} if in_environment else {},
        file=file,
    )

    row = next(row for row in found.origins if row.key == key_of(name))
    origin = next(
        origin
        for there, origin in ((in_flag, "flag"), (in_environment, "environment"), (in_file, "file"), (True, "default"))
        if there
    )
    assert row.origin.split()[0] == origin
    parse = Settings.__dataclass_fields__[name].metadata["parse"]
    texts = {"flag": from_flag, "environment": from_environment, "file": from_file}
    if origin != "default":
        assert row.value == parse(texts[origin])
    else:
        assert row.value == next(r.value for r in resolve(flags={}, environ={}, file=file).origins if r.key == row.key)


def test_every_setting_has_its_variable(tmp_path: Path) -> None:
    assert variable_of("store") == "LADING_STORE"
    assert variable_of("download_parallel") == "LADING_DOWNLOAD_PARALLEL"
    assert key_of("download_parallel") == "download.parallel"
    assert key_of("token_file") == "token_file"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert resolve(flags={}, environ={"LADING_STORE": ""}, file=tmp_path / "none").settings.store is None


def test_no_color_is_honoured_and_ours_is_stronger(tmp_path: Path) -> None:
    absent = tmp_path / "none"
    assert resolve(flags={}, environ={"NO_COLOR": "1"}, file=absent).settings.output_colour == "never"
    ours = {"NO_COLOR": "1", "LADING_OUTPUT_COLOUR": "always"}
    assert resolve(flags={}, environ=ours, file=absent).settings.output_colour == "always"


@pytest.mark.parametrize(
    ("text", "rate"),
    [("500k", 500_000), ("10M", 10_000_000), ("1.5MiB", 1_572_864), ("1 GB/s", 10**9), ("7", 7), ("off", None)],
)
def test_rates(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "-1", "0", "10X", "1e9", "M"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate(text)


def test_a_bad_value_names_its_source_and_keeps_secrets(tmp_path: Path) -> None:
    with pytest.raises(BadSetting) as caught:
        resolve(flags={}, environ={"LADING_WORKERS": "many"}, file=tmp_path / "none")
    assert caught.value.where == "environment LADING_WORKERS"
    assert "workers cannot be 'many'" in caught.value.message

    with pytest.raises(BadSetting) as caught:
        resolve(flags={}, environ={"LADING_TOKEN": " "}, file=tmp_path / "none")
    assert "***" in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("wokers = 3", "Did you mean workers?"),
        ("[download]\nparalel = 3", "Did you mean download.parallel?"),
        ("workers = [3]", "cannot be a list"),
        ("workers = ", "not a TOML file"),
    ],
)
def test_a_mistake_in_the_file_is_named(lading: Lading, user_config: Path, text: str, says: str) -> None:
    user_config.parent.mkdir()
    user_config.write_text(text)

    finished = lading("config", "show")

    assert finished.exit == 2
    assert says in finished.stderr
    assert str(user_config) in finished.stderr
    assert finished.stdout == ""


def test_a_file_that_cannot_be_read(lading: Lading, user_config: Path) -> None:
    user_config.mkdir(parents=True)
    finished = lading("config", "show", "--json")
    assert (finished.exit, finished.document["error"]["code"]) == (7, "config-unreadable")


def test_config_show_names_origins_and_masks_secrets(lading: Lading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADING_TOKEN", "very secret")
    monkeypatch.setenv("LADING_DOWNLOAD_PARALLEL", "3")

    finished = lading("config", "show", "--json", "--limit-rate", "10M")

    settings = finished.document["result"]["settings"]
    assert settings["token"] == {"value": "***", "origin": "environment LADING_TOKEN"}
    assert settings["download.parallel"] == {"value": 3, "origin": "environment LADING_DOWNLOAD_PARALLEL"}
    assert settings["download.limit_rate"] == {"value": 10_000_000, "origin": "flag --limit-rate"}
    assert settings["store"] == {"value": None, "origin": "default"}
    text = lading("config", "show").stdout
    assert "very secret" not in finished.stdout + text
    assert "environment LADING_TOKEN" in text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:pa:ss@word@games.example/a", "https://ann:***@games.example/a"),
        ("https://:secret@games.example", "https://:***@games.example"),
        ("https://ann@games.example:8443/b:c@d", "https://ann@games.example:8443/b:c@d"),
        ("https://games.example:8443/@d", "https://games.example:8443/@d"),
        ("C:/games@home", "C:/games@home"),
    ],
)
def test_config_show_masks_the_password_of_an_address(lading: Lading, address: str, shown: str) -> None:
    words = ("config", "show", "--store", address, "--server", address)
    settings = lading(*words, "--json").document["result"]["settings"]
    assert (settings["store"]["value"], settings["server"]["value"]) == (shown, shown)
    assert [line.split()[1] for line in lading(*words).stdout.splitlines()[:2]] == [shown, shown]
