#!/usr/bin/env python3
"""Scrapes real exporters beside Prometheus for ten minutes with one configuration, and compares what both stored of the
same bodies: series, values, and which scrapes there were.

  cargo build --profile fast --workspace --bin parapet
  python3 tests/differential/exporters.py --prometheus PATH --exporter node=PATH --exporter blackbox=PATH ...

--exporter takes node, blackbox, pushgateway and redis (with --redis-server PATH). What an exporter says changes from
moment to moment, and the two scrape at different moments of an interval. So a recorder stands in front of each
exporter: in each interval of 15 s it asks the exporter once, and gives both scrapers that body, with a series
`recorder_body` that numbers it. What both stored with the same number came from the same bytes. Samples of the body's own
times are compared with those times. The exit status is 1 where anything differs, or where either missed a body."""

import argparse
import collections
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

INTERVAL = 15
# What a scrape tells of itself: times are each one's own, and the first scrape adds what was there before.
OWN = {"scrape_duration_seconds", "scrape_series_added"}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Recorder(http.server.ThreadingHTTPServer):
    """One body an interval for each exporter and `Accept` header."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.targets, self.bodies, self.lock, self.uneven = {}, {}, threading.Lock(), 0

    def body(self, name, accept):
        number = int(time.time()) // INTERVAL
        with self.lock:
            key = name, number
            if key not in self.bodies:
                request = urllib.request.Request(self.targets[name], headers={"Accept": accept})
                with urllib.request.urlopen(request, timeout=10) as answer:
                    self.bodies[key] = accept, answer.headers["Content-Type"], answer.read()
            asked, kind, body = self.bodies[key]
            self.uneven += asked != accept
        numbered = f"# TYPE recorder_body gauge\nrecorder_body {number}\n".encode()
        if body.rstrip().endswith(b"# EOF"):
            return kind, body.rstrip()[: -len(b"# EOF")] + numbered + b"# EOF\n"
        return kind, body + numbered


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.path.strip("/").split("/")[0]
        kind, body = self.server.body(name, self.headers.get("Accept", ""))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def stored(base, name, minutes):
    """By the number of a body: each series with its value, and its time where that is not the scrape's."""
    query = urllib.parse.urlencode({"query": f'{{job="{name}"}}[{minutes}m]'})
    with urllib.request.urlopen(f"{base}/api/v1/query?{query}", timeout=300) as answer:
        result = json.load(answer)["data"]["result"]
    numbers = {}
    for series in result:
        if series["metric"]["__name__"] == "recorder_body":
            numbers = {at: int(float(value)) for at, value in series["values"]}
    out = collections.defaultdict(dict)
    own_times = collections.defaultdict(list)
    for series in result:
        labels = tuple(sorted(series["metric"].items()))
        if series["metric"]["__name__"] in OWN:
            continue
        for at, value in series.get("values", []):
            if at in numbers:
                out[numbers[at]][labels] = value
            else:
                own_times[labels].append((at, value))
    return out, own_times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--parapet", default="target/fast/parapet")
    parser.add_argument("--exporter", action="append", required=True, metavar="NAME=PATH")
    parser.add_argument("--redis-server")
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="exporters-")
    log = open(os.path.join(directory, "log"), "w")
    processes, recorder = [], Recorder()

    def start(*command):
        processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=directory))

    try:
        for exporter in options.exporter:
            name, path = exporter.split("=", 1)
            port = free_port()
            recorder.targets[name] = f"http://127.0.0.1:{port}/metrics"
            if name == "redis":
                redis = free_port()
                start(options.redis_server, "--port", str(redis), "--save", "")
                start(path, f"--web.listen-address=127.0.0.1:{port}", f"--redis.addr=127.0.0.1:{redis}")
            elif name == "blackbox":
                modules = os.path.join(directory, "blackbox.yml")
                open(modules, "w").write("modules: {http_2xx: {prober: http}}\n")
                start(path, f"--web.listen-address=127.0.0.1:{port}", f"--config.file={modules}")
            else:
                start(path, f"--web.listen-address=127.0.0.1:{port}")
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        config = f"global: {{scrape_interval: {INTERVAL}s}}\nscrape_configs:\n" + "".join(
            f"- job_name: {name}\n  metrics_path: /{name}/metrics\n  static_configs: [{{targets: ['127.0.0.1:{recorder.server_address[1]}']}}]\n"
            for name in recorder.targets
        )
        file = os.path.join(directory, "prometheus.yml")
        open(file, "w").write(config)
        time.sleep(3)
        ports = free_port(), free_port()
        start(options.prometheus, f"--config.file={file}", f"--storage.tsdb.path={directory}/prometheus",
              f"--web.listen-address=127.0.0.1:{ports[0]}")
        start(os.path.abspath(options.parapet), "run", "--config.file", file, "--storage.path", f"{directory}/parapet",
              "--web.listen-address", f"127.0.0.1:{ports[1]}")
        end = time.time() + options.minutes * 60
        pushed = 0
        while time.time() < end:
            time.sleep(5)
            for process in processes:
                if process.poll() is not None:
                    sys.exit(f"{process.args[0]} ended: {open(log.name).read()[-2000:]}")
            if "pushgateway" in recorder.targets:
                pushed += 1
                url = recorder.targets["pushgateway"] + f"/job/batch/instance/{pushed % 7}"
                request = urllib.request.Request(url, data=f"pushed_total {pushed}\n".encode(), method="PUT")
                urllib.request.urlopen(request, timeout=10).close()
        # The last samples are on their way to where they can be asked for.
        time.sleep(INTERVAL)
        failed = recorder.uneven > 0
        print(f"{recorder.uneven} requests asked for another format than the other scraper")
        for name in recorder.targets:
            minutes = int(options.minutes) + 2
            theirs, their_times = stored(f"http://127.0.0.1:{ports[0]}", name, minutes)
            ours, own_times = stored(f"http://127.0.0.1:{ports[1]}", name, minutes)
            # The first and the last body may have been met by one of the two alone.
            both = sorted(theirs.keys() & ours.keys())
            between = range(both[0], both[-1] + 1) if both else []
            missed = [n for n in between if n not in theirs or n not in ours]
            different, compared = collections.Counter(), 0
            for number in both:
                for labels in theirs[number].keys() | ours[number].keys():
                    compared += 1
                    a, b = theirs[number].get(labels), ours[number].get(labels)
                    if a is None or b is None or (a != b and float(a) != float(b)):
                        different[dict(labels)["__name__"]] += 1
                        if different.total() <= 3:
                            print(f"  {name} body {number}: {dict(labels)}: {a} there, {b} here")
            timed = sum(set(own_times[labels]) != set(their_times[labels]) for labels in own_times.keys() & their_times.keys())
            print(f"{name}: {len(both)} bodies, {len(missed)} missed by one, {compared} samples compared, "
                  f"{different.total()} differ; {len(own_times)} series with times of their own, {timed} differ")
            failed = failed or not both or bool(missed) or bool(different) or timed > 0
        sys.exit(1 if failed else 0)
    finally:
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
