"""Lists temporary error replies of Redis and PostgreSQL, as the proxies in front of them give them."""

from __future__ import annotations

from dataclasses import dataclass

READS = frozenset(
    b"GET MGET EXISTS PING HELLO CLIENT INFO CONFIG SELECT AUTH XREAD XLEN XINFO XRANGE XREVRANGE "
    b"ZCARD ZRANGE SMEMBERS SCARD LRANGE TTL PTTL TYPE SCAN TIME SCRIPT".split()
)


@dataclass(frozen=True, slots=True)
class RedisFault:
    """An error reply, and whether the server gives it to writing commands only."""

    reply: str
    writes_only: bool

    def strikes(self, words: list[bytes]) -> bool:
        """Returns True if a command of these words gets it."""
        return not (self.writes_only and words[0].upper() in READS)


REDIS = {
    "MISCONF": RedisFault(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", True
    ),
    "OOM": RedisFault("OOM command not allowed when used memory > 'maxmemory'.", True),
    "READONLY": RedisFault("READONLY You can't write against a read only replica.", True),
    "NOREPLICAS": RedisFault("NOREPLICAS Not enough good replicas to write.", True),
    "BUSY": RedisFault("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", False),
    "LOADING": RedisFault("LOADING Redis is loading the dataset in memory", False),
    "MASTERDOWN": RedisFault("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", False),
    "CLUSTERDOWN": RedisFault("CLUSTERDOWN The cluster is down", False),
    "TRYAGAIN": RedisFault("TRYAGAIN Multiple keys request during rehashing of slot", False),
}

# SQLSTATE → text; the connection ends with it, as with the real ones
POSTGRES = {
    "53300": "sorry, too many clients already",
    "57P01": "terminating connection due to administrator command",
    "57P02": "terminating connection because of crash of another server process",
    "57P03": "the database system is starting up",
    "53100": "could not extend file: No space left on device",
}
