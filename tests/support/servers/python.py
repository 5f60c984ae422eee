"""http.server as `python3 -m http.server` runs it; to the host `reading` it says which file it would open."""
import http.server
import os
import sys

folder, port = sys.argv[1], int(sys.argv[2])


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers["Host"] != "reading":
            return super().do_GET()
        opened = self.translate_path(self.path)
        read = opened[len(os.path.join(folder, "pages")):] or "/"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"reads " + os.fsencode(read) + b"\n")

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=os.path.join(folder, "pages"))

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
