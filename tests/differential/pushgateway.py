#!/usr/bin/env python3
"""Sends the same requests to a Pushgateway and to Parapet and compares status codes, what a scraper reads of both, and
the answers of /api/v1/metrics.

  cargo build --profile fast --bin parapet
  python3 tests/differential/pushgateway.py --pushgateway /path/to/prometheus-pushgateway

The Pushgateway is Debian's package prometheus-pushgateway. The exit status is 1 where anything differs but for times."""

import argparse
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

GOOD = "# HELP x what it is\n# TYPE x gauge\nx{a=\"1\"} 1.5\nx{a=\"2\",b=\"q\\\"uo\\\\te\\n\"} -2e10\n"
HISTOGRAM = "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1e3\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 12.5\nh_count 3\n"
SUMMARY = "# TYPE s summary\ns{quantile=\"0.5\"} 0.25\ns{quantile=\"0.99\"} NaN\ns_sum 1e-5\ns_count 7\n"
# Method, path, body.
REQUESTS = [
    ("PUT", "/metrics/job/a", GOOD),
    ("POST", "/metrics/job/a/instance/i", HISTOGRAM + SUMMARY),
    ("POST", "/metrics/job/a", "# TYPE x gauge\nx 9\n"),
    ("PUT", "/metrics/job/b", "untyped_one 3\n"),
    ("PUT", "/metrics/job@base64/YS9i/path@base64/L3Zhci90bXA=", "c 1\n"),
    ("PUT", "/metrics/job/e/empty@base64/=", "c 1\n"),
    ("PUT", "/metrics/job/with%20space/instance/x%3A9090", "c 1\n"),
    ("PUT", "/metrics/job/own", "c{job=\"mine\",instance=\"here\"} 1\n"),
    ("PUT", "/metrics/job/trailing/", "c 1\n"),
    ("PUT", "/metrics/job/nothing", ""),
    ("POST", "/metrics/job/times", "c 1 1700000000000\n"),
    ("POST", "/metrics/job/kind", "# TYPE x counter\nx 1\n"),
    ("POST", "/metrics/job/twice", "d{l=\"1\"} 1\nd{l=\"1\"} 2\n"),
    ("POST", "/metrics/job/parts", "h_sum 1\n"),
    ("POST", "/metrics/job/broken", "c{ 1\n"),
    ("POST", "/metrics/job/broken", "# TYPE c gauge\n# TYPE c counter\nc 1\n"),
    ("POST", "/metrics/job/odd/label", "c 1\n"),
    ("POST", "/metrics/job/bad/1label/x", "c 1\n"),
    ("POST", "/metrics/job/bad/__label/x", "c 1\n"),
    ("POST", "/metrics/job/bad/label@base64/!!", "c 1\n"),
    ("POST", "/metrics/job@base64/=", "c 1\n"),
    ("POST", "/metrics/job/push", "push_time_seconds 5\n"),
    ("DELETE", "/metrics/job/b", ""),
    ("DELETE", "/metrics/job/unknown", ""),
    ("GET", "/metrics/job/a", ""),
    ("PUT", "/metrics/job/after", "untyped_one 4\n"),
]


class Server:
    def __init__(self, name, command, directory):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.base = f"http://127.0.0.1:{found.getsockname()[1]}"
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "prometheus.yml"), "w") as file:
            file.write("global: {}\n")
        self.log = open(os.path.join(directory, "log"), "w")
        listen = self.base.removeprefix("http://")
        command = [part.format(listen=listen, directory=directory) for part in command]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        for _ in range(240):
            if self.process.poll() is not None:
                sys.exit(f"{name} ended; see {self.log.name}")
            try:
                urllib.request.urlopen(self.base + "/-/ready", timeout=5).read()
                return
            except OSError:
                time.sleep(0.25)
        sys.exit(f"{name} is not ready; see {self.log.name}")

    def send(self, method, path, body, headers={}):
        data = body if isinstance(body, bytes) else body.encode()
        request = urllib.request.Request(self.base + path, data=data if method != "GET" else None, method=method, headers=headers)
        request.add_unredirected_header("Content-Type", "text/plain")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


TIME = re.compile(r"(push_(?:failure_)?time_seconds\{[^}]*\}) (?!0$)\S+")
OWN = re.compile(r"^(# (HELP|TYPE) )?(go_|process_|promhttp_|pushgateway_)")


def number(text):
    return re.sub(r"(?<= )\S+$", lambda found: repr(float(found[0].replace("Inf", "inf"))), text)


def exposed(text):
    """The lines with labels in order and numbers as such, families in order."""
    lines = []
    for line in text.splitlines():
        if OWN.match(line):
            continue
        line = TIME.sub(r"\1 1", line)
        if not line.startswith("#"):
            line = re.sub(r'((?:le|quantile)=")([^"]+)"', lambda found: f'{found[1]}{float(found[2].replace("Inf", "inf"))}"', line)
            name, _, rest = line.partition("{")
            labels, _, value = rest.rpartition("} ")
            labels = ",".join(sorted(re.findall(r'\w+="(?:[^"\\]|\\.)*"', labels)))
            line = number(f"{name}{{{labels}}} {value}")
        lines.append(line)
    return sorted(lines)


def told(text):
    groups = json.loads(text)["data"]
    for group in groups:
        for name, family in group.items():
            if isinstance(family, dict) and "time_stamp" in family:
                family["time_stamp"] = bool(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$", family["time_stamp"]))
                if name.startswith("push_"):
                    family["time_stamp"] = True
                    for metric in family["metrics"]:
                        metric["value"] = metric["value"] != "0" and re.match(r"1\.\d+e\+09$", metric["value"]) is not None
                family["metrics"].sort(key=lambda metric: json.dumps(metric, sort_keys=True))
    return sorted(groups, key=lambda group: json.dumps(group["labels"], sort_keys=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pushgateway", required=True)
    parser.add_argument("--ours", default="target/fast/parapet")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="pushgateway-")
    servers, different = [], 0
    try:
        servers.append(Server("pushgateway", [options.pushgateway, "--web.listen-address={listen}"], directory + "/pushgateway"))
        servers.append(Server("parapet", [
            options.ours, "run", "--config.file={directory}/prometheus.yml", "--storage.path={directory}/data",
            "--web.listen-address={listen}"], directory + "/parapet"))
        for at, (method, path, body) in enumerate(REQUESTS):
            headers = {}
            if at % 3 == 1:
                body, headers = gzip.compress(body.encode()), {"Content-Encoding": "gzip"}
            theirs, ours = (server.send(method, path, body, headers) for server in servers)
            if theirs[0] != ours[0]:
                different += 1
                print(f"{method} {path}: pushgateway {theirs}, parapet {ours}")
            elif theirs[1].strip() != ours[1].strip():
                print(f"other words, {method} {path}:\n  pushgateway {theirs[1].strip()}\n  parapet     {ours[1].strip()}")
            theirs = exposed(servers[0].send("GET", "/metrics", "")[1])
            ours = exposed(servers[1].send("GET", "/pushgateway/metrics", "")[1])
            if theirs != ours:
                different += 1
                print(f"after {method} {path}:\n  pushgateway alone {[one for one in theirs if one not in ours]}"
                      f"\n  parapet alone     {[one for one in ours if one not in theirs]}")
            theirs, ours = (told(server.send("GET", "/api/v1/metrics", "")[1]) for server in servers)
            for one, other in zip(theirs, ours):
                if one != other:
                    different += 1
                    names = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
                    print(f"after {method} {path}, /api/v1/metrics: {names}")
                    for name in names[:2]:
                        print(f"  pushgateway {one.get(name)}\n  parapet     {other.get(name)}")
            if len(theirs) != len(ours):
                different += 1
                print(f"after {method} {path}: {len(theirs)} groups, and {len(ours)}")
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(REQUESTS)} requests, {different} differences")
    sys.exit(1 if different else 0)


main()
