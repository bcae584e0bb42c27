#!/usr/bin/env python3
"""The load of `--bin logs` on Loki, and on Fluent Bit's parsers: what do taking in, storing and searching the same lines
cost?

    cargo build --workspace --bin logs --profile fast --locked
    python3 benches/logs_peer.py --lines target/fast/logs --megabytes 250 [--loki PATH] [--fluent-bit PATH]

The lines of one day of each form are pushed in requests of 5,000 to a Loki of one process with storage in files, which
is then told to flush its chunks. CPU-seconds are those of the process from the first request to the last flush: receiving,
the write-ahead log, compressing, writing. Loki stores lines as they are, and parses them when it is asked.

Fluent Bit reads the file, parses each line (JSON, or a regular expression for the access log) and throws it away.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "endurance"))
import harness  # noqa: E402
from rules_peer import cpu, field, snappy, varint  # noqa: E402

DAY_S, START_S = 86_400, 1_767_571_200  # 2026-01-05 00:00 UTC
REQUEST_LINES = 5_000

LOKI = harness.LOKI + """
server: {http_listen_address: 127.0.0.1, http_listen_port: HTTP, grpc_listen_address: 127.0.0.1, grpc_listen_port: GRPC, log_level: error,
  http_server_write_timeout: 10m, grpc_server_max_recv_msg_size: 100000000, grpc_server_max_send_msg_size: 100000000}
ingester: {chunk_encoding: ENCODING, flush_check_period: 1s, chunk_retain_period: 0s}
ingester_client: {remote_timeout: 2m}
limits_config:
  reject_old_samples: false
  per_stream_rate_limit: 10GB
  per_stream_rate_limit_burst: 10GB
  ingestion_rate_mb: 10000
  ingestion_burst_size_mb: 10000
pattern_ingester: {enabled: false}
"""

FLUENT_BIT = r"""
[SERVICE]
    flush 1
    log_level error
    parsers_file DIRECTORY/parsers.conf
[INPUT]
    name tail
    path FILE
    read_from_head true
    exit_on_eof true
    parser PARSER
    mem_buf_limit 200M
[OUTPUT]
    name null
    match *
"""
PARSERS = r"""
[PARSER]
    name json
    format json
    time_key timestamp
    time_format %Y-%m-%dT%H:%M:%S.%LZ
[PARSER]
    name nginx
    format regex
    regex ^(?<remote>[^ ]*) (?<host>[^ ]*) (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")?$
    time_key time
    time_format %d/%b/%Y:%H:%M:%S %z
"""


def push_body(app, lines, first, count):
    entries = []
    for number, line in enumerate(lines):
        at = (first + number) * DAY_S * 1_000_000_000 // count
        seconds, nanos = START_S + at // 1_000_000_000, at % 1_000_000_000
        when = b"\x08" + varint(seconds) + b"\x10" + varint(nanos)
        entries.append(field(2, field(1, when) + field(2, line)))
    return snappy(field(1, field(1, b'{app="%s"}' % app.encode()) + b"".join(entries)))


class Loki:
    def __init__(self, program, encoding):
        self.directory = tempfile.mkdtemp(prefix="logs-peer-")
        port = harness.free_port()
        self.base = f"http://127.0.0.1:{port}"
        text = LOKI.replace("DIRECTORY", self.directory).replace("ENCODING", encoding)
        text = text.replace("HTTP", str(port)).replace("GRPC", str(harness.free_port()))
        pathlib.Path(self.directory, "loki.yaml").write_text(text)
        self.process = subprocess.Popen([program, f"-config.file={self.directory}/loki.yaml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(120):
            try:
                return urllib.request.urlopen(self.base + "/ready", timeout=5).close()
            except OSError:
                time.sleep(0.5)
        raise SystemExit("Loki does not become ready")

    def get(self, path, data=None, content_type="application/x-www-form-urlencoded"):
        request = urllib.request.Request(self.base + path, data=data, headers={"Content-Type": content_type})
        for attempt in range(5):
            try:
                with urllib.request.urlopen(request, timeout=600) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                if error.code < 500 or attempt == 4:
                    raise SystemExit(f"Loki answers {error.code}: {error.read()[:500]}") from None
                # As shippers do.
                time.sleep(1)

    def number(self, metric):
        return float(re.search(rf"^{metric} (\S+)$", self.get("/metrics").decode(), re.M)[1])

    def stored(self):
        """Bytes of chunks, and of the index."""
        def size(folder):
            return sum(path.stat().st_size for path in pathlib.Path(self.directory, folder).rglob("*") if path.is_file())
        return size("objects"), size("tsdb-shipper-active")

    def ingest(self, app, lines):
        """CPU-seconds, and the bytes that are stored."""
        before, stored_before = cpu(self.process), self.stored()[0]
        for first in range(0, len(lines), REQUEST_LINES):
            self.get("/loki/api/v1/push", push_body(app, lines[first:first + REQUEST_LINES], first, len(lines)), "application/x-protobuf")
        self.get("/flush", b"")
        while self.number("loki_ingester_memory_chunks") > 0:
            time.sleep(0.2)
        return cpu(self.process) - before, self.stored()[0] - stored_before

    def ask(self, query, **parameters):
        """The answer, milliseconds and CPU-milliseconds."""
        form = urllib.parse.urlencode({"query": query, "start": START_S, "end": START_S + DAY_S, **parameters})
        before, began = cpu(self.process), time.time()
        answer = self.get(f"/loki/api/v1/query_range?{form}")
        return answer, (time.time() - began) * 1000, (cpu(self.process) - before) * 1000

    def stop(self):
        self.process.terminate()
        self.process.wait(120)
        shutil.rmtree(self.directory, ignore_errors=True)


def measure_loki(program, encoding, forms):
    loki = Loki(program, encoding)
    try:
        for app, lines in forms.items():
            megabytes = sum(len(line) + 1 for line in lines) / 1e6
            seconds, stored = loki.ingest(app, lines)
            print(f"Loki, {encoding}, {app}: {megabytes:.0f} MB, {megabytes / seconds:.0f} MB per CPU-second, {stored / megabytes / 1e4:.1f} % in chunks", flush=True)
        print(f"Loki, {encoding}: index of {loki.stored()[1] / 1e6:.1f} MB")
        trace = re.search(rb'"trace_id":"(\w+)"', forms["json"][len(forms["json"]) // 3])[1].decode()
        errors = 'sum(count_over_time({app="json"} | detected_level="error" [1h]))'
        for what, query, parameters, mark in (
                ("one trace, as text", f'{{app="json"}} |= "{trace}"', {"limit": 100}, trace),
                ("one trace, parsed", f'{{app="json"}} | json | trace_id="{trace}"', {"limit": 100}, trace),
                ("a word that is nowhere", '{app="json"} |= "xylophone"', {"limit": 100}, '"result":[]'),
                ("errors over 24 h by hour", errors, {"step": "1h"}, '"values"')):
            answers = [loki.ask(query, **parameters) for _ in range(3)]
            if any(mark not in answer.decode() for answer, *_ in answers):
                raise SystemExit(f"{query}: {answers[0][0][:500]}")
            told = "; ".join(f"{took:.0f} ms, {cost:.0f} CPU-ms" for _, took, cost in answers)
            print(f"Loki, {encoding}: {what}: {told}", flush=True)
    finally:
        loki.stop()


def measure_fluent_bit(program, folder, forms):
    for app, lines in forms.items():
        work = pathlib.Path(tempfile.mkdtemp(prefix="logs-peer-"))
        (work / "parsers.conf").write_text(PARSERS)
        text = FLUENT_BIT.replace("DIRECTORY", str(work)).replace("FILE", f"{folder}/{app}.log").replace("PARSER", app)
        (work / "fluent-bit.conf").write_text(text)
        megabytes = sum(len(line) + 1 for line in lines) / 1e6
        before = os.times()
        subprocess.run([program, "-c", str(work / "fluent-bit.conf")], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        seconds = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"Fluent Bit, {app}: {megabytes:.0f} MB, {megabytes / seconds:.0f} MB per CPU-second, parsed and thrown away", flush=True)
        shutil.rmtree(work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", required=True, help="the benchmark `logs`, which writes the lines")
    parser.add_argument("--megabytes", type=int, default=250, help="of each form")
    parser.add_argument("--loki", default=harness.peer("loki", "PARAPET_LOKI"))
    parser.add_argument("--fluent-bit", default=harness.peer("fluent-bit", "PARAPET_FLUENT_BIT"))
    parser.add_argument("--encodings", default="snappy,zstd", help="of Loki's chunks; its default is snappy")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="logs-peer-lines-")
    try:
        subprocess.run([arguments.lines, "--megabytes", str(arguments.megabytes), "--write", folder], check=True)
        forms = {app: pathlib.Path(folder, f"{app}.log").read_bytes().splitlines() for app in ("json", "nginx")}
        if arguments.loki:
            for encoding in arguments.encodings.split(","):
                measure_loki(arguments.loki, encoding, forms)
        else:
            print("skipped: no loki on the PATH, as $PARAPET_LOKI or in ~/.cache/parapet-peers")
        if arguments.fluent_bit:
            measure_fluent_bit(arguments.fluent_bit, folder, forms)
        else:
            print("skipped: no fluent-bit on the PATH, as $PARAPET_FLUENT_BIT or in ~/.cache/parapet-peers")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
