"""Finds cycles in a graph of tasks, and its layers (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_NAMED = 10  # keys of a cycle that a message names


def cycles_in(parents: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Yields cycles that have no key in common, each in the order in which its keys wait for the next, the first again
    at the end.

    Parents that are no keys are left out.
    """
    left = {key: [one for one in dict.fromkeys(before) if one in parents] for key, before in parents.items()}
    while True:
        done = set(ordered(left))
        left = {key: [one for one in left[key] if one not in done] for key in left if key not in done}
        if not left:
            return
        cycle = _cycle(left)
        yield cycle
        left = {key: [one for one in left[key] if one not in cycle] for key in left if key not in cycle}


def _cycle(left: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns one cycle of a graph in which every key waits for another one: whoever is met twice is in it."""
    seen: dict[str, int] = {}
    path: list[str] = []
    key = next(iter(left))
    while key not in seen:
        seen[key] = len(path)
        path.append(key)
        key = left[key][0]
    return [*path[seen[key] :], key]


def ordered(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the keys so that each comes after its parents; those in or below a cycle are left out."""
    waiting = {key: len(set(before)) for key, before in parents.items()}
    children: dict[str, list[str]] = {key: [] for key in parents}
    for key, before in parents.items():
        for one in set(before):
            children[one].append(key)
    ready = [key for key, count in waiting.items() if count == 0]
    for key in ready:  # grows while it is read
        for child in children[key]:
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    return ready


def layers(parents: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Returns the keys in layers: each in the one after the last of its parents. The graph has no cycle."""
    depth: dict[str, int] = {}
    for key in ordered(parents):
        depth[key] = max((depth[one] + 1 for one in parents[key]), default=0)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in parents:
        if key in depth:
            found[depth[key]].append(key)
    return found


def cycle_text(cycle: Sequence[str]) -> str:
    """Returns a cycle on one line, shortened in its middle."""
    if len(cycle) > MAX_NAMED:
        cycle = [*cycle[: MAX_NAMED - 2], "…", cycle[-1]]
    return " → ".join(cycle)
