#!/usr/bin/env python3
"""Bodies that mean harm, scraped and pushed: what a process needs of memory at the most, and what it says.

  cargo build --workspace --bin parapet --profile fast --locked && python3 tests/endurance/hostile.py

Each case has a process of its own, beside a healthy target that must not miss a scrape. The peak is VmHWM of the
kernel; --most-mib is what it may be.
"""

import argparse
import gzip
import http.client
import http.server
import json
import pathlib
import re
import sys
import time
import urllib.request
import zlib

import harness

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--binary", default=harness.default_binary())
options.add_argument("--most-mib", type=float, default=1024)
options.add_argument("--only", default="", help="cases whose name holds this")
options = options.parse_args()

INTERVAL = 5
PIECE = b"".join(b'a{i="%d"} 1\n' % n for n in range(4096))


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def bomb(mebibytes):
    """Comments that unfold a thousand times."""
    packer, out = zlib.compressobj(9, zlib.DEFLATED, 31), []
    line = b"#" * ((1 << 20) - 1) + b"\n"
    for _ in range(mebibytes):
        out.append(packer.compress(line))
    return b"".join(out) + packer.flush()


BOMB = bomb(2048)
LABELS = b"a{" + b"".join(b'l%d="",' % n for n in range(1_000_000)) + b"} 1\n"


class Hostile(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        body = {"healthy": b"a 1\n", "labels": LABELS, "utf8": b'a{b="\xff\xfe"} 1\n' * 1000, "bomb": BOMB}.get(kind)
        if body is not None:
            if kind == "bomb":
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(chunk(PIECE if kind == "endless" else b"#"))
                if kind == "drip":
                    self.wfile.flush()
                    time.sleep(0.5)
        except OSError:
            self.close_connection = True

    def log_message(self, *_):
        pass


server = harness.serve(Hostile)
PORT = server.server_address[1]


def job(kind, count=1, more=""):
    jobs = ""
    for n in range(count):
        jobs += f"""
  - job_name: {kind}{n}
    metrics_path: /{kind}/{n}{more}
    static_configs: [{{targets: ["127.0.0.1:{PORT}"]}}]"""
    return jobs


def start(jobs):
    parapet = harness.Parapet(options.binary, f"""
global: {{scrape_interval: {INTERVAL}s, scrape_timeout: 4s}}
scrape_configs:{job("healthy")}{jobs}
""")
    parapet.start()
    return parapet


def peak_mib(parapet):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{parapet.process.pid}/status").read_text())[1]) / 1024


def targets(parapet):
    with urllib.request.urlopen(parapet.base + "/api/v1/targets", timeout=20) as answer:
        return json.load(answer)["data"]["activeTargets"]


failed = []


def say(name, parapet, what, held):
    memory, cpu = peak_mib(parapet), parapet.cpu_seconds()
    held = held and memory <= options.most_mib
    if not held:
        failed.append(name)
    print(f"{'ok  ' if held else 'FAIL'} {name:<34} {memory:7.0f} {cpu:7.1f}  {what}", flush=True)


print(f"     {'case':<34} {'MiB':>7} {'CPU s':>7}  what it says")

SCRAPES = [
    ("nothing hostile", "", None),
    ("endless body", job("endless"), "body size limit exceeded|context deadline exceeded"),
    ("endless body, body_size_limit 10MB", job("endless", 1, "\n    body_size_limit: 10MB"), "body size limit exceeded"),
    ("8 endless bodies", job("endless", 8), "body size limit exceeded|context deadline exceeded|too many bytes"),
    ("gzip bomb, 2 MiB to 2 GiB", job("bomb"), "body size limit exceeded|context deadline exceeded"),
    ("8 gzip bombs", job("bomb", 8), "body size limit exceeded|context deadline exceeded|too many bytes"),
    ("series of a million labels", job("labels"), "more than 1000 labels in one series"),
    ("invalid UTF-8", job("utf8"), "invalid UTF-8 label value"),
    ("slow drip", job("drip", 8), "context deadline exceeded"),
]
for name, jobs, reason in SCRAPES:
    if options.only not in name:
        continue
    parapet = start(jobs)
    time.sleep(4 * INTERVAL)
    down = [target for target in targets(parapet) if target["health"] != "up"]
    said = sorted({target["lastError"] for target in down})
    missed = parapet.number('sum_over_time((1 - up{job="healthy0"})[1m:1s])')
    hostile = jobs.count("job_name")
    ups = parapet.number('count(up{job!="healthy0"} == 0) or vector(0)')
    held = missed == 0 and len(down) == hostile and ups == hostile and (not hostile or all(re.search(reason, text) for text in said))
    say(name, parapet, "; ".join(said)[:150], held)
    parapet.stop()
    parapet.forget()


def push(parapet, path, headers, pieces, wait=0):
    """Sends pieces as one body, chunk by chunk; the status and text of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", parapet.port, timeout=60)
    connection.putrequest("POST", path)
    for header, value in {"Transfer-Encoding": "chunked", **headers}.items():
        connection.putheader(header, value)
    connection.endheaders()
    try:
        for piece in pieces:
            connection.send(chunk(piece))
            time.sleep(wait)
        connection.send(b"0\r\n\r\n")
    except OSError:
        pass  # it does not want more
    try:
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)


def times(piece, mebibytes):
    return (piece for _ in range(mebibytes * (1 << 20) // len(piece)))


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, payload):
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def literal(data):
    """A snappy block of literals alone."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), 65536):
        piece = data[at : at + 65536]
        out += b"\xf4" + (len(piece) - 1).to_bytes(2, "little") + piece
    return bytes(out)


# A block that repeats one byte: sixty-four times what was sent.
SNAPPY_BOMB = varint(60 << 20) + b"\x00a" + b"\xfe\x01\x00" * ((60 << 20) // 64)
SYMBOLS = field(4, b"") + field(4, b"a" * 60_000)
UNFOLDS = SYMBOLS + field(5, field(1, b"\x01\x01" * 100_000)) * 20
WRITE = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
WRITE2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding": "snappy"}
OTLP = {"Content-Type": "application/x-protobuf"}
million = b"a" + b"".join(b",l%d=x" % n for n in range(1_000_000)) + b" v=1\n"
PUSHES = [
    ("remote write, endless", "/api/v1/write", WRITE, times(b"x" * (1 << 16), 100), (413,)),
    ("remote write, snappy bomb", "/api/v1/write", WRITE, [SNAPPY_BOMB], (400, 413)),
    ("remote write 2.0, symbols unfold", "/api/v1/write", WRITE2, [literal(UNFOLDS)], (400, 413)),
    ("OTLP, endless", "/v1/metrics", OTLP, times(b"x" * (1 << 16), 100), (413,)),
    ("OTLP, gzip bomb", "/v1/metrics", {**OTLP, "Content-Encoding": "gzip"}, [BOMB], (413,)),
    ("Pushgateway, endless", "/metrics/job/a", {}, times(PIECE, 100), (413,)),
    ("Pushgateway, gzip bomb", "/metrics/job/a", {"Content-Encoding": "gzip"}, [BOMB], (413,)),
    ("Pushgateway, a million labels", "/metrics/job/a", {}, [LABELS], (400,)),
    ("Pushgateway, invalid UTF-8", "/metrics/job/a", {}, [b'a{b="\xff"} 1\n'], (400,)),
    ("InfluxDB, endless", "/write", {}, times(b"cpu,host=a v=1\n" * 4096, 100), (413,)),
    ("InfluxDB, a million tags", "/write", {}, [million], (400,)),
    ("InfluxDB, invalid UTF-8", "/write", {}, [b"cpu,host=\xff v=1\n"], (400,)),
]
for name, path, headers, pieces, wanted in PUSHES:
    if options.only not in name:
        continue
    parapet = start("")
    status, text = push(parapet, path, headers, pieces)
    held = status in wanted
    say(name, parapet, f"{status} {text}"[:150], held)
    parapet.stop()
    parapet.forget()
if options.only in "slow drip, pushed by 32":
    import threading

    parapet = start("")
    drips = [
        threading.Thread(target=push, args=(parapet, "/write", {}, [b"c"] * 30, 0.5), daemon=True) for _ in range(32)
    ]
    for thread in drips:
        thread.start()
    time.sleep(2)
    status, text = push(parapet, "/write", {}, [b"cpu v=1\n"])
    say("slow drip, pushed by 32", parapet, f"another is answered meanwhile: {status} {text}"[:150], status == 204)
    parapet.stop()
    parapet.forget()
sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
