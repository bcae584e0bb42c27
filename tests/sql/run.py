#!/usr/bin/env python3
"""Ten questions in SQL (questions.toml), answered by DuckDB (through `parapet sql`), by DuckDB over what pyarrow decodes,
and by Spark, from the files that Athena would read; each answer equals PromQL's to 1e-9.

  tests/tools/with-tools "$PARAPET_TOOLS/sql/bin/python" tests/sql/run.py [target/fast/parapet] [--keep]

The store is made by the binary: `parapet import` of real scrape bodies over two hours around a midnight, a part of them
imported twice (duplicates in other files), and a running process that is pushed native histograms, staleness markers and
once more a part of the same samples. Questions and views are written for Athena; sqlglot translates them."""

import argparse
import gzip
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request

import duckdb
import pyarrow.parquet
import sqlglot

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "endurance"), str(HERE.parent / "differential")]
import harness  # noqa: E402
import remote_write  # noqa: E402
from data import STALE, Data  # noqa: E402

SCRAPES = pathlib.Path(os.environ.get("PARAPET_CONFORMANCE", HERE.parents[2] / "shared/conformance")) / "scrapes/live"
DAY_S, STEP_S, RANGE_S = 86_400, 15, 7200
# The midnight that began yesterday: its two hours are over, and within what a push may be old.
MIDNIGHT_S = int(time.time()) // DAY_S * DAY_S - DAY_S
START_S, END_S = MIDNIGHT_S - RANGE_S // 2, MIDNIGHT_S + RANGE_S // 2


def bodies(name, count, ending="prom.gz"):
    return [gzip.decompress((SCRAPES / f"{name}.{n}.{ending}").read_bytes()).decode() for n in range(count)]


def replay(bodies, labels, step_s, last_s=END_S, unit=1):
    """Lines of the bodies over and over, at their times: at the end of each round counters begin anew."""
    sample = re.compile(r"^([a-zA-Z_:][\w:]*)(\{[^}]*\})? (\S+)(?: \d+)?( # .*)?$")
    added = ",".join(f'{name}="{value}"' for name, value in labels.items())
    lines = []
    for number, at in enumerate(range(START_S, last_s + 1, step_s)):
        for line in bodies[number % len(bodies)].splitlines():
            if line.startswith("#"):
                if not line.startswith("# EOF"):
                    lines.append(line)
            elif found := sample.match(line):
                metric, own, value, exemplar = found.groups()
                own = own[1:-1] + "," if own else ""
                # The exemplars' own times are those of the capture.
                exemplar = re.sub(r" [\d.]+$", f" {at}", exemplar) if exemplar else ""
                lines.append(f"{metric}{{{own}{added}}} {value} {at * unit}{exemplar}")
    return "\n".join(lines) + "\n"


def call(*command, text=None):
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def make_store(binary, directory):
    storage = directory / "data"
    app = bodies("python_client", 3, "om.gz")
    openmetrics = "".join(replay(app, {"job": "app", "instance": f"app:{n}"}, STEP_S * (1 + n % 2)) for n in range(3)) + "# EOF\n"
    node = bodies("node_exporter-1.11", 7)
    # The second target is gone for the last quarter of an hour.
    text = "".join([
        replay(node, {"job": "node", "instance": "a:9100"}, 60, unit=1000),
        replay(node[::-1], {"job": "node", "instance": "b:9100"}, 60, END_S - 900, unit=1000),
        replay(bodies("prometheus-3.5", 7), {"job": "prometheus", "instance": "p:9090"}, 60, unit=1000),
    ])
    (directory / "history.prom").write_text(text)
    print(call(binary, "import", "-", "--storage.path", storage, text=openmetrics), end="")
    print(call(binary, "import", directory / "history.prom", "--storage.path", storage), end="")
    # The first hour of the node exporters once more, in other batches: each of their samples stands in two files.
    (directory / "again.prom").write_text(re.sub(r"(?m)^(?!#)(?!.*job=\"node\").*\n", "", text))
    print(call(binary, "import", directory / "again.prom", "--end", str(MIDNIGHT_S - 1), "--storage.path", storage), end="")
    return storage


def push(base):
    """Native histograms of two jobs, and markers and repeats of what was imported, in the hour after midnight."""
    import random

    data = Data(random.Random(7), MIDNIGHT_S * 1000, END_S * 1000)
    wanted = [(labels, samples) for labels, samples in data.series if labels["__name__"] in ("requests_seconds", "temperature")]
    gone = {"__name__": "node_memory_MemAvailable_bytes", "job": "node", "instance": "b:9100"}
    wanted.append((gone, [((END_S - 840) * 1000, STALE)]))
    remote_write.push(base, b"".join(remote_write.series(labels, samples) for labels, samples in wanted))


def ask(base, path, **parameters):
    try:
        with urllib.request.urlopen(f"{base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{parameters}: {error.read().decode()}") from None


def filled(text, for_sql):
    def moment(at):
        return f"TIMESTAMP '{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at))}'"

    values = {"{start}": moment(START_S), "{end}": moment(END_S), "{start_s}": f"{START_S}e0", "{end_s}": f"{END_S}e0"}
    if not for_sql:
        values = {"{range}": f"{RANGE_S}s"}
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def promql(base, question):
    """Labels to value."""
    if "exemplars" in question:
        found = ask(base, "query_exemplars", query=question["exemplars"], start=START_S, end=END_S)
        return {
            key({"instance": of["seriesLabels"]["instance"], "le": of["seriesLabels"]["le"], **one["labels"]}): float(one["value"])
            for of in found for one in of["exemplars"]
        }
    found = ask(base, "query", query=filled(question["promql"], False), time=END_S)["result"]
    dropped = question.get("drop", [])
    answer = {key({name: value for name, value in one["metric"].items() if name not in dropped}): float(one["value"][1]) for one in found}
    # Which targets have gone is a question of whether, not of how many.
    return {labels: 1.0 for labels in answer} if "unless" in question["promql"] else answer


def key(labels):
    return tuple(sorted((name, value) for name, value in labels.items() if value is not None))


def keyed(rows):
    return {key({name: value for name, value in row.items() if name != "value"}): float(row["value"]) for row in rows}


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(math.isclose(ours[at], theirs[at], rel_tol=1e-9, abs_tol=1e-12) for at in ours)


def athena_views(metrics=True):
    """The views of template.yaml, those over metrics or that over logs: name and SQL, in Athena's dialect."""
    template = (HERE.parents[1] / "template.yaml").read_text()
    views = []
    for name, view in re.findall(r"        Name: (\w+)\n(?:(?!  Glue\w+:).*\n)*?              Fn::Base64: !Sub >-\n((?: {16}.*\n)+)", template):
        described = json.loads(" ".join(view.split()))
        views.append((name, described["originalSql"], [column["name"] for column in described["columns"]]))
    assert [name for name, _, _ in views] == ["samples", "histograms", "exemplars", "series", "logs"], views
    # Of lines there are none here: `logs.py` asks for them.
    return views[:-1] if metrics else views[-1:]


def published(storage):
    """The files that Athena reads."""
    manifests = sorted((storage / "objects/metrics-manifest/tenant=default").glob("dt=*/manifest"))
    return [line for manifest in manifests for line in manifest.read_text().split()]


def by_parapet_sql(binary, storage, questions):
    """One call with all questions: each prints an array."""
    sql = ";\n".join(sqlglot.transpile(filled(question["sql"], True), read="trino", write="duckdb")[0] for question in questions)
    printed = call(binary, "sql", "-o", "json", "--storage.path", storage, "--duckdb", sys.executable, text=sql)
    return [keyed(json.loads(line)) for line in printed.splitlines()]


def documented(binary, storage):
    """The questions of docs/athena.md, which DuckDB must understand after translation."""
    text = (HERE.parents[1] / "docs/athena.md").read_text()
    blocks = re.findall(r"```sql\n(.*?)```", text, re.S)
    assert len(blocks) >= 8, len(blocks)
    translated = [sqlglot.transpile(block, read="trino", write="duckdb")[0] for block in blocks]
    call(binary, "sql", "-o", "csv", "--storage.path", storage, "--duckdb", sys.executable, text=";\n".join(translated))


def hive_type(of):
    """How Glue names a type of Arrow."""
    types = pyarrow.types
    if types.is_struct(of):
        return f"struct<{','.join(f'{of.field(n).name}:{hive_type(of.field(n).type)}' for n in range(of.num_fields))}>"
    if types.is_map(of):
        return f"map<{hive_type(of.key_type)},{hive_type(of.item_type)}>"
    if types.is_list(of):
        return f"array<{hive_type(of.value_type)}>"
    if types.is_timestamp(of):
        return "timestamp"
    return {"string": "string", "int64": "bigint", "int32": "int", "double": "double", "bool": "boolean"}[str(of)]


def same_columns(file):
    """Glue's columns are those of the files, in their order."""
    template = (HERE.parents[1] / "template.yaml").read_text()
    table = template.split("\n  GlueTable:\n")[1].split("          Columns:\n")[1].split("\n\n")[0]
    table = re.sub(r"\\\n\s*", "", table)
    glue = re.findall(r'Name: (\w+),?\s+Type: (?:"([^"]+)"|([^",}\n]+))', table)
    glue = [(name, (quoted or plain).strip()) for name, quoted, plain in glue]
    ours = [(field.name, hive_type(field.type)) for field in pyarrow.parquet.read_schema(file)]
    assert glue == ours, [pair for pair in zip(glue, ours) if pair[0] != pair[1]]


def by_pyarrow(files, questions):
    """pyarrow decodes every column of every file; DuckDB joins and adds up what it is given."""
    tables = []
    for file in files:
        table = pyarrow.parquet.ParquetFile(file).read()
        partition = dict(part.split("=") for part in file.split("/") if "=" in part)
        for name in ("tenant", "dt"):
            table = table.append_column(name, pyarrow.array([partition[name]] * len(table), pyarrow.string()))
        tables.append(table)
    connection = duckdb.connect()
    connection.register("decoded", pyarrow.concat_tables(tables, promote_options="default"))
    of = "tenant, dt, metric, labels, series_id"
    utc = "make_timestamp(epoch_us({}))"
    for view in (
        f"metrics AS SELECT * REPLACE ({utc.format('min_ts')} AS min_ts, {utc.format('max_ts')} AS max_ts) FROM decoded",
        f"""samples AS SELECT {of}, {utc.format('t')} AS ts, value FROM (SELECT {of}, stale_samples, unnest(timestamps) AS t,
            unnest("values") AS value FROM decoded WHERE "values" IS NOT NULL) WHERE stale_samples = 0 OR NOT isnan(value)""",
        f"""histograms AS SELECT {of}, {utc.format('t')} AS ts, h.count AS count, h.sum AS sum FROM (SELECT {of}, stale_samples,
            unnest(timestamps) AS t, unnest(histograms) AS h FROM decoded WHERE histograms IS NOT NULL)
            WHERE stale_samples = 0 OR NOT isnan(h.sum)""",
        f"""exemplars AS SELECT {of}, {utc.format('e.ts')} AS ts, e.value AS value, e.labels AS exemplar
            FROM (SELECT {of}, unnest(exemplars) AS e FROM decoded WHERE exemplars IS NOT NULL)""",
    ):
        connection.execute("CREATE VIEW " + view)
    twice = "SELECT count(*) - count(DISTINCT (series_id, ts)) FROM samples"
    assert connection.execute(twice).fetchone()[0] > 10_000, "no sample stands in two files"
    answers = []
    for question in questions:
        found = connection.execute(sqlglot.transpile(filled(question["sql"], True), read="trino", write="duckdb")[0])
        names = [column[0] for column in found.description]
        answers.append(keyed(dict(zip(names, row)) for row in found.fetchall()))
    return answers


def by_spark(files, questions):
    """Spark decodes, and answers through the views that Athena has."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # It runs for seconds: the quick compiler is enough.
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1")
    builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    # Missing lists have no length, as in Athena; small data is not worth compiled code.
    builder = builder.config("spark.sql.ansi.enabled", "true").config("spark.sql.codegen.wholeStage", "false")
    builder = builder.config("spark.log.level", "ERROR").config("spark.ui.showConsoleProgress", "false")
    spark = builder.getOrCreate()
    root = str(pathlib.Path(files[0]).parents[2])
    read = spark.read.option("basePath", root).option("mergeSchema", "true").parquet(*files)
    read.coalesce(2).cache().createOrReplaceTempView("metrics")
    for name, sql, columns in athena_views():
        found = spark.sql(sqlglot.transpile(sql, read="trino", write="spark")[0])
        assert found.columns == columns, (name, found.columns, columns)
        found.createOrReplaceTempView(name)
    answers = []
    for question in questions:
        rows = spark.sql(sqlglot.transpile(filled(question["sql"], True), read="trino", write="spark")[0]).collect()
        answers.append(keyed(row.asDict() for row in rows))
    spark.stop()
    return answers


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary", nargs="?", default=harness.default_binary())
    arguments.add_argument("--keep", action="store_true", help="keep the store")
    options = arguments.parse_args()
    began = time.time()
    binary = str(pathlib.Path(options.binary).resolve())
    questions = tomllib.loads((HERE / "questions.toml").read_text())["question"]
    assert len(questions) == 10
    directory = pathlib.Path(tempfile.mkdtemp(prefix="parapet-sql-"))
    storage = make_store(binary, directory)
    served = harness.Parapet(binary, "global: {scrape_interval: 15s}\n", directory=directory)
    served.start()
    push(served.base)
    pushed = 'sum(count_over_time(requests_seconds[1h]))'
    for _ in range(200):
        if served.number(pushed, END_S):
            break
        time.sleep(0.1)
    # At its start a process publishes what was pushed to the one before.
    before = published(storage)
    served.stop()
    served.start()
    for _ in range(200):
        if (files := published(storage)) != before:
            break
        time.sleep(0.1)
    print(f"the store is made after {time.time() - began:.1f} s")
    levels = {pathlib.Path(file).name[:2] for file in files}
    assert {"00", "01"} <= levels, f"flushed and merged files: {levels}"
    same_columns(files[0])
    documented(binary, storage)
    answers, timing = {}, ""
    for name, answer in (
        ("PromQL", lambda: [promql(served.base, question) for question in questions]),
        # Asked beside a process that runs, by what it has published.
        ("parapet sql", lambda: by_parapet_sql(binary, storage, questions)),
        ("pyarrow", lambda: by_pyarrow(files, questions)),
        ("Spark", lambda: by_spark(files, questions)),
    ):
        since = time.time()
        answers[name] = answer()
        timing += f"{name} {time.time() - since:.1f} s, "
    served.stop()
    timing += f"in all {time.time() - began:.1f} s"
    failed = 0
    for number, question in enumerate(questions):
        want = answers["PromQL"][number]
        wrong = [name for name, answer in answers.items() if not want or not same(answer[number], want)]
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {question['name']}: {len(want)} values {'differ: ' + ', '.join(wrong) if wrong else ''}")
        for name in wrong:
            ours = answers[name][number]
            for at in sorted({*ours, *want})[:8]:
                print(f"     {name}: {dict(at)} {ours.get(at)}, PromQL {want.get(at)}")
    print(f"{len(files)} files of levels {sorted(levels)}; {timing}")
    served.directory = directory
    harness.finish(served, {"ten questions, three readers": not failed}, options.keep)


if __name__ == "__main__":
    main()
