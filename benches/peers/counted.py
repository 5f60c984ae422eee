"""What callgrind counts while a contender answers. No clock is involved, so it repeats.

The same is done with N requests and with 2N; the difference, divided by N, is what a request costs without start and end.
"""

import asyncio
import collections
import contextlib
import functools
import re

from checks import check
from client import crowd
from contenders import FLOOR, Line
from place import WORK, Wrong
from process import Server

USERS, WARM = 64, 200


class Counted(Server):
    """A server under callgrind."""

    def __init__(self, name, command, cores, options, **how):
        self.counts = WORK / "callgrind" / name.replace(" ", "-")
        self.counts.parent.mkdir(parents=True, exist_ok=True)
        for old in self.counts.parent.glob(f"{self.counts.name}.*"):
            old.unlink()
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.counts}.%p", "--trace-children=no", *options]
        super().__init__(name, [*valgrind, *command], cores, **how)

    def events(self):
        """How many there were, by callgrind's names; after it has ended."""
        total = collections.Counter()
        for file in self.counts.parent.glob(f"{self.counts.name}.*"):
            text = file.read_text()
            names, sums = re.search(r"^events: (.+)$", text, re.M), re.findall(r"^(?:totals|summary): (.+)$", text, re.M)
            if names and sums:
                total.update(dict(zip(names[1].split(), map(int, sums[-1].split()))))
        if not total:
            raise Wrong(f"callgrind wrote nothing for {self.name}; see {self.log}")
        return total


async def ask(contender, tokens, requests, connections):
    left = list(range(requests))

    async def again_and_again(connection):
        while left:
            token = tokens[left.pop() % len(tokens)]
            answer = await connection.ask("GET", "/", [("Authorization", f"Bearer {token}")])
            if answer.status != 200:
                raise Wrong(f"{contender.name} answered {answer.status}")
        if connection.opened > 1:
            raise Wrong(f"{contender.name} closed the connection")

    await crowd(contender.port, connections, again_and_again)


def a_request(name, cores, port, binary, requests, connections=1, options=()):
    """The events of one request to the contender of this name, with the tokens of 64 users in rotation."""

    server = functools.partial(Counted, options=options)

    def life(requests):
        with contextlib.ExitStack() as within:
            line = Line(within, cores, port, binary, USERS, server=server, store="instructions")
            contender = line.nginx(master="off") if name == FLOOR else line.all()[name]()
            check(contender, line.secret)
            asyncio.run(ask(contender, contender.tokens.read_text().split(), WARM + requests, connections))
            contender.server.stop()
            return contender.server.events()

    once, twice = life(requests), life(2 * requests)
    return {event: (twice[event] - once[event]) / requests for event in twice}
