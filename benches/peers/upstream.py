"""What every contender stands in front of: nginx with a small 200, and behind its /echo a server that says what arrived."""

import contextlib
import http.server
import json
import threading

from fetch import command
from place import WORK, configured, free_port
from process import Server


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def running(cores):
    """Its port."""
    folder = WORK / "upstream"
    folder.mkdir(parents=True, exist_ok=True)
    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    echo.daemon_threads = True
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(configured("upstream.conf", folder=folder, port=port, echo=echo.server_address[1]))
    try:
        with Server("upstream", [command("nginx"), "-c", file], cores) as server:
            server.wait_until_listening(port)
            yield port
    finally:
        echo.shutdown()
