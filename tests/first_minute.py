#!/usr/bin/env python3
"""What a newcomer sees: `parapet run` without a configuration, in an empty directory.

Within 60 s of ready: up is 1, DuckDB and pyarrow read the Parquet files with the documented schema, the demonstration
alert is firing, and its webhook has been delivered. Then wrong input, a second start, Ctrl-C and a restart.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import duckdb
import pyarrow.parquet

sys.path.insert(0, str(pathlib.Path(__file__).parent / "endurance"))
import harness  # noqa: E402

BINARY = str(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else harness.default_binary()
COLUMNS = {
    "metric": "VARCHAR", "labels": "MAP(VARCHAR, VARCHAR)", "series_id": "BIGINT", "type": "VARCHAR",
    "min_ts": "TIMESTAMP WITH TIME ZONE", "max_ts": "TIMESTAMP WITH TIME ZONE", "samples": "INTEGER",
}
directory = pathlib.Path(tempfile.mkdtemp(prefix="parapet-first-minute-"))
port = harness.free_port()
base = f"http://127.0.0.1:{port}"
command = [BINARY, "run", "--web.listen-address", f"127.0.0.1:{port}"]
failed = []


def check(what, held, detail=""):
    print(f"{'ok  ' if held else 'FAIL'} {what} {detail}", flush=True)
    if not held:
        failed.append(what)


def ask(path):
    with urllib.request.urlopen(base + path, timeout=10) as answer:
        return json.load(answer)["data"]


def start():
    environment = {**os.environ, "PARAPET_LEDGER_FLUSH_SECONDS": "1"}
    process = subprocess.Popen(command, cwd=directory, env=environment, stderr=open(directory / "log", "ab"))
    for _ in range(300):
        try:
            urllib.request.urlopen(base + "/-/ready", timeout=1).read()
            return process
        except OSError:
            time.sleep(0.1)
    raise SystemExit("not ready after 30 s:\n" + (directory / "log").read_text())


def within(seconds, question):
    until = time.time() + seconds
    while time.time() < until:
        try:
            if question():
                return True
        except (OSError, KeyError, IndexError, duckdb.Error):
            pass
        time.sleep(0.5)
    return False


def seconds_since(moment):
    return f"after {time.time() - moment:.0f} s"


process = start()
ready = time.time()
check("up == 1", within(60, lambda: ask("/api/v1/query?query=up")["result"][0]["value"][1] == "1"), seconds_since(ready))
firing = lambda: [a for a in ask("/api/v1/alerts")["alerts"] if a["labels"]["alertname"] == "ParapetDemo" and a["state"] == "firing"]
check("the demonstration alert fires", within(60 - (time.time() - ready), firing), seconds_since(ready))
delivered = lambda: "the webhook received a page" in (directory / "log").read_text()
check("its webhook is delivered", within(60 - (time.time() - ready), delivered), seconds_since(ready))

pattern = f"{directory}/data/objects/metrics/**/*.parquet"
up = lambda: duckdb.sql(f"select metric, samples from read_parquet('{pattern}') where metric = 'up'").fetchall()
check("DuckDB finds up in the Parquet files", within(60 - (time.time() - ready), up), seconds_since(ready))
columns = dict(duckdb.sql(f"describe select * from read_parquet('{pattern}')").project("column_name, column_type").fetchall())
for name, kind in COLUMNS.items():
    check(f"column {name} is {kind}", columns.get(name) == kind, f"(is {columns.get(name)})")
sql = f"select v from (select unnest(values) v from read_parquet('{pattern}') where metric = 'up') limit 1"
check("values unnest to 1.0", duckdb.sql(sql).fetchall() == [(1.0,)])
def published():
    """The README's way: the manifests list the files that count, and in them no sample stands twice."""
    manifests = f"{directory}/data/objects/metrics-manifest/*/*/manifest"
    duckdb.sql(f"set variable files = (select list(f) from read_csv('{manifests}', names = ['f'], header = false))")
    rows = "select unnest(timestamps) ts from read_parquet(getvariable('files')) where metric = 'up'"
    samples, times = duckdb.sql(f"select count(*), count(distinct ts) from ({rows})").fetchall()[0]
    return samples == times > 1


check("the manifest's files have each sample once", within(70, published))
files = sorted(directory.glob("data/objects/metrics/**/*.parquet"))
# Merging replaces files while we look: the newest is there still.
table = pyarrow.parquet.ParquetFile(files[-1]).read()
check("pyarrow reads a file whole", table.num_rows > 0 and set(COLUMNS) <= set(table.column_names), f"({table.num_rows} rows)")

explained = subprocess.run(
    [BINARY, "explain", "alert", "alertname=ParapetDemo", "--server", base], cwd=directory, capture_output=True, text=True, timeout=20
)
story = explained.stdout
check("parapet explain tells its story", explained.returncode == 0 and "takes route" in story and "was told once" in story, story + explained.stderr)


def paged():
    """The SQL of docs/ledger.md: pages a day and receiver."""
    ledger = f"read_parquet('{directory}/data/objects/ledger/*/*/*.parquet', hive_partitioning = true)"
    pages = "select dt, receiver, integration, reason, count(distinct delivery) as pages"
    rows = duckdb.sql(f"{pages} from {ledger} where event = 'sent' group by all order by all").fetchall()
    events = duckdb.sql(f"select event from {ledger} where alertname = 'ParapetDemo' and labels['alertname'] = 'ParapetDemo' order by ts").fetchall()
    return len(rows) == 1 and rows[0][2:] == ("webhook/0", "first notification", 1) and events[0] == ("grouped",)


check("DuckDB finds the page in the ledger", within(130, paged))

other = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=20)
check("a second start on the same address is refused", other.returncode == 1 and "cannot listen" in other.stderr, other.stderr.strip()[-200:])
elsewhere = [*command[:-1], f"127.0.0.1:{harness.free_port()}"]
other = subprocess.run(elsewhere, cwd=directory, capture_output=True, text=True, timeout=20)
check("a second start on the same data is refused", other.returncode == 1 and "another process" in other.stderr, other.stderr.strip()[-200:])

bad = directory / "bad.yml"
bad.write_text("global:\n  scrape_intervall: 15s\n")
other = subprocess.run([*command, "--config.file", str(bad)], cwd=directory, capture_output=True, text=True, timeout=20)
where = "bad.yml:2:3" in other.stderr and "scrape_interval" in other.stderr
check("a wrong configuration is refused with its place", other.returncode == 1 and where, other.stderr.strip()[-200:])

process.send_signal(signal.SIGINT)
check("Ctrl-C stops cleanly", process.wait(timeout=40) == 0)
before = len(ask_samples) if (ask_samples := up()) else 0
process = start()
kept = lambda: int(ask("/api/v1/query?query=count_over_time(up[1h])")["result"][0]["value"][1]) >= before > 0
check("a restart goes on with what was stored", within(30, kept))
process.send_signal(signal.SIGTERM)
check("SIGTERM stops cleanly", process.wait(timeout=40) == 0)
if failed:
    print((directory / "log").read_text()[-4000:])
    print(f"{len(failed)} failed: {failed}; see {directory}")
sys.exit(1 if failed else 0)
