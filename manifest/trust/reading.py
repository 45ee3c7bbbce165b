"""Reading a registry's games: nothing leaves here that a threshold of the publisher's keys did not sign.

The timestamp is asked for first. If it is the one that was verified last, and its day is not over, nothing else is read
and python-tuf is not even imported; otherwise the updater walks. Which builds a channel may go back to is decided here,
too, against the marks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chunkstore.clock import Clock
from chunkstore.errors import Corrupt, LadingError, LocalProblem
from chunkstore.store import Fetched, KeyMissing, ObjectReader
from manifest.documents import Build, BuildMissing, GameMissing, GameState
from manifest.durations import CLOCK_TOLERANCE, duration
from manifest.events import EventSink, WarningEvent
from manifest.keys import timestamp_key
from manifest.names import check_name
from manifest.trust.contact import Contact, folder_for
from manifest.trust.folder import TrustFolder, digests_of
from manifest.trust.guard import check
from manifest.trust.pins import RootPin
from manifest.trust.refusals import BadSignature, MetadataExpired, MetadataMissing
from manifest.trust.roles import BINS, DAY, LIMITS, SNAPSHOT, TIMESTAMP, build_path
from manifest.trust.seen import MetadataRollback, Seen, advance, roles_found
from manifest.trust.state import bin_of, read_state

if TYPE_CHECKING:
    from manifest.trust.visiting import Visitor, Walked


@dataclass
class _Visit:
    """What is known of one game since this command began; `unseen` if this machine remembered nothing of it then."""

    folder: TrustFolder
    stamp: Fetched
    unseen: bool
    files: dict[str, bytes] = field(default_factory=dict)
    visitor: Visitor | None = None


class SignedGames:
    """The games of one store, as one user's machine may believe them. `trust` is the folder that holds what it knows,
    `contact` says how the first contact with a game may be made.

    With `accept_stale` metadata that has expired is believed for all else that it proves, and a warning says its age.
    """

    def __init__(
        self,
        store: ObjectReader,
        trust: Path,
        clock: Clock,
        contact: Callable[[str], Contact],
        sink: EventSink,
        *,
        accept_stale: bool = False,
    ) -> None:
        self._store = store
        self._trust = trust
        self._clock = clock
        self._contact = contact
        self._sink = sink
        self._accept_stale = accept_stale
        self._visits: dict[str, _Visit] = {}
        self._told_of_clock = False

    def game(self, game: str) -> GameState:
        """The channels of a game and its newest builds. Raises `GameMissing` and every refusal of trust."""
        return self._state(self._visit(game))

    def whole(self, game: str) -> GameState:
        """As `game`, with every build."""
        visit = self._visit(game, BINS)
        self._open_bins(visit, BINS)
        return self._state(visit)

    def newest(self, game: str) -> GameState:
        """As `whole`, and under a root that was written since even if nothing else is new."""
        visit = self._visit(game, BINS, recall=False)
        self._open_bins(visit, BINS)
        return self._state(visit)

    def build(self, state: GameState, number: int) -> Build:
        """A build of the game, however old. Raises `BuildMissing`."""
        if number in state.builds:
            return state.builds[number]
        visit = self._visits.get(state.game) or self._visit(state.game)
        self._open_bins(visit, [bin_of(build_path(state.game, number))])
        return self._state(visit).build(number)

    def pin(self, game: str) -> RootPin:
        """The root that the trust in a game began with."""
        return self._visits[game].folder.about.pin

    def admit(self, state: GameState, channel: str, number: int, installed: int) -> None:
        """Lets a channel point to a build, and remembers that it did. `installed` counts where all marks are lost.

        Raises `RollbackRefused` if the build is older than one that was seen there and the publisher did not allow it,
        and `BuildMissing`: what nobody signed as a build leaves no mark.
        """
        self.build(state, number)
        visit = self._visits[state.game]
        folder, seen = visit.folder, visit.folder.seen()
        floor = 0 if seen.channels else seen.floor  # a first contact is over when it was followed anywhere
        mark = seen.channels.get(channel, max(installed if visit.unseen else 0, floor))
        if number < mark and self._allows(state, mark) > number:
            raise RollbackRefused(
                f"channel {channel} of {state.game} points to build #{number}, and #{mark} was seen there",
                where=self._store.url,
                data={"channel": channel, "build": number, "seen": mark},
            )
        with folder.locked():
            seen = folder.seen()
            mark = max(mark, number, seen.channels.get(channel, 0))
            if number < mark and self._allows(state, number) > self._allows(state, mark):
                mark = number  # a build that was taken back is no measure once its players have one that allows less
            if mark != seen.channels.get(channel):
                folder.save(replace(seen, channels={**seen.channels, channel: mark}))

    def _allows(self, state: GameState, mark: int) -> int:
        """How far the publisher lets those go back who have seen build `mark`."""
        try:
            return self.build(state, mark).rollback_to
        except BuildMissing:
            return mark

    def _visit(self, game: str, bins: Collection[str] = (), *, recall: bool = True) -> _Visit:
        """The game's metadata as it stands now, verified; with these bins if it was not the same before."""
        stamp = self._timestamp(check_name(game, "game"))
        before = self._visits.get(game)
        folder = before.folder if before else self._meet(game, stamp.data)
        unseen = before.unseen if before else not folder.seen().root
        visit = self._visits[game] = _Visit(folder, stamp, unseen)
        check(TIMESTAMP, stamp.data, folder.about.binding, f"{self._store.url}/{timestamp_key(game)}")
        with folder.locked():
            seen = folder.seen()
            files = folder.recall(seen, stamp.data, self._moment(seen)) if recall else None
            if files is None:
                self._walk(visit, seen, bins)
            else:
                visit.files = files
                self._look_at_clock(seen.latest)
        return visit

    def _meet(self, game: str, timestamp: bytes) -> TrustFolder:
        return folder_for(game, self._store, self._trust, self._contact(game), self._clock.now(), timestamp)

    def _state(self, visit: _Visit) -> GameState:
        return replace(read_state(visit.folder.about.binding.game, visit.files), tag=visit.stamp.etag)

    def _open_bins(self, visit: _Visit, bins: Collection[str]) -> None:
        """Verifies bins that were not read yet, as far as there are any."""
        listed = json.loads(visit.files[SNAPSHOT])["signed"]["meta"]
        if any(f"{name}.json" in listed and name not in visit.files for name in bins):
            with visit.folder.locked():
                self._walk(visit, visit.folder.seen(), bins)

    def _timestamp(self, game: str) -> Fetched:
        key = timestamp_key(game)
        try:
            return self._store.get(key, limit=LIMITS[TIMESTAMP])
        except KeyMissing as error:
            raise GameMissing(f"there is no game {game}", where=self._store.url) from error

    def _moment(self, seen: Seen) -> float:
        """The time that expiry is measured by: a clock that was set back does not make old metadata fresh."""
        return max(self._clock.now(), seen.latest)

    def _look_at_clock(self, signed_at: int) -> None:
        """Says once how far the clock of this machine is behind a moment of signing, if it is."""
        behind = signed_at - self._clock.now()
        if behind <= CLOCK_TOLERANCE or self._told_of_clock:
            return
        self._told_of_clock = True
        message = f"the clock of this machine is at least {duration(behind)} behind"
        self._sink.emit(WarningEvent("clock-behind", message, next="Set the clock of this machine."))

    def _walk(self, visit: _Visit, seen: Seen, bins: Collection[str]) -> None:
        """Verifies what changed, keeps it and advances the marks. The folder is locked."""
        from manifest.trust.visiting import Visitor  # noqa: PLC0415 - python-tuf takes 60 ms

        moment = self._moment(seen)

        def go() -> Walked:
            visit.visitor = visit.visitor or Visitor(visit.folder, self._store, visit.stamp.data)
            return visit.visitor.walk(moment, bins, accept_stale=self._accept_stale)

        try:
            try:
                walked = go()
            except (BadSignature, MetadataMissing, MetadataRollback):
                # The timestamp moved on between two requests, under new keys perhaps, or another program of this user
                # has seen a newer one meanwhile, or a cache still believes that a file is absent.
                visit.stamp = self._timestamp(visit.folder.about.binding.game)
                visit.files.clear()
                visit.visitor = None
                walked = go()
        except MetadataExpired as error:
            self._name_wrong_clock(visit, error)
            self._look_at_clock(seen.latest)
            if ends := error.data.get("expires"):
                game = visit.folder.about.binding.game
                error.message = f"what is signed of {game} expired {duration(moment - ends)} ago: {error.message}"
            raise
        visit.files.update(walked.files)
        after = self._advanced(visit, seen, walked, moment)
        if after != seen:
            visit.folder.save(after)

    def _advanced(self, visit: _Visit, seen: Seen, walked: Walked, moment: float) -> Seen:
        """The marks after a walk, with what `recall` needs unless it was a stale one. Raises `MetadataRollback`."""
        self._look_at_clock(max(seen.latest, walked.signed_at))
        state = read_state(visit.folder.about.binding.game, visit.files)
        after = advance(seen, roles_found(walked.files), walked.root, state)
        # A moment of signing far ahead of our clock is remembered only in part: it must not age all that comes later.
        after = replace(after, latest=max(seen.latest, min(walked.signed_at, int(self._clock.now()) + DAY)))
        if walked.expired_for:
            message = (
                f"the metadata of {state.game} expired {duration(walked.expired_for)} ago and was accepted as asked"
            )
            self._sink.emit(WarningEvent("metadata-stale", message, self._store.url))
            return after
        digests = digests_of(walked.files)
        before = seen.files if seen.files.get(TIMESTAMP) == digests[TIMESTAMP] else {}
        return replace(after, walked_at=int(moment), expires=walked.expires, files={**before, **digests})

    def _name_wrong_clock(self, visit: _Visit, error: LadingError) -> None:
        """If the store's clock says that nothing has expired, ours is wrong. Raises `ClockWrong` then."""
        served = 0.0
        with suppress(LadingError):
            served = self._store.stat(timestamp_key(visit.folder.about.binding.game)).now
        ahead = self._clock.now() - served
        if served and ahead > CLOCK_TOLERANCE and served < error.data.get("expires", 0):
            raise ClockWrong(
                f"the clock of this machine is {duration(ahead)} ahead: by it the metadata has expired",
                where=self._store.url,
                data={"ahead_seconds": int(ahead)},
            ) from error


class RollbackRefused(Corrupt):
    """A channel points to a build that is older than one it showed before, and its publisher did not allow that."""

    code = "rollback-refused"
    default_cause = "An old state of the store is served, or the channel was moved back without the publisher's keys."
    default_next = (
        "Nothing was changed. Publishers allow it with `lading build withdraw`; --build N installs any build."
    )


class ClockWrong(LocalProblem):
    """The clock of this machine is so wrong that metadata seems to have expired."""

    code = "clock-wrong"
    default_cause = "The clock was set wrongly, or its battery is empty."
    default_next = "Set the clock and run the same command again."
