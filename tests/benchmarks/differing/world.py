"""What two servers hold alike: every thing that was made on both has one name here and an id on each of them."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

NAME = re.compile(r"<[a-z]+\d+>")


@dataclass
class Request:
    """One request to both servers; ids stand in it as names such as ``<balance3>``.

    ``route`` is the path without what varies, ``tag`` says which way through it was taken. ``learns`` is the kind of
    what it makes and the key of its id in the answer. ``queued`` requests are seen once a worker has run; ``looks``
    ones must not be sent before.
    """

    method: str
    path: str
    route: str
    body: Any = None
    tag: str = ""
    learns: tuple[str, str] | None = None
    queued: bool = False
    looks: bool = False
    moves: bool = False
    """Whether a difference in its success makes what follows differ as well."""


class World:
    """What is known in one episode: it has a currency of its own, so that lists and indicators belong to it alone."""

    def __init__(self, rng: random.Random, run: str, number: int) -> None:
        self.rng = rng
        self.currency = f"X{run}{number}"
        self.ids: dict[str, dict[str, str]] = {}
        self.names: dict[str, dict[str, str]] = defaultdict(dict)
        self.pools: dict[str, list[str]] = defaultdict(list)
        self.references: list[str] = []
        self.indicators = ["@world", "@shop", "@hotel"]
        self._made = 0

    def learn(self, kind: str, ids: dict[str, str]) -> str:
        """Give a name to what has these ids, by server, and return it."""
        known = {self.names[server].get(each) for server, each in ids.items()}
        if len(known) == 1 and (name := known.pop()):
            return name
        name = f"<{kind}{len(self.ids)}>"
        self.ids[name] = ids
        for server, each in ids.items():
            self.names[server][each] = name
        self.pools[kind].append(name)
        return name

    def forget(self, name: str) -> None:
        for pool in self.pools.values():
            if name in pool:
                pool.remove(name)

    def on(self, server: str, text: str) -> str:
        """Return a text as it is sent to a server."""
        return NAME.sub(lambda found: self.ids.get(found[0], {}).get(server, found[0]), text)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def one(self, *kinds: str, unknown: float = 0.04) -> str:
        """Return the name of something of one of these kinds; now and then an id that does not exist."""
        known = [name for kind in kinds for name in self.pools[kind]]
        if not known or self.chance(unknown):
            return self.rng.choice([f"{PREFIXES[kinds[0]]}_none", f"{PREFIXES[kinds[0]]}_00000000-0000-4000-8000-0"])
        return self.rng.choice(known)

    def reference(self) -> str:
        """Return a reference, as a rule one that was never used."""
        if self.references and self.chance(0.04):
            return self.rng.choice(self.references)
        self._made += 1
        self.references.append(f"{self.currency}-{self._made}")
        return self.references[-1]


PREFIXES = {
    "ledger": "ldg",
    "balance": "bln",
    "identity": "idt",
    "account": "acc",
    "monitor": "mon",
    "hook": "hook",
    "key": "api_key",
    "txn": "txn",
    "hold": "txn",
    "split": "txn",
    "batch": "bulk",
}
