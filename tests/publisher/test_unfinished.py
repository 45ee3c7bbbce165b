"""A publish that died after it was signed and before it was live: the next one finishes it, or goes past it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chunkstore.store import Buffer
from chunkstore.wrappers.forward import ForwardingStore
from manifest.events import WarningEvent
from manifest.keys import candidate_key, pack_key, timestamp_key
from tests.kit.mortality import Killed
from tests.kit.source import Publisher, write


class NeverLive(ForwardingStore):
    """A store whose writer dies when the build would go live."""

    def replace(self, key: str, data: Buffer, *, match: str | None) -> str:
        if key == timestamp_key("toy"):
            raise Killed
        return super().replace(key, data, match=match)


@pytest.fixture
def machine(tmp_path: Path) -> Publisher:
    """Build #1 is live, and a publish of other content died after it was signed as #2."""
    machine = Publisher(write(tmp_path / "source", {"a.txt": "one"}), tmp_path / "state")
    machine.publish()
    write(machine.folder, {"a.txt": "two"})
    machine.clock.advance(60)
    with pytest.raises(Killed):
        replace(machine, store=NeverLive(machine.store)).publish(version="2.0")
    assert set(machine.registry.whole("toy").builds) == {1}
    return machine


def told(machine: Publisher) -> list[str]:
    return [event.message for event in machine.events.events if isinstance(event, WarningEvent)]


def test_the_next_publish_finishes_it(machine: Publisher) -> None:
    published = machine.publish(version="2.0")
    assert (published.number, published.created) == (2, False)
    assert set(machine.registry.whole("toy").builds) == {1, 2}
    assert told(machine) == []


def lose_a_pack(machine: Publisher) -> None:
    write(machine.folder, {"a.txt": "one"})
    for pack in machine.registry.packs("toy"):
        machine.store.delete(pack_key("toy", pack))


def lose_the_candidate(machine: Publisher) -> None:
    machine.store.delete(candidate_key("toy", 2))


def move_on(machine: Publisher) -> None:
    other = machine.colleague(machine.folder, machine.state.parent / "other state")
    write(other.folder, {"a.txt": "three"})
    other.publish(version="3.0")


@pytest.mark.parametrize("lose", [lose_a_pack, lose_the_candidate, move_on])
def test_what_cannot_be_finished_stands_in_no_ones_way(machine: Publisher, lose: Callable[[Publisher], None]) -> None:
    lose(machine)
    write(machine.folder, {"a.txt": "four"})
    assert machine.publish(version="4.0", rescan=True).created
    assert told(machine) == ["a publish of toy was interrupted; its build waits as candidate #2"]


def test_it_is_told_once(machine: Publisher) -> None:
    lose_the_candidate(machine)
    write(machine.folder, {"a.txt": "one"})
    for _ in range(2):
        assert not machine.publish(if_changed=True).created
    assert len(told(machine)) == 1


def test_only_a_publish_that_signs_finishes_it(machine: Publisher) -> None:
    machine.publish(version="6.0", candidate=True)
    machine.publish(version="6.0", dry_run=True)
    assert set(machine.registry.whole("toy").builds) == {1}
    machine.publish(version="2.0")
    assert set(machine.registry.whole("toy").builds) == {1, 2}
