"""Ships lines with real shippers, unchanged, and finds each of them again. See `run`."""

import json
import logging
import logging.handlers
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "endurance"))
import harness  # noqa: E402

BINARY = str(pathlib.Path(sys.argv[1]).resolve())
TOOLS = pathlib.Path(os.environ["PARAPET_SHIPPERS"])
DEBIAN = TOOLS / "debian"
LINES = 200
directory = pathlib.Path(tempfile.mkdtemp(prefix="parapet-shippers-"))
port, syslog_port = harness.free_port(), harness.free_port()
base = f"http://127.0.0.1:{port}"
passed, failed, skipped = 0, 0, 0


def start():
    command = [BINARY, "run", "--web.listen-address", f"127.0.0.1:{port}", "--storage.path", str(directory / "data"),
               "--syslog.listen-address", f"127.0.0.1:{syslog_port}"]
    process = subprocess.Popen(command, cwd=directory, stderr=open(directory / "log", "ab"))
    for _ in range(300):
        try:
            urllib.request.urlopen(base + "/ready", timeout=1).read()
            return process
        except OSError:
            time.sleep(0.1)
    raise SystemExit("not ready after 30 s:\n" + (directory / "log").read_text())


def search(query, **parameters):
    form = urllib.parse.urlencode({"query": query, "limit": 1000, "since": "1h", **parameters})
    with urllib.request.urlopen(f"{base}/api/v1/logs/search?{form}", timeout=30) as answer:
        return json.load(answer)["data"]


def loki(query):
    form = urllib.parse.urlencode({"query": query, "limit": 1000})
    with urllib.request.urlopen(f"{base}/loki/api/v1/query_range?{form}", timeout=30) as answer:
        return json.load(answer)["data"]["result"]


def check(name, query, want=LINES, also=lambda records: True):
    """Every line is there, once, within a minute."""
    global passed, failed
    found = []
    for _ in range(120):
        found = search(query)["records"]
        if len(found) >= want:
            break
        time.sleep(0.5)
    lines = [record["line"] for record in found]
    good = len(found) == want and len(set(lines)) == want and also(found)
    print(f"{'ok  ' if good else 'FAIL'} {name}: {len(found)} of {want} lines", flush=True)
    if not good:
        print("     for example:", json.dumps(found[:1], indent=1), flush=True)
    passed, failed = passed + good, failed + (not good)


def skip(name, reason):
    global skipped
    skipped += 1
    print(f"skip {name}: {reason}", flush=True)


def daemon_environment():
    libraries = [*DEBIAN.glob("usr/lib/*-linux-gnu"), *DEBIAN.glob("lib/*-linux-gnu"), DEBIAN / "usr/lib/syslog-ng", *DEBIAN.glob("usr/lib/syslog-ng/*")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def run_daemon(command, until, log):
    """Runs a shipper in the foreground until its lines are found, then stops it."""
    process = subprocess.Popen(command, env=daemon_environment(), stdout=open(log, "ab"), stderr=subprocess.STDOUT)
    try:
        time.sleep(1)
        if process.poll() is not None:
            print(pathlib.Path(log).read_text()[-2000:])
            return False
        until()
        return True
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def rsyslog():
    binary = DEBIAN / "usr/sbin/rsyslogd"
    if not binary.exists():
        return skip("rsyslog", "Debian's package is not to be had")
    modules = next(iter(DEBIAN.glob("usr/lib/*/rsyslog")), DEBIAN)
    source = directory / "rsyslog.in"
    source.write_text("")
    targets = [
        ("rsyslog, RFC 5424, octet counting", "octets",
         f'action(type="omfwd" target="127.0.0.1" port="{syslog_port}" protocol="tcp" tcp_framing="octet-counted" '
         'template="RSYSLOG_SyslogProtocol23Format")'),
        ("rsyslog, RFC 3164, lines", "lines",
         f'action(type="omfwd" target="127.0.0.1" port="{syslog_port}" protocol="tcp" template="RSYSLOG_TraditionalForwardFormat")'),
    ]
    if (modules / "omelasticsearch.so").exists():
        targets.append(
            ("rsyslog, Elasticsearch bulk", "bulk",
             'template(name="doc" type="list" option.jsonf="on") { property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf") '
             'property(outname="message" name="msg" format="jsonf") property(outname="host.name" name="hostname" format="jsonf") }\n'
             f'action(type="omelasticsearch" server="http://127.0.0.1:{port}/elasticsearch" searchIndex="rsyslog" bulkmode="on" '
             f'template="doc" errorfile="{directory}/rsyslog.errors")'))
    else:
        skip("rsyslog, Elasticsearch bulk", "Debian's rsyslog-elasticsearch is not to be had")
    for name, word, action in targets:
        configuration = directory / f"rsyslog-{word}.conf"
        configuration.write_text(
            f'global(workDirectory="{directory}" )\n$ModLoad {modules}/imfile.so\n'
            + (f"$ModLoad {modules}/omelasticsearch.so\n" if word == "bulk" else "")
            + f'input(type="imfile" file="{source}-{word}" tag="app:" severity="warning" facility="local3")\n{action}\n')
        pathlib.Path(f"{source}-{word}").write_text("".join(f"rsyslog {word} number{n:04}\n" for n in range(LINES)))
        command = [str(binary), "-n", "-f", str(configuration), "-i", str(directory / f"{word}.pid"), "-M", str(modules)]
        is_syslog = word != "bulk"
        also = lambda records: all(not is_syslog or (r.get("level") == "WARNING" and r.get("service") == "app") for r in records)
        if not run_daemon(command, lambda: check(name, f"rsyslog {word}", also=also), directory / f"rsyslog-{word}.log"):
            skip(name, "rsyslogd does not run here")


def syslog_ng():
    binary = DEBIAN / "usr/sbin/syslog-ng"
    modules = next(iter(DEBIAN.glob("usr/lib/syslog-ng/*/libhttp.so")), None)
    if not binary.exists() or modules is None:
        return skip("syslog-ng, Elasticsearch bulk", "Debian's package is not to be had")
    source = directory / "syslog-ng.in"
    source.write_text("".join(f"syslogng number{n:04}\n" for n in range(LINES)))
    configuration = directory / "syslog-ng.conf"
    configuration.write_text(f"""@version: 3.38
source s {{ file("{source}" flags(no-parse) follow-freq(1)); }};
destination d {{ http(url("{base}/elasticsearch/_bulk") method("POST") headers("Content-Type: application/x-ndjson")
  batch-lines(50) batch-timeout(500) body-suffix("\\n")
  body('{{"index":{{"_index":"syslog-ng"}}}}\n$(format-json message=$MESSAGE host.name=$HOST)\n')); }};
log {{ source(s); destination(d); }};
""")
    command = [str(binary), "--foreground", "--no-caps", "--stderr", f"--cfgfile={configuration}", f"--module-path={modules.parent}",
               f"--persist-file={directory}/syslog-ng.persist", f"--pidfile={directory}/syslog-ng.pid", f"--control={directory}/syslog-ng.ctl"]
    if not run_daemon(command, lambda: check("syslog-ng, Elasticsearch bulk", "syslogng"), directory / "syslog-ng.log"):
        skip("syslog-ng, Elasticsearch bulk", "syslog-ng does not run here")


def fluent_bit():
    """The tail input of the agent, its parsers, and each of the outputs that logs go by."""
    binary = harness.peer("fluent-bit", "PARAPET_FLUENT_BIT")
    if binary is None:
        return skip("Fluent Bit", "no fluent-bit on the PATH, as $PARAPET_FLUENT_BIT or in ~/.cache/parapet-peers")
    host = f"Host 127.0.0.1\n  Port {port}\n"
    outputs = [
        ("es", "Elasticsearch bulk", f"Name es\n  {host}  Path /elasticsearch\n  Index fluent\n  Suppress_Type_Name On\n  Generate_ID On\n  compress gzip",
         lambda records: all(r.get("level") == "ERROR" and r.get("service") == "shop" for r in records)),
        ("loki", "Loki push", f"Name loki\n  {host}  labels app=fluent, set=one\n  label_keys $service\n  structured_metadata order=$order\n"
         "  remove_keys service, order\n  line_format json\n  compress gzip",
         lambda records: all(r["stream"].get("service") == "shop" and r["stream"].get("set") == "one" and "order" in r["fields"] for r in records)),
        ("loki-text", "Loki push of plain lines", f"Name loki\n  {host}  labels app=fluent-text\n  remove_keys service, order, level\n  drop_single_key raw",
         lambda records: all(r["line"] == f"fluentbit loki-text number{int(r['line'][-4:]):04}" for r in records)),
        ("otlp", "OTLP", f"Name opentelemetry\n  {host}  logs_uri /v1/logs\n  logs_body_key message\n  logs_body_key_attributes true\n  compress gzip",
         lambda records: all("order" in r["fields"] for r in records)),
    ]
    for word, name, output, also in outputs:
        source, parsers, configuration = (directory / f"fluent-{word}.{kind}" for kind in ("in", "parsers", "conf"))
        source.write_text("".join(
            json.dumps({"level": "error", "service": "shop", "order": n, "message": f"fluentbit {word} number{n:04}"}) + "\n" for n in range(LINES)))
        parsers.write_text("[PARSER]\n  Name lines\n  Format json\n")
        configuration.write_text(f"[SERVICE]\n  Flush 0.5\n  Grace 5\n  Parsers_File {parsers}\n"
                                 f"[INPUT]\n  Name tail\n  Path {source}\n  Read_from_Head On\n  Parser lines\n"
                                 f"[OUTPUT]\n  {output}\n  Match *\n  Retry_Limit 3\n")
        name = f"Fluent Bit, {name}"
        if not run_daemon([binary, "-c", str(configuration)], lambda: check(name, f'"fluentbit {word}" AND NOT "fluentbit {word}-text"', also=also),
                          directory / f"fluent-{word}.log"):
            skip(name, "fluent-bit does not run here")


def opentelemetry():
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.exporter.otlp.proto.http import Compression

    provider = LoggerProvider(resource=Resource.create({"service.name": "shop", "host.name": "h1"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{base}/v1/logs", compression=Compression.Gzip)))
    logger = logging.getLogger("otel")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(LoggingHandler(logger_provider=provider))
    for number in range(LINES):
        logger.error("opentelemetry number%04d", number, extra={"order": number})
    provider.shutdown()
    check("the OpenTelemetry SDK, OTLP in protobuf and gzip", "opentelemetry",
          also=lambda records: all(r.get("level") == "ERROR" and r.get("service") == "shop" and "order" in r["fields"] for r in records))


def python_logging():
    logger = logging.getLogger("plain")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    handler = logging.handlers.SysLogHandler(("127.0.0.1", syslog_port), socktype=socket.SOCK_STREAM)
    handler.append_nul = False
    handler.setFormatter(logging.Formatter("%(message)s\n"))
    handler.ident = "python: "
    logger.addHandler(handler)
    for number in range(LINES):
        logger.warning("pythonsyslog number%04d", number)
    handler.close()
    check("Python's logging, SysLogHandler over TCP", "pythonsyslog", also=lambda records: all(r.get("level") == "WARNING" for r in records))

    import logging_loki

    logger = logging.getLogger("loki")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(logging_loki.LokiHandler(url=f"{base}/loki/api/v1/push", tags={"app": "py"}, version="1"))
    for number in range(LINES):
        logger.info("pythonloki number%04d", number)
    check("Python's logging, a Loki handler", "pythonloki", also=lambda records: all(r["stream"].get("app") == "py" for r in records))


def elasticsearch():
    from elasticsearch import Elasticsearch, helpers

    client = Elasticsearch(f"{base}/elasticsearch")
    assert client.info()["version"]["number"]
    actions = [{"_op_type": "create", "_index": "logs-py", "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "message": f"elasticpy number{n:04}"} for n in range(LINES)]
    stored, errors = helpers.bulk(client, actions, raise_on_error=False)
    assert (stored, errors) == (LINES, []), (stored, errors)
    check("Elasticsearch's Python client", "elasticpy")


def live_tail():
    """Grafana's live tail: lines come over a WebSocket as they are stored."""
    from websockets.sync.client import connect

    query = urllib.parse.urlencode({"query": '{app="live"} |= "number"', "limit": 10})
    with connect(f"ws://127.0.0.1:{port}/loki/api/v1/tail?{query}") as socket_:
        body = json.dumps({"streams": [{"stream": {"app": "live"}, "values": [[str(time.time_ns() + n), f"live number{n:04}"] for n in range(LINES)]}]})
        request = urllib.request.Request(f"{base}/loki/api/v1/push", body.encode(), {"Content-Type": "application/json"})
        assert urllib.request.urlopen(request, timeout=30).status == 204
        lines, until = [], time.time() + 60
        while len(lines) < LINES and time.time() < until:
            try:
                told = json.loads(socket_.recv(timeout=5))
            except TimeoutError:
                continue
            lines += [value[1] for stream in told["streams"] for value in stream["values"]]
    global passed, failed
    good = lines == [f"live number{n:04}" for n in range(LINES)]
    print(f"{'ok  ' if good else 'FAIL'} live tail over a WebSocket: {len(lines)} of {LINES} lines, in order", flush=True)
    passed, failed = passed + good, failed + (not good)


def tail():
    file = directory / "app.log"
    file.write_text("")
    state = directory / "tail.json"
    command = [BINARY, "logs", "tail", str(file), "--url", base, "--label", "app=tailed", "--state", str(state), "--from-beginning", "--interval", "50ms"]
    written = 0

    def write(count):
        nonlocal written
        with open(file, "a") as out:
            for _ in range(count):
                out.write(f"tailed number{written:04}\n")
                written += 1

    # Killed and started again, rotated by renaming and by truncating.
    for round_number in range(4):
        process = subprocess.Popen(command, stderr=open(directory / "tail.log", "ab"))
        write(LINES // 4)
        time.sleep(0.3 if round_number % 2 else 1)
        process.kill()
        process.wait()
        if round_number == 1:
            file.rename(directory / "app.log.1")
            file.write_text("")
    subprocess.run([*command, "--once"], check=True, timeout=60)
    check("parapet logs tail, killed and rotated", "tailed")
    streams = loki('{app="tailed"} |= "tailed"')
    global passed, failed
    good = sum(len(stream["values"]) for stream in streams) == LINES
    print(f"{'ok  ' if good else 'FAIL'} the same by LogQL", flush=True)
    passed, failed = passed + good, failed + (not good)


server = start()
try:
    for shipper in [rsyslog, syslog_ng, fluent_bit, opentelemetry, python_logging, elasticsearch, tail, live_tail]:
        try:
            shipper()
        except ImportError as error:
            skip(shipper.__name__, f"PyPI's package is not to be had: {error}")
finally:
    server.send_signal(signal.SIGTERM)
    server.wait(30)
for name in ["Vector", "Filebeat", "Logstash"]:
    skip(name, "neither Debian nor PyPI has it; what it asks of Elasticsearch is in functions/api/tests/api/logs/elasticsearch.rs")
if failed:
    print((directory / "log").read_text()[-3000:])
else:
    shutil.rmtree(directory)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(bool(failed))
