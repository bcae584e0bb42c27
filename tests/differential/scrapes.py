#!/usr/bin/env python3
"""Serves every recorded scrape to Prometheus 3.5.3 and to Parapet and compares what each of them stores: series, values
and timestamps of floats and native histograms, the scrape's own series included.

  cargo build --profile fast --bin parapet
  python3 tests/differential/scrapes.py --prometheus /path/to/prometheus [--native] [--only PART-OF-A-NAME]

Bodies are those of $PARAPET_CONFORMANCE/scrapes (../shared/conformance/scrapes): texts with the content type of their
format, *.pb.gz as the protobuf format. Each is a target of one job, all are scraped once by both, and asked of both by
/api/v1/query. With --native the job asks for native histograms and converts classic ones, which Prometheus 3.5 knows by
--enable-feature=native-histograms. Bodies that Prometheus refuses have to be refused here too. The exit status is 1
where anything differs."""

import argparse
import collections
import glob
import gzip
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
# The time that a scrape took is nobody's to compare; how much was added depends on earlier scrapes.
OWN_TIME = {"scrape_duration_seconds"}


def bodies(root):
    for path in sorted(glob.glob(os.path.join(root, "**", "*"), recursive=True)):
        name = os.path.relpath(path, root)
        if not os.path.isfile(path) or name in ("README.md", "index.json"):
            continue
        body = open(path, "rb").read()
        if path.endswith(".gz"):
            body = gzip.decompress(body)
        if ".pb" in os.path.basename(path):
            content_type = PROTOBUF
        elif body.rstrip().endswith(b"# EOF"):
            content_type = OPENMETRICS
        else:
            content_type = TEXT
        yield name, content_type, body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = {}

    def do_GET(self):
        content_type, body = self.served[self.path]
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    def __init__(self, name, command, directory, config):
        self.name, self.base = name, f"http://127.0.0.1:{free_port()}"
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, "prometheus.yml")
        with open(path, "w") as file:
            file.write(config)
        listen = self.base.removeprefix("http://")
        command = [part.format(listen=listen, directory=directory, config=path) for part in command]
        self.log = open(os.path.join(directory, "log"), "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def get(self, path, **params):
        url = f"{self.base}{path}?{urllib.parse.urlencode(params)}"
        with urllib.request.urlopen(url, timeout=120) as answer:
            return json.load(answer)["data"]

    def wait(self, targets):
        """Until every target was scraped and its samples can be asked for."""
        for _ in range(1200):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended; see {self.log.name}")
            try:
                if len(self.get("/api/v1/query", query="up{job='bodies'}")["result"]) >= targets:
                    return
            except OSError:
                pass
            time.sleep(0.25)
        sys.exit(f"{self.name} does not scrape {targets} targets; see {self.log.name}")

    def samples(self, body, ranged):
        """By series: the samples without their times where the scrape gave them, with them where the body did."""
        selector = f"{{job='bodies',body={json.dumps(body)}}}[{ranged}]"
        out = {}
        for series in self.get("/api/v1/query", query=selector)["result"]:
            metric = series["metric"]
            if metric["__name__"] in OWN_TIME:
                continue
            first = (series.get("values") or []) + (series.get("histograms") or [])
            key = tuple(sorted(metric.items()))
            out[key] = [(normal(value), round(at, 3)) for at, value in sorted(first, key=lambda one: one[0])]
        return out

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def normal(value):
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True)


def equal(a, b):
    """Floats by their value: of two shortest texts that stand for it Go takes the even one."""
    try:
        return a == b or float(a) == float(b)
    except ValueError:
        return False


def fields(message):
    """The fields of a protobuf message: number and value, of what has a length its bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, message[at : at + length]
        at += length


def native_families(body):
    """The names of the histograms of a protobuf body that have a native form: a schema (5) or a zero threshold (6)."""
    names, rest = set(), body
    while rest:
        length = shift = at = 0
        while True:
            byte = rest[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        family, rest = list(fields(rest[at : at + length])), rest[at + length :]
        name = next((value.decode() for number, value in family if number == 1), "")
        histograms = (inner for number, metric in family if number == 4 for of, inner in fields(metric) if of == 7)
        if any(number in (5, 6) for histogram in histograms for number, _ in fields(histogram)):
            names.add(name)
    return names


def classic_of_native(key, families):
    """Whether a series is a classic one of a histogram that has a native form too."""
    return re.sub("_(bucket|sum|count)$", "", dict(key)["__name__"]) in families


def is_wanted(key, ours, theirs, body, content_type, native, left_out):
    """Differences that have a reason: Prometheus 3.5 keeps no classic buckets beside a native histogram where native
    histograms are not enabled (`left_out` of them, by which its counts are less), and takes `_created` away where it converts classic ones; 3.14, which Parapet follows,
    does neither. And samples whose own time is long past are not taken by Prometheus' head, while Parapet refuses them
    when it stores, after they were counted as added."""
    name = dict(key)["__name__"]
    counts = name in ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added")
    if content_type == PROTOBUF and not native and left_out:
        if counts:
            return float(ours[0][0]) - float(theirs[0][0]) == left_out
        return theirs is None and classic_of_native(key, native_families(body))
    if native and b"_created" in body and (counts or name.endswith("_created")):
        return theirs is None or (counts and float(ours[0][0]) > float(theirs[0][0]))
    timed = re.search(rb"[ }][^ #\n]+ [0-9]{1,13}(\.[0-9]+)?( #|\n)", body)
    return name == "scrape_series_added" and timed and float(ours[0][0]) > float(theirs[0][0])


def same(ours, theirs, scraped):
    """The first sample of each series; a time of the body has to agree, a time of the scrape is each one's own."""
    (value, at), (other, other_at) = ours[0], theirs[0]
    if not equal(value, other):
        return False
    # Parapet begins with the slot of 15 s that is under way.
    own = lambda at, window: window[0] - 20 <= at <= window[1] + 5
    return at == other_at or (own(at, scraped) and own(other_at, scraped))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--ours", default="target/fast/parapet")
    parser.add_argument("--native", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true", help="leave the data directory")
    options = parser.parse_args()
    root = os.environ.get("PARAPET_CONFORMANCE", "../shared/conformance") + "/scrapes"
    found = [body for body in bodies(root) if options.only in body[0]]
    if not found:
        sys.exit(f"no bodies under {root}")
    Handler.served = {f"/{at}": (content_type, body) for at, (_, content_type, body) in enumerate(found)}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    native = {
        "prometheus": "",
        "parapet": "  scrape_native_histograms: true\n" if options.native else "",
    }
    config = (
        "global: {{scrape_interval: 15s, scrape_timeout: 15s}}\nscrape_configs:\n- job_name: bodies\n{native}{convert}"
        "  honor_timestamps: true\n  honor_labels: true\n  static_configs:\n"
    )
    for at, (name, _, _) in enumerate(found):
        labels = f"__metrics_path__: /{at}, body: {json.dumps(name)}"
        config += f"  - {{{{targets: ['{address}'], labels: {{{{{labels}}}}}}}}}\n"
    convert = "  convert_classic_histograms_to_nhcb: true\n  always_scrape_classic_histograms: true\n" if options.native else ""
    texts = {who: config.format(native=native[who], convert=convert) for who in native}
    directory = tempfile.mkdtemp(prefix="scrapes-")
    peers = [
        Server(
            "prometheus",
            [options.prometheus, "--config.file={config}", "--storage.tsdb.path={directory}/data",
             "--web.listen-address={listen}", "--storage.tsdb.retention.time=100y",
             *(["--enable-feature=native-histograms"] if options.native else [])],
            os.path.join(directory, "prometheus"), texts["prometheus"],
        ),
        Server(
            "parapet",
            [options.ours, "run", "--config.file={config}", "--storage.path={directory}/data",
             "--web.listen-address={listen}"],
            os.path.join(directory, "parapet"), texts["parapet"],
        ),
    ]
    began, different, compared, refused, wanted = time.time(), collections.Counter(), 0, 0, 0
    try:
        for peer in peers:
            peer.wait(len(found))
        time.sleep(5)
        window = (began, time.time())
        for name, content_type, body in found:
            theirs, ours = (peer.samples(name, "10m") for peer in peers)
            # The one or the other may have scraped once more: of a counter of the scrape the first counts.
            is_up = lambda samples: any(dict(key)["__name__"] == "up" and first[0][0] == "1" for key, first in samples.items())
            if not is_up(theirs):
                refused += 1
            families = native_families(body) if content_type == PROTOBUF else set()
            left_out = sum(classic_of_native(key, families) for key in ours.keys() - theirs.keys())
            for key in sorted(theirs.keys() | ours.keys()):
                compared += 1
                if key not in theirs or key not in ours or not same(ours[key], theirs[key], window):
                    if is_wanted(key, ours.get(key), theirs.get(key), body, content_type, options.native, left_out):
                        wanted += 1
                        continue
                    different[name] += 1
                    if different[name] <= 3:
                        print(f"{name}: {dict(key)}\n  prometheus {theirs.get(key)}\n  parapet    {ours.get(key)}")
    finally:
        for peer in peers:
            peer.stop()
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(found)} bodies ({refused} refused by Prometheus), {compared} series compared, "
          f"{wanted} differ for a reason, {sum(different.values())} without one in {len(different)} bodies")
    sys.exit(1 if different else 0)


main()
