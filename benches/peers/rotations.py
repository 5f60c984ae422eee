"""Many clients that each rotate a refresh token of their own, again and again; in one thread, and lean, for it shares the cores with
what it measures."""

import select
import socket
import time

from place import Wrong, percentile

MARK = b'"refreshToken":"'


class Client:
    def __init__(self, port, number, token):
        self.number, self.token = number, token
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = (f"POST /auth/refresh HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n\r\n")

    def ask(self):
        body = '{"refreshToken":"' + self.token + '"}'
        self.got, self.begun = b"", time.perf_counter()
        self.socket.sendall((self.head % len(body) + body).encode())

    def take(self):
        """How long it took, once the answer is whole."""
        data = self.socket.recv(1 << 16)
        self.got += data
        if not data:
            raise Wrong("the connection was closed under a rotation")
        head, end, body = self.got.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            return None
        took = time.perf_counter() - self.begun
        if not head.startswith(b"HTTP/1.1 200 "):
            raise Wrong(f"a rotation was answered {self.got[:300]}")
        self.token = body.partition(MARK)[2].partition(b'"')[0].decode()
        return took


def storm(port, tokens, clients, seconds, most=None):
    """Rotations a second, and the time each took; `tokens` holds the newest afterwards. Ends after `most`, if that comes first."""
    crowd = [Client(port, number, tokens[number]) for number in range(clients)]
    by_file, poll, times = {one.socket.fileno(): one for one in crowd}, select.epoll(), []
    begun = time.monotonic()
    for file, one in by_file.items():
        poll.register(file, select.EPOLLIN)
        one.ask()
    waiting = clients
    while waiting:
        ready = poll.poll(30)
        if not ready:
            raise Wrong(f"{waiting} rotations were not answered in 30 s")
        for file, _ in ready:
            took = by_file[file].take()
            if took is None:
                continue
            times.append(took)
            if time.monotonic() < begun + seconds and (most is None or len(times) < most):
                by_file[file].ask()
            else:
                waiting -= 1
    elapsed = time.monotonic() - begun
    poll.close()
    for one in crowd:
        tokens[one.number] = one.token
        one.socket.close()
    return {"per_second": len(times) / elapsed, "p50_ms": percentile(times, 0.5) * 1e3, "p99_ms": percentile(times, 0.99) * 1e3}
