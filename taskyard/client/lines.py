"""Reads an answer line by line while it comes."""

from __future__ import annotations

from collections.abc import Iterator

from taskyard.client.calls import Call
from taskyard.client.exchange import Lost, Reply, Value, failure
from taskyard.client.sync import Client
from taskyard.client.transport import ERRORS, arguments_of, lost_of, reply_of


def lines_of(client: Client, call: Call[Value]) -> Iterator[Value]:
    """Yields what a call reads of each line of its answer, as it comes; nothing is repeated."""
    rules = client._core.rules
    reply: Reply | Lost
    try:
        with client._http.stream(**arguments_of(rules.request(call))) as response:
            if response.status_code == 200:
                yield from (call.read(line.encode()) for line in response.iter_lines())
                return
            response.read()
            reply = reply_of(response)
    except ERRORS as error:
        reply = lost_of(error)
    raise failure(reply, call, rules)[0]
