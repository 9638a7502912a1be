"""Makes the users of Redis (ACL) by which agents with credentials of their own come in, and ends them.

PostgreSQL says which there are; the leader makes Redis follow. Redis gets hashes of the passwords only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from taskyard.core.access.agent_user import AgentUser
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg
from taskyard.core.redis.connection import Client, reaching_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.mailbox import BURY
from taskyard.core.redis.raw_commands import RawCommands

LEAST_VERSION = (6, 2)  # of Redis
# No EVAL: the leader loads the scripts. Scripts, too, may do only what is listed here.
COMMANDS = (
    "-@all", "+ping", "+select", "+multi", "+exec", "+discard", "+evalsha", "+set", "+get", "+del", "+exists", "+sadd",
    "+xadd", "+xread", "+xdel", "+xlen", "+xrange", "+xtrim", "+xack", "+xclaim", "+xpending", "+xreadgroup",
    "+xgroup|create", "+xinfo|stream", "+memory|usage",
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z0-9._@+-]{1,64}", re.ASCII)


class AgentUsers:
    """One installation's users for agents. Unless it says otherwise, a method raises redis-py's errors."""

    def __init__(self, client: Client, keys: Keys, scripts: Sequence[str]) -> None:
        """`scripts` are those that agents run."""
        self._redis = client
        self._keys = keys
        self._scripts = scripts
        self._raw = RawCommands(client.connection_pool)

    def check_version(self) -> None:
        """Raises Unavailable if the server is too old for users, or away."""
        with reaching_redis():
            version = str(self._redis.info("server")["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < LEAST_VERSION:
            raise Unavailable(
                msg(
                    "Redis {version} can't give agents credentials of their own, which needs {least} or newer",
                    version=version,
                    least=".".join(map(str, LEAST_VERSION)),
                )
            )

    def enforce(self, wanted: Mapping[str, AgentUser]) -> None:
        """Makes exactly these users, by agent's name; ends all others with their connections and keys.

        Users whose passwords changed are cut off, so that a revoked one is of no use.
        """
        known = self.known()
        if not wanted and not known:
            return
        for text in (*self._scripts, BURY):
            self._command("SCRIPT", "LOAD", text)
        for name in known.keys() - wanted.keys():
            self._end(name)
        generation = self._redis.get(self._keys.generation) or b""
        for name, user in wanted.items():
            self._redis.sadd(self._keys.reporters, name)
            self._redis.set(self._keys.own_generation(name), generation)
            self._command("ACL", "SETUSER", self._keys.agent_user(name), *self._rules(user))
            if known.get(name, frozenset()) - set(user.password_hashes):
                self._command("CLIENT", "KILL", "USER", self._keys.agent_user(name))
        self._save()

    def known(self) -> dict[str, frozenset[str]]:
        """Returns the hashes of the passwords of each user that is there, by agent's name."""
        found = {}
        for user in self._command("ACL", "USERS"):
            name = user.decode(errors="replace")
            if name.startswith(self._keys.prefix):
                answer = self._command("ACL", "GETUSER", name)
                fields = dict(zip(answer[::2], answer[1::2], strict=True))
                found[name.removeprefix(self._keys.prefix)] = frozenset(h.decode() for h in fields[b"passwords"])
        return found

    def _rules(self, user: AgentUser) -> list[str]:
        keys, name = self._keys, user.name
        if not _WORD.fullmatch(name):
            raise ValueError(f"agent {name!r} can have no user in Redis")
        whole = [keys.own_results(name), keys.own_boots(name), keys.own_generation(name), keys.nothing]
        whole += [keys.messages(name), keys.dead_letters(name)]
        of_boots = (keys.inbox(name), keys.heartbeat(name), keys.fenced(name))
        patterns = [*whole, *(f"{key}:*" for key in of_boots)]
        passwords = [f"#{text}" for text in user.password_hashes]
        return ["reset", "on", *passwords, *(f"~{pattern}" for pattern in patterns), "resetchannels", *COMMANDS]

    def _end(self, name: str) -> None:
        self._command("ACL", "DELUSER", self._keys.agent_user(name))  # which ends its connections
        keys = self._keys
        self._redis.srem(keys.reporters, name)
        self._redis.delete(keys.own_results(name), keys.own_boots(name), keys.own_generation(name))

    def _save(self) -> None:
        """Stores the users in the server's file, if it has one; otherwise the next leader makes them again."""
        try:
            self._command("ACL", "SAVE")
        except ResponseError as error:
            if "not configured" not in str(error):
                raise

    def _command(self, *words: str) -> Any:
        """Runs a command without redis-py's parsing, which differs between its versions."""
        return self._raw.command(*words)
