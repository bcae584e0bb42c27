#!/usr/bin/env python3
"""Lines of real logs are dropped as files before a running process; DuckDB, through `parapet sql` and through Athena's view
as template.yaml has it, gives back every one of them byte for byte.

  tests/tools/with-tools "$PARAPET_TOOLS/sql/bin/python" tests/sql/logs.py [target/fast/parapet]
"""

import collections
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import duckdb
import sqlglot

HERE = pathlib.Path(__file__).resolve().parent
LOGS = pathlib.Path(os.environ.get("PARAPET_CONFORMANCE", HERE.parents[2] / "shared/conformance")) / "logs"
SETS = ["loghub/Apache_2k.log", "loghub/OpenSSH_2k.log", "elastic-examples/nginx_style_json.log"]
FOREVER = ["--storage.logs.retention.time", "100y"]


def by_parapet_sql(binary, storage):
    command = [binary, "sql", "-o", "json", "--storage.path", storage, "--duckdb", sys.executable, "SELECT line FROM logs"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return collections.Counter(row["line"] for row in json.loads(printed))


def by_athena_view(storage):
    from run import athena_views

    [(_, sql, _)] = athena_views(metrics=False)
    manifests = sorted((storage / "objects/logs-manifest/tenant=default").glob("dt=*/manifest"))
    files = [line for manifest in manifests for line in manifest.read_text().split()]
    connection = duckdb.connect()
    # Trino's name of it, which sqlglot does not know.
    connection.execute("CREATE MACRO zip(a, b) AS list_zip(a, b)")
    connection.execute(f"CREATE VIEW log_rows AS FROM read_parquet({files!r}, hive_partitioning = true)")
    found = connection.execute("SELECT line FROM (" + sqlglot.transpile(sql, read="trino", write="duckdb")[0] + ")")
    return collections.Counter(line for (line,) in found.fetchall())


def main():
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/fast/parapet")
    want = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        storage = pathlib.Path(folder) / "data"
        dropped = storage / "objects/logs-in"
        dropped.mkdir(parents=True)
        for name in SETS:
            packed = (LOGS / f"{name}.gz").read_bytes()
            (dropped / f"{pathlib.Path(name).name}.gz").write_bytes(packed)
            want.update(gzip.decompress(packed).decode().removesuffix("\n").split("\n"))
        command = [binary, "run", "--storage.path", storage, "--web.listen-address", "127.0.0.1:9399", *FOREVER]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # The first tick takes the files in, the next one publishes what is stored.
            until = time.monotonic() + 150
            while time.monotonic() < until and sum(by_published(storage)) < len(SETS):
                time.sleep(1)
        finally:
            process.terminate()
            process.wait()
        assert by_parapet_sql(binary, storage) == want, "parapet sql"
        assert by_athena_view(storage) == want, "Athena's view"
    print(f"{sum(want.values())} lines of {len(SETS)} files come back byte for byte")


def by_published(storage):
    """Whether each dropped file is told of in what is published: a stream for each."""
    manifests = (storage / "objects/logs-manifest/tenant=default").glob("dt=*/manifest")
    files = [line for manifest in manifests for line in manifest.read_text().split()]
    if not files:
        return []
    found = duckdb.sql(f"SELECT DISTINCT stream['filename'] FROM read_parquet({files!r})").fetchall()
    return [1 for _ in found]


if __name__ == "__main__":
    main()
