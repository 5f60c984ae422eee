"""An HTTP/1.1 client that keeps its connection and can send anything: for checks, logins, rotations and probes."""

import asyncio
import time

TIMEOUT = 30


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body


class Connection:
    """One connection, opened again when the other side has closed it."""

    def __init__(self, port):
        self.port = port
        self.opened = 0
        self.reader = self.writer = None

    async def ask(self, method="GET", path="/", fields=(), body=b""):
        return await asyncio.wait_for(self._ask(method, path, fields, body), TIMEOUT)

    async def _ask(self, method, path, fields, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.opened += 1
        head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *(f"{name}: {value}" for name, value in fields)]
        if body or method == "POST":
            head.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*head, "", ""]).encode() + body)
        status = int((await self.reader.readuntil(b"\r\n")).split(b" ")[1])
        got = {}
        while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            got[name.strip().lower()] = value.strip()
        if got.get("transfer-encoding") == "chunked":
            text = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                text += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        else:
            text = await self.reader.readexactly(int(got.get("content-length", 0)))
        if got.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, got, text)

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def crowd(port, count, work):
    """`count` connections at once, each handed to `work`; what they return."""
    connections = [Connection(port) for _ in range(count)]
    try:
        return await asyncio.gather(*map(work, connections))
    finally:
        for connection in connections:
            connection.close()


async def timed(ask):
    """(its answer, how long it took in seconds)"""
    begun = time.perf_counter()
    answer = await ask
    return answer, time.perf_counter() - begun
