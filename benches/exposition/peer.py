#!/usr/bin/env python3
"""What Prometheus' text parser costs: CPU-seconds of a Prometheus that scrapes recorded bodies and keeps nothing.

  benches/exposition/peer.py --prometheus /path/to/prometheus [--seconds 60] BODY…

Every body is a target, scraped each second; `metric_relabel_configs` drops all series. From the second scrape on
Prometheus' cache knows by the bytes of a line that its series is dropped, so that a scrape is: read the body, parse
it, look the line up. That is the least that can be measured of its parser from without; a Prometheus without targets,
measured as long, is taken off."""

import argparse
import gzip
import http.server
import os
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

served, counts = {}, {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = served[self.path]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        counts[self.path] = counts.get(self.path, 0) + 1

    def log_message(self, *_):
        pass


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(prometheus, config, seconds):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        listen = "127.0.0.1:%d" % found.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "prometheus.yml")
        with open(path, "w") as file:
            file.write(config)
        process = subprocess.Popen(
            [prometheus, f"--config.file={path}", f"--storage.tsdb.path={directory}/data", f"--web.listen-address={listen}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"http://{listen}/-/ready").read()
                    break
                except OSError:
                    time.sleep(0.1)
            time.sleep(5)
            counts.clear()
            begin = cpu_seconds(process.pid)
            time.sleep(seconds)
            return cpu_seconds(process.pid) - begin, dict(counts)
        finally:
            process.terminate()
            process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("bodies", nargs="+")
    options = parser.parse_args()
    for at, path in enumerate(options.bodies):
        body = open(path, "rb").read()
        served[f"/{at}"] = gzip.decompress(body) if path.endswith(".gz") else body
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = "127.0.0.1:%d" % server.server_address[1]
    idle, _ = measure(options.prometheus, "scrape_configs: []\n", options.seconds)
    config = (
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: bodies\n  enable_compression: false\n"
        "  metric_relabel_configs: [{source_labels: [__name__], regex: '.*', action: drop}]\n  static_configs:\n"
    )
    for path in served:
        config += f"  - {{targets: ['{address}'], labels: {{__metrics_path__: '{path}'}}}}\n"
    busy, scrapes = measure(options.prometheus, config, options.seconds)
    megabytes = sum(len(served[path]) * count for path, count in scrapes.items()) / 1e6
    print(f"{sum(scrapes.values())} scrapes, {megabytes:.0f} MB, {busy:.2f} CPU-s less {idle:.2f} idle: "
          f"{megabytes / (busy - idle):.1f} MB/CPU-s")


main()
