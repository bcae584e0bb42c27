"""A proxy before the emulator that makes the queues as bad as they are allowed to be.

Every message sent through it is sent a second time, the copy with a random delay of its own, and the first is delayed
at random too: all come twice and none in order. Everything else passes unchanged.
"""

import http.client
import http.server
import json
import threading
import urllib.parse

COPY_DELAY_SECONDS = 20
JITTER_SECONDS = 3


class Duplicator:
    def __init__(self, endpoint, rng):
        self.rng, self.lock, self.duplicated = rng, threading.Lock(), 0
        upstream = urllib.parse.urlsplit(endpoint).netloc
        duplicator = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def forward(self):
                length = self.headers.get("Content-Length")
                body = self.rfile.read(int(length)) if length else b""
                if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                    body = self.read_chunks()
                target = self.headers.get("X-Amz-Target", "")
                if target == "AmazonSQS.SendMessageBatch":
                    body, copy = duplicator.twice(body)
                    self.exchange(copy)
                status, headers, answer = self.exchange(body)
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                        self.send_header(name, value)
                if self.command == "HEAD":
                    lengths = [value for name, value in headers if name.lower() == "content-length"]
                    self.send_header("Content-Length", lengths[0] if lengths else "0")
                elif status not in (204, 304):
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

            def exchange(self, body):
                connection = http.client.HTTPConnection(upstream, timeout=60)
                headers = {name: value for name, value in self.headers.items()
                           if name.lower() not in ("content-length", "transfer-encoding", "connection", "expect")}
                headers["Content-Length"] = str(len(body))
                connection.request(self.command, self.path, body=body, headers=headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                return answer.status, answer.getheaders(), content

            def read_chunks(self):
                body = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return body

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass  # A client that was stopped while it waited for a message.

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def twice(self, body):
        """The batch and its copy, each message of both delayed at random."""
        batch, copy = json.loads(body), json.loads(body)
        with self.lock:
            self.duplicated += len(batch["Entries"])
            for entries, most in ((batch["Entries"], JITTER_SECONDS), (copy["Entries"], COPY_DELAY_SECONDS)):
                for entry in entries:
                    delay = entry.get("DelaySeconds", 0) + self.rng.randint(0, most)
                    entry["DelaySeconds"] = min(delay, 900)
                self.rng.shuffle(entries)
        return json.dumps(batch).encode(), json.dumps(copy).encode()
