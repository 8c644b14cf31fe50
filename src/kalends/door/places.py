"""How many connections a process keeps, and which ones give way when there are more."""

import asyncio
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from kalends.telemetry import Outage

if TYPE_CHECKING:
    from kalends.door.connection import Connection

Group = dict["Connection", None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections are allowed. `kept` is the number of places beyond `connections`, for what is answered
    `always`."""

    connections: int = 1_000
    kept: int = 16
    always: tuple[bytes, ...] = (b"/healthz", b"/readyz")
    head_bytes: int = 16 * 1024
    head_seconds: float = 10
    body_seconds: float = 30
    slow_seconds: float = 1
    """How long after its head a request whose body has not come may give way, if all places are taken."""
    answer_seconds: float = 30
    linger_seconds: float = 2
    """How long a refused connection is still read, and what comes is dropped: if it were closed at once, the
    reset could overtake the answer."""
    sweep_seconds: float = 1
    pipelined: int = 4


class Door:
    """Looks after all connections of a process, by one sweep a second in place of a timer for each. uvicorn
    makes them by `partial(Connection, door)`."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # Each is in the order in which its connections joined it.
        self._leaving: Group = {}
        self._fresh: Group = {}
        self._idle: Group = {}
        self._slow: Group = {}
        self._busy: Group = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._outage = Outage(
            "all places for connections are taken", "there are places for connections again"
        )

    def __len__(self) -> int:
        return sum(map(len, (self._leaving, self._fresh, self._idle, self._slow, self._busy)))

    def enter(self, connection: "Connection") -> None:
        """Give a new connection a place. If there is none, the one that has waited longest gives way: first
        of those that never completed the head of a request, then of those between two requests, then of those
        whose body does not come; never one whose request is under way."""
        if len(self) >= self.limits.connections + self.limits.kept and not self._make_room():
            connection.turn_away()
        else:
            self._move(connection, self._fresh)
        if self._sweeper is None:
            self._sweep(connection.loop)

    def begin(self, connection: "Connection") -> None:
        """Note that a request has begun."""
        self._move(connection, self._busy)

    def slow(self, connection: "Connection") -> None:
        """Note that the body of its request has not come for a while."""
        self._move(connection, self._slow)

    def rest(self, connection: "Connection") -> None:
        """Note that no request is under way, and another may come."""
        self._move(connection, self._idle)

    def dismiss(self, connection: "Connection") -> None:
        """Note that nothing more is expected of it."""
        self._move(connection, self._leaving)

    def leave(self, connection: "Connection") -> None:
        """Note that it is gone."""
        connection.group.pop(connection, None)

    def is_full(self, target: bytes) -> bool:
        """Return whether there is no place for a request for that target."""
        if len(self._busy) < self.limits.connections:
            return False
        if target.partition(b"?")[0].endswith(self.limits.always):
            return False
        self._tell()
        return True

    def _move(self, connection: "Connection", group: Group) -> None:
        connection.group.pop(connection, None)
        group[connection] = None
        connection.group = group

    def _make_room(self) -> bool:
        self._tell()
        for oldest in chain(self._leaving, self._fresh, self._idle, self._slow):
            self.leave(oldest)
            oldest.give_way()
            return True
        return False

    def _tell(self) -> None:
        self._outage.fails(
            "Connections that wait are closed for new ones; if all have requests under way, new ones are "
            "answered 503. If they are your clients, raise KALENDS_CONNECTIONS and the limit of open files "
            "(ulimit -n), or run more servers; else block them in front of the server.",
            places=self.limits.connections,
        )

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeper = None
        if len(self) < self.limits.connections:
            self._outage.works()
        if not len(self):
            return
        self._sweeper = loop.call_later(self.limits.sweep_seconds, self._sweep, loop)
        now = loop.time()
        for connection in [*self._leaving, *self._fresh, *self._idle, *self._slow, *self._busy]:
            connection.look(now)
