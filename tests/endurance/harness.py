"""What the endurance runs share: a fleet of targets, a webhook, a parapet process and questions to it."""

import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def peer(program, variable):
    """Where another project's program is: named by the environment, on the PATH, or in the cache of what was built here."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "parapet-peers", program)
    found = (path for path in (os.environ.get(variable), shutil.which(program), cache) if path and os.access(path, os.X_OK))
    return next(found, None)


# A Loki of one process that keeps everything below DIRECTORY: what its users add to this is their own.
LOKI = """
auth_enabled: false
analytics: {reporting_enabled: false}
common:
  instance_addr: 127.0.0.1
  path_prefix: DIRECTORY
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
storage_config: {object_store: {filesystem: {dir: DIRECTORY/objects}}}
schema_config:
  configs: [{from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
query_range: {cache_results: false}
frontend: {encoding: protobuf}
"""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def serve(handler, address="127.0.0.1", port=0):
    server = Server((address, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Fleet:
    """`targets` addresses in 127.1.0.0/16, each with `series` counters that rise by 1 a second."""

    def __init__(self, targets, series):
        self.targets = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(targets)]
        self.started = time.time()
        self.scrapes = 0
        lines = [f'load_requests_total{{path="/api/v1/resource/{n % 50}",code="{200 + n // 50}",shard="{n}"}} ' for n in range(series)]
        fleet = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                value = f"{time.time() - fleet.started:.3f}\n"
                body = ("# TYPE load_requests_total counter\n" + value.join(lines) + value).encode()
                fleet.scrapes += 1
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = serve(Handler, "0.0.0.0")
        self.port = self.server.server_address[1]

    def addresses(self):
        return [f"{target}:{self.port}" for target in self.targets]


class Webhook:
    """Remembers every alert that it receives."""

    def __init__(self):
        self.pages = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                webhook.pages.append((time.time(), dict(self.headers), json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = serve(Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def alerts(self):
        return [alert for _, _, page in self.pages for alert in page["alerts"]]


class Parapet:
    """A parapet process on a directory of its own."""

    def __init__(self, binary, prometheus, rules=None, alertmanager=None, directory=None):
        # The process works in a directory of its own.
        self.binary = os.path.abspath(binary)
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="parapet-endurance-"))
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        (self.directory / "prometheus.yml").write_text(prometheus)
        if rules:
            (self.directory / "rules.yml").write_text(rules)
        if alertmanager:
            (self.directory / "alertmanager.yml").write_text(alertmanager)
        self.alertmanager = bool(alertmanager)
        self.log = open(self.directory / "log", "ab")
        self.process = None

    def start(self):
        command = [self.binary, "run", "--config.file", "prometheus.yml", "--storage.path", "data",
                   "--web.listen-address", f"127.0.0.1:{self.port}"]
        if self.alertmanager:
            command += ["--alertmanager.config.file", "alertmanager.yml"]
        self.process = subprocess.Popen(command, cwd=self.directory, stdout=self.log, stderr=self.log)
        for _ in range(300):
            if self.process.poll() is not None:
                raise SystemExit(f"parapet ended at once; see {self.directory}/log")
            try:
                urllib.request.urlopen(self.base + "/-/ready", timeout=1).read()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"parapet is not ready after 30 s; see {self.directory}/log")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def query(self, expression, at=None, timeout=120):
        parameters = {"query": expression, **({"time": at} if at else {})}
        url = f"{self.base}/api/v1/query?" + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return json.load(answer)["data"]["result"]

    def number(self, expression, at=None):
        result = self.query(expression, at)
        return float(result[0]["value"][1]) if result else None

    def own_metric(self, name):
        with urllib.request.urlopen(self.base + "/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {labels or "": float(value) for labels, value in re.findall(rf"^{name}(\{{[^}}]*\}})? (\S+)$", text, re.M)}

    def memory_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def forget(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def default_binary():
    return str(ROOT / "target/fast/parapet")


def finish(parapet, checks, keep):
    """Says which checks held, forgets the data unless it is to be kept or looked at, and ends the process."""
    for what, held in checks.items():
        print(f"{'ok  ' if held else 'FAIL'} {what}")
    if keep or not all(checks.values()):
        print(f"data: {parapet.directory}")
    else:
        parapet.forget()
    # At once: threads of the run may still be at work.
    sys.stdout.flush()
    os._exit(0 if all(checks.values()) else 1)
