#!/usr/bin/env python3
"""The load of `--bin rules` on Prometheus: what do its rules cost?

    cargo run --profile fast -p parapet-benches --bin rules -- --print-rules > /tmp/rules.yml
    python3 benches/rules_peer.py --prometheus PATH --rules /tmp/rules.yml [--seconds 120]

The same series are remote-written, five minutes of them at once, then every 15 s; with the rules and without them.
The difference in CPU-seconds is what the rules cost.
"""
import argparse
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import urllib.request

METRICS, INSTANCES = 1000, 200


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def snappy(data):
    out = [varint(len(data))]
    for at in range(0, len(data), 60000):
        part = data[at:at + 60000]
        out += [bytes([61 << 2]), struct.pack("<H", len(part) - 1), part]
    return b"".join(out)


def label_bytes(metric, number):
    labels = [("__name__", f"bench_metric_{metric}_total"), ("instance", f"10.0.{number // 250}.{number % 250 + 1}:9100"),
              ("job", "bench"), ("zone", f"z{number % 3}")]
    return b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in labels)


def write(base, series, at, start):
    time_part = b"\x10" + varint(at * 1000)
    for number in range(INSTANCES):
        parts = []
        for metric, labels in enumerate(series[number]):
            value = (at - start) * ((number + metric * 7) % 40)
            sample = b"\x09" + struct.pack("<d", value) + time_part
            one = labels + b"\x12" + varint(len(sample)) + sample
            parts += [b"\x0a", varint(len(one)), one]
        request = urllib.request.Request(base + "/api/v1/write", data=snappy(b"".join(parts)), headers={
            "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0"})
        urllib.request.urlopen(request, timeout=60).read()


def cpu(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        ticks = stat.read().rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def run(arguments, rules, series):
    work = tempfile.mkdtemp(prefix="rules-peer-")
    with open(f"{work}/prometheus.yml", "w") as config:
        config.write("global: {evaluation_interval: 30s}\n")
        if rules:
            config.write(f"rule_files: ['{os.path.abspath(rules)}']\n")
    base = "http://127.0.0.1:19291"
    process = subprocess.Popen(
        [arguments.prometheus, f"--config.file={work}/prometheus.yml", f"--storage.tsdb.path={work}/data",
         "--web.listen-address=127.0.0.1:19291", "--web.enable-remote-write-receiver"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(base + "/-/ready", timeout=2).read()
                break
            except OSError:
                time.sleep(0.5)
        now = int(time.time()) // 15 * 15
        start = now - 300
        for at in range(start, now + 1, 15):
            write(base, series, at, start)
        before, began = cpu(process), time.time()
        at = now + 15
        while time.time() - began < arguments.seconds:
            time.sleep(max(0, at - time.time()))
            write(base, series, at, start)
            at += 15
        return (cpu(process) - before) / (time.time() - began) * 30
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        shutil.rmtree(work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--rules", required=True)
    parser.add_argument("--seconds", type=int, default=120)
    arguments = parser.parse_args()
    series = [[label_bytes(metric, number) for metric in range(METRICS)] for number in range(INSTANCES)]
    without = run(arguments, None, series)
    with_rules = run(arguments, arguments.rules, series)
    print(f"CPU-seconds in 30 s: {with_rules:.2f} with rules, {without:.2f} without, {with_rules - without:.2f} for the rules")


if __name__ == "__main__":
    main()
