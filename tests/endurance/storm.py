#!/usr/bin/env python3
"""50,000 alerts in one minute: the first page leaves within group_wait + 5 s, memory stays bounded, no alert is dropped.

Alerts are posted as Prometheus posts them, 64 at a time, evenly over the time; `--groups` says over how many groups
they spread (1: a single huge one; as many as alerts: each in its own). Each alert has to arrive at the webhook.

  cargo build --profile fast --bin parapet && python3 tests/endurance/storm.py [--groups 1] [--alerts 50000]
"""

import argparse
import collections
import json
import pathlib
import re
import threading
import time
import urllib.request

import harness

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--binary", default=harness.default_binary())
options.add_argument("--alerts", type=int, default=50_000)
options.add_argument("--groups", type=int, default=500)
options.add_argument("--seconds", type=float, default=60)
options.add_argument("--batch", type=int, default=64)
options.add_argument("--wait", type=float, default=600, help="seconds after the storm until everything must be told")
options.add_argument("--memory-mib", type=float, default=1024)
options.add_argument("--keep", action="store_true")
options = options.parse_args()

GROUP_WAIT = 30
webhook = harness.Webhook()
alertmanager = f"""
route: {{receiver: ops, group_by: [group], group_wait: {GROUP_WAIT}s, group_interval: 1m, repeat_interval: 4h}}
receivers: [{{name: ops, webhook_configs: [{{url: '{webhook.url}'}}]}}]
inhibit_rules: [{{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [group]}}]
"""
parapet = harness.Parapet(options.binary, "global: {}\n", alertmanager=alertmanager)
parapet.start()
stop, peak, depths = threading.Event(), [0.0], collections.Counter()


def watch():
    while not stop.wait(1):
        status = pathlib.Path(f"/proc/{parapet.process.pid}/status").read_text()
        peak[0] = max(peak[0], int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024)
        try:
            seen = parapet.own_metric("parapet_queue_depth")
        except OSError:
            continue
        for labels, value in seen.items():
            queue = labels.split('"')[1]
            depths[queue] = max(depths[queue], int(value))


threading.Thread(target=watch, daemon=True).start()


def alert(number):
    return {
        "labels": {"alertname": "Storm", "group": f"g{number % options.groups}", "instance": f"host-{number:06}.example:9100",
                   "job": "node", "severity": "page", "cluster": f"c{number % 7}"},
        "annotations": {"summary": f"host-{number:06} does not answer", "runbook_url": "https://runbooks.example/node/down",
                        "description": f"The target host-{number:06}.example:9100 of job node has been down for five minutes."},
        "generatorURL": "http://prometheus.example/graph?g0.expr=up%3D%3D0&g0.tab=1",
    }


started, slowest, handled = time.time(), 0.0, parapet.own_metric("parapet_messages_handled_total")
for first in range(0, options.alerts, options.batch):
    due = started + options.seconds * first / options.alerts
    time.sleep(max(0, due - time.time()))
    body = json.dumps([alert(number) for number in range(first, min(first + options.batch, options.alerts))]).encode()
    request = urllib.request.Request(parapet.base + "/api/v2/alerts", body, {"Content-Type": "application/json"})
    asked = time.time()
    urllib.request.urlopen(request, timeout=60).read()
    slowest = max(slowest, time.time() - asked)
posted = time.time() - started
deadline = time.time() + options.wait
told = set()
seen = 0
while time.time() < deadline and len(told) < options.alerts:
    time.sleep(0.5)
    for _, _, page in webhook.pages[seen:]:
        seen += 1
        told.update(alert["labels"]["instance"] for alert in page["alerts"])
complete = max((at for at, _, _ in webhook.pages), default=started) - started
first_page = min((at for at, _, _ in webhook.pages), default=float("inf")) - started
keys = collections.Counter(
    value for _, headers, _ in webhook.pages for name, value in headers.items() if name.lower() == "x-parapet-dedup-key")
stop.set()
messages = {labels.split('"')[1]: int(value - handled.get(labels, 0))
            for labels, value in parapet.own_metric("parapet_messages_handled_total").items()}
cpu = parapet.cpu_seconds()
clean = parapet.stop() == 0
print(f"{options.alerts} alerts of {options.groups} groups posted in {posted:.1f} s, slowest answer {slowest:.2f} s")
print(f"first page after {first_page:.1f} s (group_wait {GROUP_WAIT} s), the last after {complete:.1f} s; {len(webhook.pages)} pages")
print(f"peak memory {peak[0]:.0f} MiB, CPU {cpu:.1f} s, messages handled {messages}, deepest queues {dict(depths)}")
checks = {
    "every alert was told": len(told) == options.alerts,
    "the first page left within group_wait + 5 s": first_page <= GROUP_WAIT + 5,
    "no page came twice": max(keys.values(), default=0) == 1,
    "memory": peak[0] < options.memory_mib,
    "clean stop": clean,
}
harness.finish(parapet, checks, options.keep)
