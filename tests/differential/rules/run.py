#!/usr/bin/env python3
"""The same samples and the same rules in Parapet and in Prometheus: the same alerts at the same evaluations?

    python3 tests/differential/rules/run.py --prometheus PATH [--parapet PATH] [--seconds 600] [--seed 1]

Samples are remote-written to both ten seconds before their time, so that every evaluation finds the same data. Both
place a group's evaluations by the same hash, Prometheus within the second, Parapet on it; times are compared by the
second. Compared are all samples of ALERTS and ALERTS_FOR_STATE and of the recorded series, staleness included (a
series is looked for at every evaluation). The exit status is 1 where anything differs.
"""
import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
STEP = 5
AHEAD = 10
STALE = struct.pack("<Q", 0x7FF0000000000002)


def varint(n):
    out = b""
    while True:
        out += bytes([n & 0x7F | (0x80 if n > 0x7F else 0)])
        n >>= 7
        if not n:
            return out


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def snappy(data):
    """Snappy without compression: literals only."""
    out = varint(len(data))
    for at in range(0, len(data), 60000):
        part = data[at:at + 60000]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return out


def write_request(series):
    """series: [(labels, [(ms, bytes of a double)])]"""
    body = b""
    for labels, samples in series:
        one = b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in sorted(labels.items()))
        one += b"".join(field(2, b"\x09" + value + b"\x10" + varint(at)) for at, value in samples)
        body += field(1, one)
    return snappy(body)


def post(base, body):
    request = urllib.request.Request(base + "/api/v1/write", data=body, headers={
        "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0"})
    urllib.request.urlopen(request, timeout=10).read()


def get(base, path, **params):
    with urllib.request.urlopen(base + path + "?" + urllib.parse.urlencode(params), timeout=60) as answer:
        return json.load(answer)["data"]


class Signals:
    """Series that switch between 0 and 1 after times of 5 s to 3 min, vanish with a marker now and then, and come back."""

    def __init__(self, seed, start):
        self.random = random.Random(seed)
        self.start = start
        self.state = [{"value": 0, "until": start + 60 + self.random.randint(0, 60), "there": True} for _ in range(12)]
        self.events = 0

    def at(self, second):
        series = []
        for number, state in enumerate(self.state):
            labels = {"__name__": "signal", "id": str(number), "shard": "abc"[number % 3]}
            if second >= state["until"]:
                was_there = state["there"]
                state["there"] = self.random.random() > 0.1 or not was_there
                state["value"] = 1 - state["value"]
                state["until"] = second + self.random.choice([5, 10, 20, 35, 50, 80, 120, 180])
                if was_there and not state["there"]:
                    series.append((labels, [(second * 1000, STALE)]))
            if state["there"]:
                series.append((labels, [(second * 1000, struct.pack("<d", state["value"]))]))
        phase = (second - self.start) // 100 % 2
        self.events += STEP * (40 if phase else 2)
        series.append(({"__name__": "events_total", "job": "x"}, [(second * 1000, struct.pack("<d", self.events))]))
        return series


def start(command, log, environment=None):
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})


def wait_ready(base, process):
    for _ in range(240):
        if process.poll() is not None:
            sys.exit(f"{base} ended: see its log")
        try:
            urllib.request.urlopen(base + "/-/ready", timeout=2).read()
            return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"{base} is not ready after two minutes")


def samples(base, selector, end, seconds):
    """Series (as text) to {second: value}."""
    found = {}
    for series in get(base, "/api/v1/query", query=f"{selector}[{seconds}s]", time=end)["result"]:
        name = json.dumps(series["metric"], sort_keys=True)
        found.setdefault(name, {}).update({int(float(at)): float(value) for at, value in series["values"]})
    return found


def compare(ours, theirs, first, last, tolerance):
    """Counts of samples that agree, and what differs."""
    same, differences = 0, []
    for name in sorted(set(ours) | set(theirs)):
        left, right = ours.get(name, {}), theirs.get(name, {})
        for at in sorted(t for t in set(left) | set(right) if first <= t <= last):
            a, b = left.get(at), right.get(at)
            if a is not None and b is not None and abs(a - b) <= tolerance * max(abs(a), abs(b)):
                same += 1
            else:
                differences.append(f"{name} at {at}: Parapet {a}, Prometheus {b}")
    return same, differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parapet", default=os.path.join(HERE, "../../../target/fast/parapet"))
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="keep logs and data in this directory")
    arguments = parser.parse_args()
    work = arguments.keep or tempfile.mkdtemp(prefix="parapet-rules-")
    os.makedirs(work, exist_ok=True)
    shutil.copy(os.path.join(HERE, "rules.yml"), os.path.join(work, "rules.yml"))
    with open(os.path.join(work, "prometheus.yml"), "w") as config:
        config.write(f"global: {{evaluation_interval: 15s}}\nrule_files: ['{work}/rules.yml']\n")
    ours, theirs = "http://127.0.0.1:19190", "http://127.0.0.1:19191"
    logs = [open(os.path.join(work, name), "w") for name in ("parapet.log", "prometheus.log")]
    processes = [
        start([arguments.parapet, "run", "--config.file", f"{work}/prometheus.yml", "--storage.path", f"{work}/parapet",
               "--web.listen-address", "127.0.0.1:19190"], logs[0]),
        start([arguments.prometheus, f"--config.file={work}/prometheus.yml", f"--storage.tsdb.path={work}/prometheus",
               "--web.listen-address=127.0.0.1:19191", "--web.enable-remote-write-receiver"], logs[1]),
    ]
    try:
        for base, process in zip((ours, theirs), processes):
            wait_ready(base, process)
        begin = int(time.time()) // STEP * STEP + STEP
        signals = Signals(arguments.seed, begin)
        second = begin
        while second < begin + arguments.seconds + AHEAD:
            time.sleep(max(0, second - AHEAD - time.time()))
            body = write_request(signals.at(second))
            post(ours, body)
            post(theirs, body)
            second += STEP
        time.sleep(max(0, begin + arguments.seconds + AHEAD - time.time()))
        # Groups have begun by then, and what was evaluated last is stored.
        first, last, end = begin + 60, begin + arguments.seconds - 15, begin + arguments.seconds + AHEAD
        total, failed = 0, []
        for selector, tolerance in (("ALERTS", 0), ("ALERTS_FOR_STATE", 0), ('{__name__=~"level:.+"}', 1e-9)):
            left, right = (samples(base, selector, end, arguments.seconds + 60) for base in (ours, theirs))
            same, differences = compare(left, right, first, last, tolerance)
            print(f"{selector}: {len(left)} series in Parapet, {len(right)} in Prometheus, {same} samples agree, "
                  f"{len(differences)} differ")
            total += same
            failed += differences
        for difference in failed[:40]:
            print("  " + difference)
        for base, process in zip((ours, theirs), processes):
            with open(f"/proc/{process.pid}/stat") as stat:
                ticks = stat.read().rsplit(")", 1)[1].split()
            cpu = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
            print(f"{base}: {cpu:.1f} CPU-seconds")
            bad = [(rule["name"], rule.get("lastError", "")) for group in get(base, "/api/v1/rules")["groups"]
                   for rule in group["rules"] if rule["health"] != "ok"]
            print(f"  rules that fail: {sorted(bad)}")
        print(f"{total} samples agree, {len(failed)} differ (seed {arguments.seed}, {arguments.seconds} s)")
        return 1 if failed or not total else 0
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)
        if not arguments.keep:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
