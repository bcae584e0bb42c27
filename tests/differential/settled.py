#!/usr/bin/env python3
"""Runs `parapet run` behind a proxy that answers a write once it can be read, for test suites that ask at once.

  python3 tests/differential/settled.py PORT DIRECTORY CONFIG [BINARY]

Samples of any age are taken. The runners of the conformance data start it as
  --start-cmd 'python3 tests/differential/settled.py {port} {dir} {config}'"""

import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

port, directory, config = int(sys.argv[1]), sys.argv[2], sys.argv[3]
root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
binary = sys.argv[4] if len(sys.argv) > 4 else os.path.join(root, "target", "fast", "parapet")
with socket.socket() as found:
    found.bind(("127.0.0.1", 0))
    behind = found.getsockname()[1]
century_ms = str(100 * 365 * 86_400_000)
server = subprocess.Popen(
    [binary, "run", f"--config.file={config}", f"--storage.path={directory}/data", f"--web.listen-address=127.0.0.1:{behind}",
     "--storage.tsdb.retention.time=100y"],
    env={**os.environ, "PARAPET_MAX_WRITE_AGE_MS": century_ms, "PARAPET_MAX_SAMPLE_AGE_MS": century_ms},
)


def ask(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", behind, timeout=120)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()


def chunks():
    return json.loads(ask("GET", "/api/v1/status/tsdb")[2])["data"]["headStats"]["chunkCount"]


def settle(before):
    """Until something more is stored: one request is stored at once, or not at all."""
    for _ in range(500):
        if chunks() != before:
            return
        time.sleep(0.02)


class Proxy(http.server.BaseHTTPRequestHandler):
    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        is_write = self.path.startswith("/api/v1/write")
        try:
            before = chunks() if is_write else None
            status, headers, body = ask(self.command, self.path, body, headers)
        except OSError:
            status, headers, body = 503, {}, b""
        if is_write and status < 300:
            settle(before)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_OPTIONS = forward

    def log_message(self, *_):
        pass


proxy = http.server.ThreadingHTTPServer(("127.0.0.1", port), Proxy)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=proxy.shutdown).start())
try:
    proxy.serve_forever()
finally:
    server.terminate()
    server.wait(30)
