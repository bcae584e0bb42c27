#!/usr/bin/env python3
"""Pushes the same OTLP metrics to Prometheus 3.5.3 and to Parapet and compares what each of them stores: series, values
and timestamps of floats and native histograms, and exemplars, under several `otlp` sections of the configuration.

  cargo build --profile fast --bin parapet
  python3 tests/differential/otlp.py [--prometheus /path/to/prometheus] [--requests 40] [--seed 1]

Requests are random, in OTLP's JSON, every other one compressed: gauges, sums, histograms, exponential histograms and
summaries with names, units and attributes that need translation, points without a recorded value among them. The
Prometheus has to be one that is built with its OTLP receiver, which Debian's is not, or a server of the same paths around
Prometheus' OTLP handler and tsdb. Without --prometheus it is checked
alone that Parapet takes every request whole. The exit status is 1 where anything differs."""

import argparse
import gzip
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

CONFIGS = {
    "defaults": "",
    "promoted": "otlp: {promote_resource_attributes: [cloud.region, host.name, absent], keep_identifying_resource_attributes: true}",
    "all promoted": "otlp: {promote_all_resource_attributes: true, ignore_resource_attributes: [host.name]}",
    "UTF-8": "otlp: {translation_strategy: NoUTF8EscapingWithSuffixes, promote_all_resource_attributes: true}",
    "untranslated": "otlp: {translation_strategy: NoTranslation}",
    "custom buckets": "otlp: {convert_histograms_to_nhcb: true}",
}
NAMES = ["http.server.duration", "process.cpu.time", "queue size", "requests_total", "a__b", "2xx.count", "größe",
         "memory.usage_bytes", "total", "ratio.of.things", "_private", "x:y", "per.second", "jvm.gc.pause_seconds"]
UNITS = ["", "1", "s", "ms", "By", "By/s", "{request}", "{request}/s", "%", "m/h", "KiBy", "Cel", "widgets", "a_b", "/s",
         "s/", "requests/{x}", "_x_", "m/foo"]
KEYS = ["http.method", "http_method", "http-method", "1st", "_under", "__reserved__", "ünicode", "le.x", "job", "a b", "host.name"]


class Server:
    def __init__(self, name, command, directory, config):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.base = f"http://127.0.0.1:{found.getsockname()[1]}"
        self.name = name
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, "prometheus.yml")
        with open(path, "w") as file:
            file.write(config + "\n")
        listen = self.base.removeprefix("http://")
        self.log = open(os.path.join(directory, "log"), "w")
        command = [part.format(listen=listen, directory=directory, config=path) for part in command]
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

    def get(self, path, **params):
        with urllib.request.urlopen(f"{self.base}{path}?{urllib.parse.urlencode(params)}", timeout=120) as answer:
            return json.load(answer)["data"]

    def push(self, body, compressed):
        headers = {"Content-Type": "application/json"}
        if compressed:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        request = urllib.request.Request(self.base + "/api/v1/otlp/v1/metrics", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def samples(self):
        out = {}
        for series in self.get("/api/v1/query", query='{probe="otlp"}[2h]')["result"]:
            key = json.dumps(series["metric"], sort_keys=True, ensure_ascii=False)
            values = [(at, normal(value)) for at, value in series.get("values", []) + series.get("histograms", [])]
            out[key] = sorted(values)
        return out

    def exemplars(self):
        now = time.time()
        found = self.get("/api/v1/query_exemplars", query='{probe="otlp"}', start=now - 7200, end=now + 60)
        out = {}
        for series in found:
            key = json.dumps(series["seriesLabels"], sort_keys=True, ensure_ascii=False)
            out[key] = sorted(json.dumps(one, sort_keys=True) for one in series["exemplars"])
        return out

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def normal(value):
    if isinstance(value, str):
        return value
    # Empty buckets are nobody's to compare: a layout may keep some. Bounds are compared as numbers: how the API writes
    # them is not OTLP's, and a server that is made around Prometheus' handler may write them otherwise.
    buckets = [[one[0], *map(float, one[1:])] for one in value.get("buckets", []) if float(one[3]) != 0]
    return json.dumps({**value, "buckets": buckets}, sort_keys=True)


def any_value(rng):
    return rng.choice([
        lambda: {"stringValue": rng.choice(["x", "", "größe", "<a&b>", "line\nbreak"])},
        lambda: {"boolValue": rng.random() < 0.5},
        lambda: {"intValue": str(rng.randrange(-5, 1 << 40))},
        lambda: {"doubleValue": rng.choice([1.5, 1e21, 1e-7, -0.25, 100.0, 12345678.9])},
        lambda: {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "1"}, {"doubleValue": 0.5}]}},
        lambda: {"kvlistValue": {"values": [{"key": "k<", "value": {"boolValue": True}}, {"key": "a", "value": {"stringValue": "&"}}]}},
        lambda: {"bytesValue": "AQID"},
    ])()


def attributes(rng, **fixed):
    keys = rng.sample(KEYS, rng.randrange(0, 4))
    # No key may stand twice.
    pairs = [{"key": key, "value": any_value(rng)} for key in keys if key not in fixed]
    pairs += [{"key": key, "value": {"stringValue": value}} for key, value in fixed.items()]
    rng.shuffle(pairs)
    return pairs


def exemplars(rng, at):
    return [{
        "timeUnixNano": str(at), "asDouble": rng.choice([0.1, 3.0, 70.5]), "traceId": f"{rng.getrandbits(128):032x}",
        "spanId": f"{rng.getrandbits(64):016x}",
        "filteredAttributes": [{"key": "note", "value": {"stringValue": "n" * rng.choice([1, 40, 200])}}],
    }] if rng.random() < 0.3 else []


def metric(rng, number, now):
    at = (now - rng.randrange(1, 600)) * 1_000_000_000 + rng.randrange(10**9)
    shared = lambda point: {
        "attributes": attributes(rng, probe="otlp", point=f"{number}.{point}"), "timeUnixNano": str(at),
        "startTimeUnixNano": str(at - 10**12), **({"flags": 1} if rng.random() < 0.05 else {}),
    }
    points = range(rng.randrange(1, 4))
    kind = rng.choice(["gauge", "sum", "histogram", "exponentialHistogram", "summary"])
    out = {"name": rng.choice(NAMES), "unit": rng.choice(UNITS), "description": "d"}
    if kind == "gauge":
        data = {"dataPoints": [{**shared(p), **rng.choice([{"asDouble": rng.gauss(0, 100)}, {"asInt": str(rng.randrange(-9, 9))}])} for p in points]}
    elif kind == "sum":
        data = {"aggregationTemporality": 2, "isMonotonic": rng.random() < 0.6, "dataPoints": [
            {**shared(p), "asInt": str(rng.randrange(1 << 50)), "exemplars": exemplars(rng, at)} for p in points]}
    elif kind == "histogram":
        bounds = sorted(rng.sample([0.005, 0.1, 0.25, 1, 2.5, 10, 100, 1e6], rng.randrange(0, 6)))
        def point(p):
            counts = [rng.randrange(0, 5) for _ in range(len(bounds) + 1)]
            made = {**shared(p), "count": str(sum(counts)), "bucketCounts": [str(one) for one in counts], "explicitBounds": bounds,
                    "exemplars": exemplars(rng, at)}
            return {**made, "sum": float(sum(counts)) * 1.5} if rng.random() < 0.8 else made
        data = {"aggregationTemporality": 2, "dataPoints": [point(p) for p in points]}
    elif kind == "exponentialHistogram":
        def side(scale):
            # Where several buckets become one, Prometheus puts what follows an empty one into the bucket before its own.
            counts = [0, 0, 0, 1, 2, 9] if scale <= 8 else [1, 2, 9]
            return {"offset": rng.randrange(-40, 40), "bucketCounts": [str(rng.choice(counts)) for _ in range(rng.randrange(0, 30))]}
        def point(p):
            scale = rng.randrange(-4, 14)
            positive, negative, zero = side(scale), side(scale), rng.randrange(0, 3)
            count = zero + sum(int(one) for one in positive["bucketCounts"] + negative["bucketCounts"])
            return {**shared(p), "count": str(count), "sum": rng.gauss(0, 10) if count else 0, "scale": scale, "zeroCount": str(zero),
                    "positive": positive, "negative": negative, "exemplars": exemplars(rng, at)}
        data = {"aggregationTemporality": 2, "dataPoints": [point(p) for p in points]}
    else:
        data = {"dataPoints": [{**shared(p), "count": "7", "sum": 3.25, "quantileValues": [
            {"quantile": quantile, "value": rng.random()} for quantile in rng.sample([0, 0.5, 0.99, 0.999, 1], 2)]} for p in points]}
    return {**out, kind: data}


def request(rng, number, now):
    fixed = {"probe": "otlp", "r": str(number)}
    for key, value in (("service.name", "shop"), ("service.namespace", "web"), ("service.instance.id", f"pod-{number}"),
                       ("cloud.region", "eu"), ("host.name", "h1")):
        if rng.random() < 0.7:
            fixed[key] = value
    metrics = [metric(rng, f"{number}.{one}", now) for one in range(rng.randrange(1, 8))]
    return {"resourceMetrics": [{
        "resource": {"attributes": attributes(rng, **fixed)},
        "scopeMetrics": [{"scope": {"name": "lib", "version": "1"}, "metrics": metrics}],
    }]}


def differences(what, theirs, ours):
    count = 0
    for key in sorted(theirs.keys() | ours.keys()):
        if theirs.get(key) != ours.get(key):
            count += 1
            if count <= 5:
                print(f"{what}: {key}\n  prometheus {theirs.get(key)}\n  parapet    {ours.get(key)}")
    return count


def compare(name, config, options):
    directory = tempfile.mkdtemp(prefix="otlp-")
    peers = []
    try:
        peers.append(Server("parapet", [
            options.ours, "run", "--config.file={config}", "--storage.path={directory}/data", "--web.listen-address={listen}",
        ], os.path.join(directory, "parapet"), config))
        if options.prometheus:
            peers.append(Server("prometheus", [
                options.prometheus, "--config.file={config}", "--storage.tsdb.path={directory}/data", "--web.listen-address={listen}",
                "--web.enable-otlp-receiver", "--enable-feature=native-histograms,exemplar-storage",
            ], os.path.join(directory, "prometheus"),
                "storage: {tsdb: {out_of_order_time_window: 2h}, exemplars: {max_exemplars: 100000}}\n" + config))
        rng, now, different = random.Random(options.seed), int(time.time()), 0
        for number in range(options.requests):
            body = json.dumps(request(rng, number, now)).encode()
            answers = [peer.push(body, number % 2 == 1) for peer in peers]
            if answers[0] != (200, "{}") or answers[-1][0] != 200:
                different += 1
                print(f"{name}: {answers}")
        if not options.prometheus:
            print(f"{name}: {options.requests} requests, {different} of them not taken whole; no --prometheus to compare with")
            return different
        theirs, their_exemplars = peers[1].samples(), peers[1].exemplars()
        for _ in range(60):
            ours = peers[0].samples()
            if sum(map(len, ours.values())) >= sum(map(len, theirs.values())):
                break
            time.sleep(1)
        different += differences(f"{name}, samples", theirs, ours)
        different += differences(f"{name}, exemplars", their_exemplars, peers[0].exemplars())
        print(f"{name}: {len(theirs)} series, {sum(map(len, theirs.values()))} samples, "
              f"{sum(map(len, their_exemplars.values()))} exemplars, {different} differences")
        return different
    finally:
        for peer in peers:
            peer.stop()
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus")
    parser.add_argument("--ours", default="target/fast/parapet")
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true", help="leave the data directory")
    options = parser.parse_args()
    different = [compare(name, config, options) for name, config in CONFIGS.items() if options.only in name]
    sys.exit(1 if any(different) else 0)


main()
