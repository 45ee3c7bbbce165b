"""Which tags files carry."""

from __future__ import annotations

from publisher.settings import TagRule
from publisher.tags import tag_files

PATHS = ["bin/launcher", "readme.txt", "settings.ini", "voices/de/a.ogg", "voices/de/settings.ini"]


def test_files_carry_the_tags_of_all_rules_that_cover_them() -> None:
    rules = [
        TagRule("voices/de/", "language:de"),
        TagRule("settings.ini", "user-owned"),
        TagRule("bin/launcher", "executable"),
        TagRule("*.ogg", "optional:voices"),
    ]
    sets, numbers = tag_files(PATHS, rules)
    assert [sets[number - 1] if number else () for number in numbers] == [
        (),
        (),
        ("user-owned",),
        ("language:de", "optional:voices"),
        ("language:de", "user-owned"),
    ]
    assert sets == sorted(set(sets))
    assert tag_files(PATHS, rules[::-1]) == (sets, numbers)


def test_patterns_of_one_tag_work_together() -> None:
    rules = [TagRule("voices/", "language:de"), TagRule("!*.ini", "language:de")]
    sets, numbers = tag_files(PATHS, rules)
    assert sets == [("language:de",)]
    assert list(numbers) == [0, 0, 0, 1, 0]


def test_without_rules_no_file_carries_a_tag() -> None:
    sets, numbers = tag_files(PATHS, [])
    assert sets == []
    assert list(numbers) == [0] * len(PATHS)
