"""What both emulator runs share: a deployed stack, a real node exporter, a webhook, and what must come true on them."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "endurance"))
import harness  # noqa: E402

TOOLS = pathlib.Path(os.environ["PARAPET_TOOLS"])
EMULATOR = ROOT / "infra" / "localstack"
QUEUES = ["SCRAPE_TASKS", "SAMPLES", "RULE_TASKS", "ALERTS", "TIMERS", "DELIVERIES"]
SCRAPE_SECONDS = 15

PROMETHEUS = """
global:
  scrape_interval: {interval}s
  scrape_timeout: 5s
  evaluation_interval: {interval}s
rule_files:
  - rules/*.yml
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ['{target}']
"""
RULES = """
groups:
  - name: node
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: NodeIsUp
        expr: up{job="node"} == 1
        labels:
          severity: none
        annotations:
          summary: '{{ $labels.instance }} is up'
"""
ALERTMANAGER = """
route:
  receiver: webhook
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1m
  repeat_interval: 1h
receivers:
  - name: webhook
    webhook_configs:
      - url: {webhook}
"""


class Report:
    """Says what held and what did not."""

    def __init__(self):
        self.failed = []
        self.started = time.time()

    def check(self, what, held, detail=""):
        seconds = f"{time.time() - self.started:4.0f} s"
        print(f"{'ok  ' if held else 'FAIL'} {seconds}  {what} {detail}", flush=True)
        if not held:
            self.failed.append(what)
        return held

    def within(self, seconds, what, question):
        """Waits until `question` answers something true, and gives the answer."""
        until, detail, answer = time.time() + seconds, "", None
        while time.time() < until:
            try:
                answer, detail = question(), ""
                if answer:
                    break
            except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
                detail = f"({type(error).__name__}: {error})"
            time.sleep(1)
        self.check(what, bool(answer), detail)
        return answer


@contextlib.contextmanager
def emulator():
    """The emulator that the environment names, else one for this run alone."""
    if os.environ.get("AWS_ENDPOINT_URL"):
        yield
        return
    subprocess.run([EMULATOR / "up"], check=True)
    try:
        read_env(EMULATOR / "endpoint.env")
        yield
    finally:
        subprocess.run([EMULATOR / "down"], check=True)


def read_env(path):
    for line in path.read_text().splitlines():
        if line.startswith("export "):
            name, value = line.removeprefix("export ").split("=", 1)
            os.environ[name] = value.strip("'")


def reuse_build():
    """Where the functions of a stack are never called, those that were built last will do."""
    built = ROOT / ".aws-sam" / "localstack" / "template.yaml"
    if built.exists() and built.stat().st_mtime >= (ROOT / "template.yaml").stat().st_mtime:
        os.environ.setdefault("PARAPET_BUILD", "skip")


def deploy(stack, *parameters):
    subprocess.run([EMULATOR / "deploy", stack, *parameters], check=True)
    read_env(EMULATOR / f"{stack}.env")


@contextlib.contextmanager
def node_exporter():
    """Debian's node exporter on a free port of 127.0.0.1."""
    address = f"127.0.0.1:{harness.free_port()}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(["prometheus-node-exporter", f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://{address}/metrics", timeout=5).read()
                    break
                time.sleep(0.1)
            else:
                raise SystemExit("the node exporter does not answer")
            yield address
        finally:
            process.terminate()
            process.wait()


class Api:
    """Prometheus' HTTP API at a URL, which an emulator serves at its own address under the URL's host."""

    def __init__(self, url, endpoint=None):
        self.url = url.rstrip("/")
        self.host = None
        if endpoint:
            self.host = urllib.parse.urlsplit(url).netloc
            self.url = endpoint

    def get(self, path, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        request = urllib.request.Request(self.url + path + query)
        if self.host:
            request.add_header("Host", self.host)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise OSError(f"{error.code}: {error.read()[:300]}") from error

    def post(self, path):
        urllib.request.urlopen(urllib.request.Request(self.url + path, method="POST"), timeout=30).read()

    def vector(self, expression, at=None):
        parameters = {"query": expression, **({"time": at} if at else {})}
        return self.get("/api/v1/query", **parameters)["result"]

    def number(self, expression, at=None):
        return float(self.vector(expression, at)[0]["value"][1])

    def firing(self, name):
        alerts = self.get("/api/v1/alerts")["alerts"]
        return [alert for alert in alerts if alert["labels"]["alertname"] == name and alert["state"] == "firing"]


class Stack:
    """The stack's resources, by the variables that `deploy` wrote."""

    def __init__(self):
        self.s3, self.sqs, self.dynamodb = boto3.client("s3"), boto3.client("sqs"), boto3.client("dynamodb")
        self.bucket, self.table = os.environ["PARAPET_BUCKET"], os.environ["PARAPET_TABLE"]

    def put(self, key, text):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def keys(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def depth(self, url):
        names = ["", "Delayed", "NotVisible"]
        attributes = [f"ApproximateNumberOfMessages{name}" for name in names]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"]
        return sum(int(answer[name]) for name in attributes)

    def dead_letters(self):
        return {name: depth for name in QUEUES if (depth := self.depth(os.environ[f"PARAPET_DLQ_{name}_URL"]))}

    def live_files(self):
        """The keys of the files that exist, by the manifest."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table, FilterExpression="begins_with(pk, :pk)", ExpressionAttributeValues={":pk": {"S": "manifest#"}})
        entries = [json.loads(item["v"]["S"]) for page in pages for item in page["Items"]]
        return [entry["key"] for entry in entries if "key" in entry]

    def published_files(self):
        """The keys that Athena is told to read; fails where one is not a file of the bucket."""
        texts = [self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode() for key in self.keys("metrics-manifest/")]
        root, urls = f"s3://{self.bucket}/", [url for text in texts for url in text.split()]
        published = {url.removeprefix(root) for url in urls if url.startswith(root)}
        if len(published) < len(urls) or not published <= set(self.keys("metrics/")):
            raise ValueError(f"the manifest lists what is not there: {urls}")
        return published

    def download(self, directory):
        """Brings the live files here; a file that a merge replaced meanwhile makes the list stale, so it is read anew."""
        for _ in range(5):
            paths, complete = [], True
            for key in self.live_files():
                path = pathlib.Path(directory) / key
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self.s3.download_file(self.bucket, key, str(path))
                except self.s3.exceptions.ClientError:
                    complete = False
                    break
                paths.append(str(path))
            if complete:
                return paths
        raise OSError("the files change faster than they are read")


# Read by pyarrow and DuckDB in an environment that has them. Prints what the checks ask for.
READ_PARQUET = """
import json, sys
import duckdb, pyarrow.parquet
files = json.load(sys.stdin)
table = pyarrow.parquet.ParquetFile(files[0]).read()
columns = duckdb.sql(f"describe select * from read_parquet({files})").project("column_name, column_type").fetchall()
rows = f'''select metric, labels, series_id, unnest(timestamps) ts, unnest("values") v from read_parquet({files})'''
doubles = duckdb.sql(f"select metric, cast(labels as varchar), ts, count(*) n from ({rows}) group by all having n > 1 limit 5").fetchall()
times = duckdb.sql(f"select epoch_ms(ts) from ({rows}) where metric = 'up' order by 1").fetchall()
samples = duckdb.sql(f"select count(*) from ({rows})").fetchall()[0][0]
print(json.dumps({"rows": table.num_rows, "columns": dict(columns), "doubles": [str(row) for row in doubles],
                  "up": [time for time, in times], "samples": samples}))
"""
COLUMNS = {
    "metric": "VARCHAR", "labels": "MAP(VARCHAR, VARCHAR)", "series_id": "BIGINT", "type": "VARCHAR",
    "min_ts": "TIMESTAMP WITH TIME ZONE", "max_ts": "TIMESTAMP WITH TIME ZONE", "samples": "INTEGER",
}


def read_parquet(stack):
    with tempfile.TemporaryDirectory() as directory:
        files = stack.download(directory)
        if not files:
            return None
        python = TOOLS / "check" / "bin" / "python"
        run = subprocess.run([python, "-c", READ_PARQUET], input=json.dumps(files), capture_output=True, text=True)
        if run.returncode:
            raise OSError(run.stderr[-500:])
        return {**json.loads(run.stdout), "files": len(files)}


def check_the_main_job(report, api, stack, webhook, patience=240):
    """Scraped, stored, queried, fired, delivered."""
    report.within(patience, "up == 1", lambda: api.number("up") == 1)
    report.within(60, "the node exporter's series are there", lambda: api.number("count({job='node'})") > 200)
    report.within(60, "a recorded series is there", lambda: api.number("job:up:sum") == 1)
    report.within(120, "the alert is firing", lambda: api.firing("NodeIsUp"))
    alerts = report.within(60, "its webhook was delivered", webhook.alerts) or [{"labels": {}, "annotations": {}}]
    report.check("the page says which alert", alerts[0]["labels"].get("alertname") == "NodeIsUp", str(alerts[0]["labels"]))
    summary = alerts[0]["annotations"].get("summary", "")
    report.check("its template was expanded", summary.endswith(" is up") and "{{" not in summary, summary)
    parquet = report.within(60, "Parquet files are in the bucket and read", lambda: read_parquet(stack))
    for name, kind in COLUMNS.items():
        found = parquet["columns"].get(name) if parquet else None
        report.check(f"column {name} is {kind}", found == kind, f"(is {found})")


def check_exactly_once(report, api, stack, since):
    """From `since` to the last sample: one sample for each interval, none twice, neither in the files nor in PromQL."""
    parquet = read_parquet(stack)
    detail = f"({parquet['samples']} samples in {parquet['files']} files)"
    report.check("no sample is stored twice", not parquet["doubles"], str(parquet["doubles"]) if parquet["doubles"] else detail)
    times = [time for time in parquet["up"] if time >= since * 1000]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    regular = len(times) > 1 and all(gap == SCRAPE_SECONDS * 1000 for gap in gaps)
    report.check("every interval has its scrape", regular, f"({len(times)} scrapes)" if regular else str(sorted(gaps)[-5:]))
    if len(times) > 1:
        seconds = (times[-1] - times[0]) // 1000 + 1
        count = api.number(f"count_over_time(up[{seconds}s])", at=times[-1] / 1000)
        report.check("count_over_time counts each once", count == len(times), f"({count:.0f} of {len(times)})")


def check_nothing_is_left(report, stack):
    report.check("no message was given up", not stack.dead_letters(), str(stack.dead_letters()))
