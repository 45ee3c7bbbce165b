"""Who the stories of trust are about: a studio, players, and thieves, each with a machine, under one clock.

They act by the command line alone; a thief has tools besides that sign whatever the stolen keys can sign.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from chunkstore.stores.folder import FolderStore
from manifest.trust.keyring import Keyring
from tests.kit.clock import FakeClock
from tests.kit.forge import Forge
from tests.kit.machines import Machine
from tests.kit.rig import snapshot
from tests.kit.source import write
from tests.kit.stores import objects_in

GAME = "toy"
DAY = 24 * 60 * 60

Refusal = tuple[int, str]
"""The exit and the error's code of a command that failed."""


@dataclass
class Person(Machine):
    """Somebody whose machine is the folder `home`, and the store that they use."""

    home: Path = Path()
    store: str = ""

    @property
    def keys(self) -> Path:
        """Where the keys of the games lie, if this machine has any."""
        (folder,) = self.state.glob("*/keys")
        return folder

    def give(self, other: Person, *names: str) -> None:
        """Another machine gets a copy of the files beside the keys of the game whose names begin so."""
        folder = other.state / self.keys.relative_to(self.state) / GAME
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in names:
            for file in (self.keys / GAME).glob(f"{name}*"):
                shutil.copy2(file, folder)

    def lose(self, kind: str, keyid: str = "") -> None:
        """The key files of a kind, or the one of this id, are gone."""
        for file in (self.keys / GAME).glob(f"{kind}-{keyid}*.json"):
            file.unlink()

    def key_files(self, kind: str) -> list[Path]:
        """The key files of a kind."""
        return sorted((self.keys / GAME).glob(f"{kind}-*.json"))

    def say(self, *words: str) -> dict:
        """The result of a command on the store."""
        return self.result(*words, "--store", self.store)

    def cannot(self, *words: str) -> Refusal:
        """How a command on the store is refused; the store stays as it was."""
        before = objects_in(Path(self.store))
        refused = self.refused(*words, "--store", self.store)
        assert objects_in(Path(self.store)) == before
        return refused

    def publish(self, text: str, *words: str, game: str = GAME, depot: str = "main") -> dict:
        """The game with this text in it as its next build."""
        source = write(
            self.home / "source" / depot, {f"{depot}.txt": text, f"{depot}.pak": bytes(2000) + depot.encode()}
        )
        return self.say("publish", str(source), game, "--depot", depot, *words)

    def refresh(self, store: str = "", *words: str) -> dict:
        """`lading store refresh` of the store, or of a copy."""
        return self.result("store", "refresh", store or self.store, *words)

    def pin(self, game: str = GAME) -> str:
        """What the publisher tells players."""
        pin: str = self.result("key", "pin", game)["pin"]
        return pin


@dataclass
class Player(Person):
    """Somebody who has the game in the folder `game`, or is about to."""

    @property
    def game(self) -> Path:
        """Where it is installed."""
        return self.home / "game"

    @property
    def trust(self) -> Path:
        """What this machine keeps of the trust in the game."""
        (folder,) = (self.state / "trust").iterdir()
        return folder

    def install(self, *words: str, trust: str = "first-use") -> dict:
        """`lading install`."""
        return self.say("install", GAME, "--into", str(self.game), "--trust", trust, *words)

    def update(self, *words: str) -> dict:
        """`lading update`, after which the game is as it was published."""
        done = self.say("update", str(self.game), *words)
        assert self.result("verify", str(self.game), "--full")["wounds"] == []
        return done

    def refuses(self, *words: str, verb: str = "update") -> Refusal:
        """How an update is refused: nothing that is installed was touched."""
        before = snapshot(self.game), (self.game / ".lading" / "install.json").read_bytes()
        where = [str(self.game)] if verb == "update" else [GAME, "--into", str(self.game)]
        refused = self.refused(verb, *where, "--store", self.store, *words)
        assert (snapshot(self.game), (self.game / ".lading" / "install.json").read_bytes()) == before
        return refused

    def finds_nothing_new(self) -> bool:
        """Whether an update ends well and does nothing."""
        return self("update", str(self.game), "--store", self.store, "--exit-code").exit == 3

    @property
    def has(self) -> str:
        """The text in the installed game."""
        return (self.game / "main.txt").read_text()

    def forget(self) -> None:
        """The machine's state is lost; the game is not."""
        shutil.rmtree(self.state)


@dataclass
class Thief(Person):
    """Somebody with keys that are not theirs."""

    def tools(self, game: str = GAME) -> Forge:
        """What signs anything by the keys that were stolen."""
        return Forge(FolderStore(Path(self.store)), Keyring(self.keys), game)


@dataclass
class Cast:
    """A folder in which everybody has a home; the store is there, too."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def store(self) -> Path:
        """Where the studio publishes."""
        return self.folder / "store"

    def studio(self, name: str = "studio") -> Person:
        """Somebody who publishes, or helps to."""
        return Person(**self._of(name))

    def player(self, name: str = "player", store: str = "") -> Player:
        """A player, of this store or another place that serves it."""
        return Player(**{**self._of(name), **({"store": store} if store else {})})

    def thief(self, victim: Person, *kinds: str) -> Thief:
        """Who got the victim's keys of these kinds, and may write to the store."""
        thief = Thief(**self._of("thief"))
        victim.give(thief, *kinds)
        return thief

    def keep(self, name: str) -> Path:
        """Somebody keeps a copy of the store as it is now."""
        return Path(shutil.copytree(self.store, self.folder / name))

    def put_back(self, copy: Path) -> None:
        """The store becomes what was kept."""
        shutil.rmtree(self.store)
        shutil.copytree(copy, self.store)

    def _of(self, name: str) -> dict:
        home = self.folder / name
        return {"home": home, "state": home / "state", "clock": self.clock, "store": str(self.store)}
