#!/usr/bin/env python3
"""Asks Prometheus 3.5.3 and Parapet the same: the same remote-written series, generated expressions, instant and range;
values to 1e-9, labels, types, errors, warnings and infos must agree.

  cargo build --profile fast --bin parapet
  python3 tests/differential/run.py --prometheus /path/to/prometheus [--seed 1] [--count 2000]

Prometheus 3.5.3 is the package `prometheus` of Debian sid. Differences that are wanted, because Parapet follows 3.14,
are listed with their reason in compare.py; they are counted apart. The exit status is 1 where any other is found."""

import argparse
import collections
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

import compare
import remote_write
from data import Data
from expressions import Expressions

FEATURES = "promql-experimental-functions,native-histograms,promql-duration-expr"
HOURS = 2


def port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    ready, patience_s = "/-/ready", 30

    def __init__(self, name, command, directory):
        self.name, self.port = name, port()
        os.makedirs(directory, exist_ok=True)
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w") as file:
            file.write("global: {scrape_interval: 15s}\n")
        command = [part.format(port=self.port, directory=directory, config=config) for part in command]
        self.log = open(os.path.join(directory, "log"), "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.base = f"http://127.0.0.1:{self.port}"
        self.connection = None
        for _ in range(self.patience_s * 10):
            try:
                if self.request("GET", self.ready)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"{name} does not become ready; see {self.log.name}")

    def request(self, method, path, form=None, headers=None):
        for attempt in range(2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            try:
                of_form = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
                self.connection.request(method, path, form, of_form | (headers or {}))
                response = self.connection.getresponse()
                return response.status, response.read()
            except (http.client.HTTPException, OSError):
                self.connection = None
                if attempt:
                    raise

    def ask(self, endpoint, **parameters):
        status, body = self.request("POST", f"/api/v1/{endpoint}", urllib.parse.urlencode(parameters))
        try:
            return json.loads(body)
        except ValueError:
            return {"status": f"HTTP {status}", "error": body.decode(errors="replace")[:300]}

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def load(servers, data, end_s):
    for piece in data.slices(600_000):
        body = b"".join(remote_write.series(labels, samples) for labels, samples in piece)
        for server in servers:
            remote_write.push(server.base, body)
    names = sorted({labels["__name__"] for labels, _ in data.series})
    for _ in range(240):
        counts = [[count(server, name, end_s) for name in names] for server in servers]
        if counts[0] == counts[1]:
            return sum(counts[0])
        time.sleep(0.5)
    differences = [(name, *held) for name, *held in zip(names, *counts) if held[0] != held[1]]
    raise SystemExit(f"the servers do not come to hold the same samples: {differences}")


def count(server, name, end_s):
    """How many samples of a metric a server holds, without staleness markers."""
    answer = server.ask("query", query=f'sum(count_over_time({{__name__="{name}"}}[3h]))', time=end_s)
    return sum(int(series["value"][1]) for series in answer["data"]["result"])


def is_ordered(expression):
    return expression.startswith(("sort(", "sort_desc(")) and expression.endswith(")")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    options.add_argument("--binary", default=os.path.join(root, "target", "fast", "parapet"))
    options.add_argument("--prometheus", default=shutil.which("prometheus") or "prometheus")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=2000)
    options.add_argument("--show", type=int, default=40, help="differences to print")
    options.add_argument("--excused", help="print differences that are wanted, too, where the reason has this text")
    options.add_argument("--expression", help="ask this alone, at the end of the data")
    options.add_argument("--serve", action="store_true", help="keep both servers until Enter is pressed")
    options = options.parse_args()
    source = random.Random(options.seed)
    end_s = int(time.time()) // 60 * 60 - 60
    start_s = end_s - HOURS * 3600
    data = Data(source, start_s * 1000, end_s * 1000)
    directory = tempfile.mkdtemp(prefix="parapet-differential-")
    servers = [
        Server("parapet", [options.binary, "run", "--config.file={config}", "--storage.path={directory}/data",
                           "--web.listen-address=127.0.0.1:{port}"], directory + "/parapet"),
    ]
    try:
        servers.append(
            Server("prometheus", [options.prometheus, "--config.file={config}", "--storage.tsdb.path={directory}/data",
                                  "--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                                  f"--enable-feature={FEATURES}"], directory + "/prometheus"))
        samples = load(servers, data, end_s)
        print(f"seed {options.seed}: {len(data.series)} series, {samples} samples in both", flush=True)
        if options.serve:
            input("\n".join(f"{server.name}: {server.base}" for server in servers) + "\n")
            return 0
        return compare_all(options, servers, source, start_s, end_s)
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def compare_all(options, servers, source, start_s, end_s):
    generated = Expressions(source, start_s, end_s)
    counts, shown = collections.Counter(), 0
    for number in range(options.count):
        expression = options.expression or generated.one()
        at = f"{source.uniform(start_s + 600, end_s):.3f}"
        step = source.choice((7, 15, 30, 60, 60, 120, 300))
        first = source.uniform(start_s - 300, end_s - 600)
        last = min(first + step * source.randrange(2, 60), end_s + 400)
        asked = (
            ("query", {"query": expression, "time": end_s if options.expression else at}),
            ("query_range", {"query": expression, "start": f"{first:.3f}", "end": f"{last:.3f}", "step": step}),
        )
        for endpoint, parameters in asked:
            ours, theirs = (server.ask(endpoint, **parameters) for server in servers)
            counts[endpoint, "asked"] += 1
            counts[endpoint, "errors"] += theirs["status"] == "error"
            empty = theirs["status"] == "success" and not theirs["data"]["result"]
            counts[endpoint, "without data"] += empty
            found = compare.difference(expression, ours, theirs, endpoint == "query" and is_ordered(expression))
            if found is None:
                continue
            why = compare.deliberate(expression, found)
            if expression.startswith("limitk") and "success" == theirs["status"] == ours["status"] and compare.counts(ours) != compare.counts(theirs):
                why = None
            if why:
                counts[endpoint, f"deliberate: {why}"] += 1
                if options.excused and options.excused in why:
                    print(f"{endpoint} {parameters}\n    {found[:1500]}", flush=True)
                continue
            counts[endpoint, "DIFFERENT"] += 1
            if shown < options.show:
                shown += 1
                print(f"{endpoint} {parameters}\n    {found[:1500]}", flush=True)
        if options.expression:
            break
    for (endpoint, what), count in sorted(counts.items()):
        if count:
            print(f"{endpoint:12} {count:6} {what}")
    return 1 if any(what == "DIFFERENT" and count for (_, what), count in counts.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
