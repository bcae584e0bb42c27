#!/usr/bin/env python3
"""Serves every recorded scrape to Prometheus 3.5.3 and to Parapet and compares what each of them stores: series, values
and timestamps of floats and native histograms, the scrape's own series included.

  cargo build --profile fast --bin parapet
  python3 tests/differential/scrapes.py --prometheus /path/to/prometheus [--histograms MODE] [--only PART-OF-A-NAME]

Bodies are those of $PARAPET_CONFORMANCE/scrapes (../shared/conformance/scrapes): texts with the content type of their
format, *.pb.gz as the protobuf format. Each is a target of one job, all are scraped once by both, and asked of both by
/api/v1/query. Bodies that Prometheus refuses have to be refused here too. The exit status is 1 where anything differs
that no rule of `reason` accounts for, number by number. All three modes are run where none is named:

  native     histograms that have a native form are taken as that: scrape_native_histograms here, the feature flag there
  classic    they are not: Prometheus 3.5 without the flag takes classic buckets beside native ones only where
             always_scrape_classic_histograms says so; later releases and Parapet need no word
  converted  classic ones become native ones with custom buckets, and are kept"""

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
ALWAYS_CLASSIC = "  always_scrape_classic_histograms: true\n"
CONVERT = "  convert_classic_histograms_to_nhcb: true\n"
# By mode: what the job says to both, what it says to Parapet besides, and what Prometheus is started with.
FLAG, WANTED = ["--enable-feature=native-histograms"], "  scrape_native_histograms: true\n"
MODES = {
    "native": ("", WANTED, FLAG),
    "classic": (ALWAYS_CLASSIC, "", []),
    "converted": (CONVERT + ALWAYS_CLASSIC, WANTED, FLAG),
}


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


class Bodies(http.server.ThreadingHTTPServer):
    # Parapet asks all targets at once when it begins. A queue of 5, as it is otherwise, drops connections on a busy
    # machine, which the kernel tries again after 1, 2, 4 and 8 s: that is the timeout.
    request_queue_size = 1024

    def handle_error(self, *_):
        """Whoever asked did not wait: it says so itself."""


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


def native_histograms(body):
    """The histograms of a protobuf body that have a native form (`isNativeHistogram` of Prometheus: spans, 9 and 12, a
    zero threshold, 6, or a count of zeros, 7): the name, and whether there are classic buckets (3) too."""
    found, rest = [], body
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
        metrics = (metric for number, metric in family if number == 4)
        histograms = [list(fields(inner)) for metric in metrics for of, inner in fields(metric) if of == 7]
        is_set = lambda number, value: number in (9, 12) or (number in (6, 7) and value not in (0, bytes(8)))
        native = (histogram for histogram in histograms if any(is_set(*field) for field in histogram))
        found.extend((name, any(number == 3 for number, _ in histogram)) for histogram in native)
    return found


COUNTS = ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added")


def reasons(mode, content_type, body):
    """What ours has more than theirs, and why that is right: a test of the names of series, and by the name of a series
    that the scrape reports of itself a number.

    - Prometheus 3.5 counts native histograms that it does not take as scraped; since 3.8, which has
      scrape_native_histograms, the parser passes over them (`ignoreNativeHistograms`), and so does Parapet: one without
      classic buckets is read as the classic histogram that it is then, of count, sum and a bucket for all.
    - Where 3.5 converts classic histograms of OpenMetrics, it looks for their `_created` and passes over it; 3.14 and
      Parapet do so only where start times are asked for.
    - What is older than the head of Prometheus' database is not taken, and not counted as added; Parapet counts before
      it stores."""
    native = native_histograms(body) if mode == "classic" and content_type == PROTOBUF else []
    without = [f"{name}_{part}" for name, has_buckets in native if not has_buckets for part in ("bucket", "count", "sum")]
    created = created_series(body) if mode == "converted" and content_type == OPENMETRICS else []
    more = collections.Counter({name: len(without) + len(created) for name in COUNTS})
    more["scrape_samples_scraped"] -= len(native)
    if content_type != PROTOBUF:
        more["scrape_series_added"] += old_series(body)
    return {*without, *created}, more


def created_series(body):
    """The `_created` of OpenMetrics, one for each series, that Prometheus 3.5 passes over: those of a histogram, and those
    after it until another one begins."""
    skipped, found = False, []
    for line in body.decode(errors="replace").splitlines():
        histogram = re.match(r"# TYPE (\S+) histogram$", line)
        if histogram:
            skipped = f"\n{histogram[1]}_created" in body.decode(errors="replace")
        created = re.match(r"([\w:]+_created)[{ ]", line)
        if skipped and created:
            found.append(created[1])
    return found


def old_series(body):
    """How many series of a text have a time of their own: those that were recorded are long past."""
    quoted = rb'"(?:[^"\\]|\\.)*"'
    series = rb"[a-zA-Z_:][\w:]*(?![\w:])(?:[ \t]*\{(?:[^\"}]|" + quoted + rb")*\})?|\{(?:[^\"}]|" + quoted + rb")*\}"
    timed = re.compile(rb"^[ \t]*(" + series + rb")[ \t]*[^ \t\n#{]+[ \t]+-?[0-9.]+[ \t]*(?:#.*)?$", re.M)
    return len({match[1] for match in timed.finditer(body)})


def same(ours, theirs, scraped, more):
    """The first sample of each series, ours by so much `more`; a time of the body has to agree, a time of the scrape is
    each one's own. The one or the other may have scraped once more."""
    (value, at), (other, other_at) = ours[0], theirs[0]
    if not (equal(value, other) if more == 0 else float(value) == float(other) + more):
        return False
    # Parapet begins with the slot of 15 s that is under way.
    own = lambda at, window: window[0] - 20 <= at <= window[1] + 5
    return at == other_at or (own(at, scraped) and own(other_at, scraped))


def configuration(mode, address, names):
    """The text for Prometheus and that for Parapet."""
    both, wanted, _ = MODES[mode]
    config = (
        "global: {{scrape_interval: 15s, scrape_timeout: 15s}}\nscrape_configs:\n- job_name: bodies\n{histograms}"
        "  honor_timestamps: true\n  honor_labels: true\n  static_configs:\n"
    )
    for at, name in enumerate(names):
        labels = f"__metrics_path__: /{at}, body: {json.dumps(name)}"
        config += f"  - {{{{targets: ['{address}'], labels: {{{{{labels}}}}}}}}}\n"
    return config.format(histograms=both), config.format(histograms=both + wanted)


def compare(mode, found, address, options):
    """Whether both took the same of all bodies."""
    theirs_config, ours_config = configuration(mode, address, [name for name, _, _ in found])
    directory = tempfile.mkdtemp(prefix="scrapes-")
    began = time.time()
    peers = [
        Server(
            "prometheus",
            [options.prometheus, "--config.file={config}", "--storage.tsdb.path={directory}/data",
             "--web.listen-address={listen}", "--storage.tsdb.retention.time=100y", *MODES[mode][2]],
            os.path.join(directory, "prometheus"), theirs_config,
        ),
        Server(
            "parapet",
            [options.ours, "run", "--config.file={config}", "--storage.path={directory}/data",
             "--web.listen-address={listen}"],
            os.path.join(directory, "parapet"), ours_config,
        ),
    ]
    different, compared, refused, accounted = collections.Counter(), 0, 0, collections.Counter()
    try:
        for peer in peers:
            peer.wait(len(found))
        time.sleep(5)
        window = (began, time.time())
        for name, content_type, body in found:
            theirs, ours = (peer.samples(name, "10m") for peer in peers)
            is_up = lambda samples: any(dict(key)["__name__"] == "up" and first[0][0] == "1" for key, first in samples.items())
            refused += not is_up(theirs)
            extra, more = reasons(mode, content_type, body)
            for key in sorted(theirs.keys() | ours.keys()):
                compared += 1
                own = dict(key)["__name__"]
                if key not in theirs and own in extra:
                    accounted["series"] += 1
                elif key in theirs and key in ours and same(ours[key], theirs[key], window, more[own]):
                    accounted[own] += more[own] != 0
                else:
                    different[name] += 1
                    if different[name] <= 3:
                        print(f"{name}: {dict(key)}\n  prometheus {theirs.get(key)}\n  parapet    {ours.get(key)}")
    finally:
        for peer in peers:
            peer.stop()
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    reasoned = ", ".join(f"{count} {name}" for name, count in sorted((+accounted).items())) or "none"
    print(f"{mode}: {len(found)} bodies ({refused} refused by Prometheus), {compared} series compared; differ by what "
          f"is known: {reasoned}; otherwise: {sum(different.values())} in {len(different)} bodies", flush=True)
    return not different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--ours", default="target/fast/parapet")
    parser.add_argument("--histograms", choices=MODES, help="one mode alone")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true", help="leave the data directory")
    options = parser.parse_args()
    root = os.environ.get("PARAPET_CONFORMANCE", "../shared/conformance") + "/scrapes"
    found = [body for body in bodies(root) if options.only in body[0]]
    if not found:
        sys.exit(f"no bodies under {root}")
    Handler.served = {f"/{at}": (content_type, body) for at, (_, content_type, body) in enumerate(found)}
    server = Bodies(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    modes = [options.histograms] if options.histograms else list(MODES)
    outcomes = [compare(mode, found, address, options) for mode in modes]
    sys.exit(0 if all(outcomes) else 1)


main()
