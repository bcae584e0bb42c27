#!/usr/bin/env python3
"""Real clients push to a Parapet of its own: an OpenTelemetry SDK over OTLP/HTTP (cumulative and delta), prometheus_client
to the Pushgateway's API and a scrape of what it left, the InfluxDB clients of both versions, and, where its path is
given, a Prometheus that remote-writes with both versions of the protocol. A Fluent Bit on the PATH or as
$PARAPET_FLUENT_BIT pushes its own metrics and those of its node exporter by remote write and OTLP.

  cargo build --profile fast --bin parapet
  tests/tools/with-tools python3 tests/clients/push.py [--prometheus /path/to/prometheus]

What is not there is named and skipped. The exit status is 1 where something that was pushed cannot be read."""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "endurance"))
import harness  # noqa: E402

TOOLS = os.environ.get("PARAPET_TOOLS", os.path.expanduser("~/.cache/parapet-tools"))


def with_clients():
    """Goes on as the Python that has the clients."""
    python = os.path.join(TOOLS, "clients", "bin", "python")
    if os.path.exists(python) and os.path.realpath(sys.prefix) != os.path.realpath(os.path.dirname(os.path.dirname(python))):
        os.execv(python, [python, *sys.argv])


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Parapet:
    def __init__(self, program, directory):
        port = free_port()
        self.address, self.base = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
        os.makedirs(directory)
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w") as file:
            file.write("scrape_configs:\n- {job_name: gateway, scrape_interval: 1s, honor_labels: true, "
                       f"metrics_path: /pushgateway/metrics, static_configs: [{{targets: ['{self.address}']}}]}}\n")
        self.log = open(os.path.join(directory, "log"), "w")
        self.process = subprocess.Popen(
            [program, "run", f"--config.file={config}", f"--storage.path={directory}/data", f"--web.listen-address={self.address}"],
            stdout=self.log, stderr=self.log)
        wait(lambda: urllib.request.urlopen(self.base + "/-/ready", timeout=5).status == 200, "ready")

    def ask(self, query):
        url = f"{self.base}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return [(one["metric"], one.get("value", [0, json.dumps(one.get("histogram"))])[1]) for one in json.load(answer)["data"]["result"]]


def wait(what, name, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = what()
            if found:
                return found
        except OSError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"{name}: not within {seconds} s")


def reads(parapet, query, value=None):
    def found():
        answer = parapet.ask(query)
        return answer if answer and (value is None or any(float(one[1]) == value for one in answer)) else None
    return wait(found, f"{query} = {value}")


def opentelemetry(parapet, temporality):
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
    from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
    from opentelemetry.sdk.resources import Resource
    is_delta = temporality == "delta"
    wanted = AggregationTemporality.DELTA if is_delta else AggregationTemporality.CUMULATIVE
    # Both of Parapet's paths.
    path = "/v1/metrics" if is_delta else "/api/v1/otlp/v1/metrics"
    exporter = OTLPMetricExporter(endpoint=parapet.base + path, preferred_temporality={Counter: wanted, Histogram: wanted})
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider(
        metric_readers=[reader],
        resource=Resource.create({"service.name": temporality, "service.instance.id": "one", "team": "shop"}),
        views=[View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())])
    meter = provider.get_meter("tests")
    requests, size = meter.create_counter("requests", unit="1"), meter.create_histogram("size", unit="By")
    latency, queue = meter.create_histogram("latency", unit="s"), meter.create_gauge("queue.length")
    for round in range(3):
        requests.add(5, {"http.route": "/a"})
        latency.record(0.25 * (round + 1), {"http.route": "/a"})
        size.record(1000 * (round + 1))
        queue.set(round)
        assert provider.force_flush(30_000), "the exporter failed"
        time.sleep(0.05)
    provider.shutdown()
    of = f'job="{temporality}"'
    reads(parapet, f'requests_total{{{of},http_route="/a",instance="one"}}', 15)
    reads(parapet, f'latency_seconds_count{{{of}}}', 3)
    reads(parapet, f'latency_seconds_sum{{{of}}}', 1.5)
    reads(parapet, f'latency_seconds_bucket{{{of},le="+Inf"}}', 3)
    reads(parapet, f'histogram_count(size_bytes{{{of}}})', 3)
    reads(parapet, f'histogram_sum(size_bytes{{{of}}})', 6000)
    reads(parapet, f'queue_length{{{of}}}', 2)
    reads(parapet, f'target_info{{{of},team="shop"}}', 1)


def pushgateway(parapet):
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, delete_from_gateway, push_to_gateway, pushadd_to_gateway
    registry = CollectorRegistry()
    Gauge("backup_bytes", "Size of the last backup", registry=registry).set(42)
    Histogram("backup_seconds", "Time of a backup", registry=registry, buckets=(1, 10)).observe(3)
    key = {"instance": "db/1", "empty": ""}
    push_to_gateway(parapet.address, job="backup", registry=registry, grouping_key=key)
    more = CollectorRegistry()
    Counter("backup_files", "Files", registry=more).inc(7)
    pushadd_to_gateway(parapet.base + "/pushgateway", job="backup", registry=more, grouping_key=key)
    of = '{job="backup",instance="db/1"}'
    reads(parapet, "backup_bytes" + of, 42)
    reads(parapet, "backup_files_total" + of, 7)
    reads(parapet, 'backup_seconds_bucket{job="backup",le="10.0"}', 1)
    assert float(reads(parapet, "push_time_seconds" + of)[0][1]) > 1.7e9
    delete_from_gateway(parapet.address, job="backup", grouping_key=key)
    wait(lambda: not parapet.ask("backup_bytes"), "a deleted group becomes stale")


def influx(parapet):
    import influxdb
    import influxdb_client
    from influxdb_client.client.write_api import SYNCHRONOUS
    old = influxdb.InfluxDBClient("127.0.0.1", int(parapet.address.rsplit(":", 1)[1]), "user", "secret", "telegraf")
    assert old.ping() == "1.8.10"
    old.create_database("telegraf")
    old.write_points([{"measurement": "cpu load", "tags": {"host": "a b"}, "fields": {"idle": 97.5, "count": 3, "up": True, "text": "x"}}])
    reads(parapet, 'cpu_load_idle{host="a b",db="telegraf"}', 97.5)
    reads(parapet, "cpu_load_up", 1)
    with influxdb_client.InfluxDBClient(parapet.base, token="t", org="o") as client:
        point = influxdb_client.Point("disk").tag("host", "a").field("free", 7)
        client.write_api(write_options=SYNCHRONOUS).write("bucket", "o", point)
    reads(parapet, 'disk_free{host="a"}', 7)


def remote_write(parapet, prometheus, directory, message):
    config = os.path.join(directory, f"{message}.yml")
    name = message.rsplit(".", 2)[-2]
    address = f"127.0.0.1:{free_port()}"
    with open(config, "w") as file:
        file.write(f"global: {{scrape_interval: 1s, external_labels: {{sender: '{name}'}}}}\n"
                   f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['{address}']}}]}}]\n"
                   f"remote_write: [{{url: '{parapet.base}/api/v1/write', protobuf_message: {message}, send_exemplars: true, send_native_histograms: true}}]\n")
    log = open(config + ".log", "w")
    process = subprocess.Popen(
        [prometheus, f"--config.file={config}", f"--storage.tsdb.path={config}.data", f"--web.listen-address={address}",
         "--enable-feature=native-histograms,exemplar-storage,metadata-wal-records"], stdout=log, stderr=log)
    try:
        of = f'{{sender="{name}",job="self"}}'
        reads(parapet, "up" + of, 1)
        reads(parapet, "prometheus_build_info" + of, 1)
        wait(lambda: float(parapet.ask("prometheus_tsdb_head_samples_appended_total" + of)[0][1]) > 100, "samples")
        reads(parapet, "histogram_count(prometheus_http_request_duration_seconds" + of + ")")
        failed = urllib.request.urlopen(f"http://{address}/metrics", timeout=10).read().decode()
        failed = [line for line in failed.splitlines() if line.startswith("prometheus_remote_storage_samples_failed_total")]
        assert failed and all(line.endswith(" 0") for line in failed), failed
    finally:
        process.terminate()
        process.wait(60)


def fluent_bit(parapet, fluent_bit, directory):
    host, port = parapet.address.split(":")
    to = f"host: {host}, port: {port}"
    config = os.path.join(directory, "fluent-bit.yaml")
    with open(config, "w") as file:
        file.write(f"""
service: {{flush: 1, grace: 5, log_level: info}}
pipeline:
  inputs:
  - {{name: node_exporter_metrics, tag: node, scrape_interval: 2}}
  - {{name: fluentbit_metrics, tag: own, scrape_interval: 2, scrape_on_start: true}}
  outputs:
  - {{name: prometheus_remote_write, match: '*', {to}, uri: /api/v1/write, add_label: sender fluent_write, retry_limit: 5}}
  - {{name: opentelemetry, match: '*', {to}, metrics_uri: /api/v1/otlp/v1/metrics, add_label: sender fluent_otlp, retry_limit: 5}}
""")
    log = open(config + ".log", "w")
    process = subprocess.Popen([fluent_bit, "-c", config], stdout=log, stderr=log)
    try:
        for sender in ("fluent_write", "fluent_otlp"):
            of = f'{{sender="{sender}"}}'
            assert float(reads(parapet, f"node_memory_MemTotal_bytes{of}")[0][1]) > 1e6
            assert len(reads(parapet, f"sum by (mode) (node_cpu_seconds_total{of})")) > 5
            reads(parapet, f"node_uname_info{of}", 1)
            reads(parapet, f'count(fluentbit_build_info{of})', 1)
            # A counter of OTLP has its suffix.
            uptime = f'{{__name__=~"fluentbit_uptime(_total)?",sender="{sender}"}} > 1'
            assert float(reads(parapet, uptime)[0][1]) < 600
    finally:
        process.terminate()
        process.wait(60)
    told = open(log.name, errors="replace").read()
    assert "HTTP status=4" not in told and "HTTP status=5" not in told, told[-2000:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default="target/fast/parapet")
    parser.add_argument("--prometheus")
    options = parser.parse_args()
    with_clients()
    directory = tempfile.mkdtemp(prefix="clients-")
    parapet = Parapet(options.ours, directory + "/parapet")
    tests = [("OpenTelemetry SDK, cumulative", lambda: opentelemetry(parapet, "cumulative")),
             ("OpenTelemetry SDK, delta", lambda: opentelemetry(parapet, "delta")),
             ("prometheus_client to the Pushgateway's API", lambda: pushgateway(parapet)),
             ("InfluxDB clients, versions 1 and 2", lambda: influx(parapet))]
    for message in ("prometheus.WriteRequest", "io.prometheus.write.v2.Request"):
        tests.append((f"Prometheus, {message}", (lambda message: lambda: remote_write(parapet, options.prometheus, directory, message))(message)
                      if options.prometheus else None))
    found = harness.peer("fluent-bit", "PARAPET_FLUENT_BIT")
    tests.append(("Fluent Bit, remote write and OTLP", (lambda: fluent_bit(parapet, found, directory)) if found else None))
    failed = 0
    try:
        for name, test in tests:
            began = time.monotonic()
            if test is None:
                print(f"skipped  {name}: {'no fluent-bit is there' if name.startswith('Fluent') else 'no --prometheus'}")
                continue
            try:
                test()
                print(f"passed   {name} ({time.monotonic() - began:.1f} s)")
            except ImportError as error:
                print(f"skipped  {name}: {error}")
            except Exception as error:
                failed += 1
                print(f"FAILED   {name}: {type(error).__name__}: {error}")
        print("skipped  Telegraf: in no package registry that tests install from")
    finally:
        parapet.process.terminate()
        parapet.process.wait(30)
        if failed:
            print(f"logs are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
