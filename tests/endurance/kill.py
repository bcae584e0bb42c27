#!/usr/bin/env python3
"""kill -9, 20 times at random moments of 5 minutes: no acknowledged sample lost, none doubled, no notification lost.

Samples are pushed by remote write; one that was answered with 2xx must be there at the end, once. Each pushed event
fires an alert of its own, whose page must arrive.

  cargo build --profile fast --bin parapet && python3 tests/endurance/kill.py [--kills 20] [--seconds 300] [--seed N]
"""

import argparse
import random
import struct
import threading
import time
import urllib.request

import harness

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--binary", default=harness.default_binary())
options.add_argument("--kills", type=int, default=20)
options.add_argument("--seconds", type=float, default=300)
options.add_argument("--seed", type=int, default=int(time.time()))
options.add_argument("--keep", action="store_true")
options = options.parse_args()
random.seed(options.seed)
print(f"seed {options.seed}", flush=True)


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def write_request(labels, value, timestamp_ms):
    """A remote write 1.0 body with one sample, in snappy's form without compression."""
    pairs = b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in sorted(labels.items()))
    sample = varint(1 << 3 | 1) + struct.pack("<d", value) + varint(2 << 3) + varint(timestamp_ms)
    raw = field(1, pairs + field(2, sample))
    out, rest = varint(len(raw)), raw
    while rest:
        chunk, rest = rest[:60], rest[60:]
        out += bytes([(len(chunk) - 1) << 2]) + chunk
    return out


fleet = harness.Fleet(10, 50)
webhook = harness.Webhook()
addresses = ", ".join(f"'{address}'" for address in fleet.addresses())
prometheus = f"""
global: {{scrape_interval: 5s, scrape_timeout: 4s, evaluation_interval: 5s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: load
    static_configs: [{{targets: [{addresses}]}}]
"""
rules = """
groups:
  - name: events
    rules:
      - {alert: Event, expr: 'event > 0', labels: {severity: page}}
"""
alertmanager = f"""
route: {{receiver: hook, group_by: [alertname, id], group_wait: 1s, group_interval: 10s, repeat_interval: 4h}}
receivers:
  - name: hook
    webhook_configs: [{{url: '{webhook.url}'}}]
"""
parapet = harness.Parapet(options.binary, prometheus, rules, alertmanager)
acknowledged, refused, done = [], [0], threading.Event()


def push():
    number = 0
    while not done.is_set():
        number += 1
        timestamp_ms = int(time.time() * 1000)
        body = write_request({"__name__": "event", "id": str(number)}, float(number), timestamp_ms)
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
        while not done.is_set():  # As a remote-writing Prometheus does: the same body until it is acknowledged.
            try:
                urllib.request.urlopen(urllib.request.Request(parapet.base + "/api/v1/write", data=body, headers=headers), timeout=10).read()
                acknowledged.append((number, timestamp_ms))
                break
            except OSError:
                refused[0] += 1
                time.sleep(0.2)
        time.sleep(0.5)


parapet.start()
started = time.time()
threading.Thread(target=push, daemon=True).start()
moments = sorted(random.uniform(3, options.seconds - 30) for _ in range(options.kills))
seen_scrapes = {}
for kill, moment in enumerate(moments, 1):
    wait = started + moment - time.time()
    if wait > 2:
        time.sleep(wait - 1)
        # Whatever a query has shown must be there for ever.
        for series in parapet.query("load_requests_total[1m]"):
            key = tuple(sorted(series["metric"].items()))
            seen_scrapes.setdefault(key, {}).update({t: v for t, v in series["values"]})
    time.sleep(max(0, started + moment - time.time()))
    parapet.kill()
    before = time.time()
    parapet.start()
    print(f"kill {kill:2} at {moment:5.1f} s, ready again after {time.time() - before:.1f} s, acknowledged {len(acknowledged)}", flush=True)
time.sleep(max(0, started + options.seconds - time.time()))
done.set()
print("waiting for what is under way", flush=True)
deadline = time.time() + 90
want = {str(number) for number, _ in acknowledged}
while time.time() < deadline and want - {a["labels"].get("id") for a in webhook.alerts() if a["status"] == "firing"}:
    time.sleep(1)

span = int(time.time() - started) + 60
stored = {}
for series in parapet.query(f"event[{span}s]"):
    stored[series["metric"]["id"]] = [(round(float(t) * 1000), float(v)) for t, v in series["values"]]
lost = [n for n, t in acknowledged if (t, float(n)) not in stored.get(str(n), [])]
doubled = [n for n, samples in stored.items() if len(samples) > 1]
paged = {}
for _, headers, page in webhook.pages:
    for alert in page["alerts"]:
        if alert["status"] == "firing":
            key = headers.get("X-Parapet-Dedup-Key") or headers.get("x-parapet-dedup-key")
            paged.setdefault(alert["labels"]["id"], []).append(key)
unpaged = want - set(paged)
repeats = {n: keys for n, keys in paged.items() if len(keys) > 1}
unidentified = [n for n, keys in repeats.items() if len(set(keys)) > 1]
shown = parapet.query(f"load_requests_total[{span}s]")
now = {tuple(sorted(s["metric"].items())): dict(map(tuple, s["values"])) for s in shown}
vanished = sum(1 for key, samples in seen_scrapes.items() for t, v in samples.items() if now.get(key, {}).get(t) != v)
clean = parapet.stop() == 0
print(f"acknowledged {len(acknowledged)}, lost {len(lost)}, doubled {len(doubled)}; refused and pushed again {refused[0]}")
print(f"scraped samples seen {sum(map(len, seen_scrapes.values()))}, of which gone or changed {vanished}")
print(f"pages wanted {len(want)}, missing {len(unpaged)}, repeated {len(repeats)}, of which with another key {len(unidentified)}")
checks = {
    "no acknowledged sample lost": not lost and acknowledged,
    "no sample doubled": not doubled,
    "no sample that was shown is gone": not vanished and seen_scrapes,
    "no notification lost": not unpaged,
    "clean stop": clean,
}
harness.finish(parapet, checks, options.keep)
