#!/usr/bin/env python3
"""Blocks of Prometheus 3.5.3 imported by `parapet import`: Prometheus serves the blocks, Parapet what it imported of
them, and generated expressions are answered alike (run.py's comparison). The blocks come from the head of a Prometheus
that was written to (a snapshot), and from promtool; some samples are deleted, which leaves tombstones.

  cargo build --profile fast --bin parapet
  python3 tests/differential/import.py --prometheus /path/to/prometheus --promtool /path/to/promtool [--count 500]

Importing again must store nothing. The other way round, Prometheus serves what `parapet export -o blocks` wrote; what is
imported of that is exported to the same bytes again; and promtool takes the export as OpenMetrics."""

import argparse
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

import remote_write
import run
from data import Data


def prometheus(options, directory, storage):
    """A Prometheus on a directory of blocks."""
    command = [options.prometheus, "--config.file={config}", f"--storage.tsdb.path={storage}",
               "--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--web.enable-admin-api",
               "--storage.tsdb.retention.time=10y", f"--enable-feature={run.FEATURES}"]
    return run.Server("prometheus", command, str(directory))


def parapet(options, directory, storage):
    command = [options.binary, "run", "--config.file={config}", f"--storage.path={storage}",
               "--web.listen-address=127.0.0.1:{port}"]
    return run.Server("parapet", command, str(directory))


def call(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def imported(output):
    return int(re.search(r"imported (\d+) samples", output)[1])


def make_blocks(options, directory, data):
    """A directory of blocks: a snapshot of a head, and a day of text before it; with tombstones."""
    server = prometheus(options, directory / "written", directory / "written/data")
    try:
        for piece in data.slices(600_000):
            remote_write.push(server.base, b"".join(remote_write.series(labels, samples) for labels, samples in piece))
        server.request("POST", "/api/v1/admin/tsdb/snapshot")
    finally:
        server.stop()
    (snapshot,) = (directory / "written/data/snapshots").iterdir()
    text = directory / "history.txt"
    begin = data.start_ms // 1000 - 86_400
    with text.open("w") as file:
        for job in ("api", "db"):
            for n in range(5000):
                file.write(f'old_total{{job="{job}"}} {n * 1.5} {begin + n * 15}\n')
        file.write("# EOF\n")
    call(options.promtool, "tsdb", "create-blocks-from", "openmetrics", text, snapshot)
    server = prometheus(options, directory / "deleting", snapshot)
    try:
        for matcher, start, end in (("requests_total", 1200, 1900), ("sizes", 3000, 3600), ("gone", 0, 7200)):
            form = urllib.parse.urlencode({
                "match[]": f'{matcher}{{job!="db"}}', "start": data.start_ms / 1000 + start, "end": data.start_ms / 1000 + end,
            })
            status, _ = server.request("POST", "/api/v1/admin/tsdb/delete_series", form)
            assert status == 204, status
    finally:
        server.stop()
    assert any(stones.stat().st_size > 9 for stones in snapshot.glob("*/tombstones")), "there are no tombstones"
    for leftover in ("wal", "chunks_head"):
        shutil.rmtree(snapshot / leftover, ignore_errors=True)
    return snapshot


def compared(options, what, ours, theirs, directory, data):
    """The differences between Parapet on one directory and Prometheus on another."""
    start_s, end_s = data.start_ms // 1000, data.end_ms // 1000
    servers = [parapet(options, directory / f"{what}-parapet", ours)]
    try:
        servers.append(prometheus(options, directory / f"{what}-prometheus", theirs))
        names = sorted({labels["__name__"] for labels, _ in data.series})
        held = [[run.count(server, name, end_s) for name in names] for server in servers]
        old = [run.count(server, "old_total", start_s - 80_000) for server in servers]
        print(f"{what}: {sum(held[0])} samples, {old[0]} of the day before", flush=True)
        assert held[0] == held[1] and old[0] == old[1] > 0, (held, old)
        return run.compare_all(options, servers, random.Random(options.seed + 1), start_s, end_s)
    finally:
        for server in servers:
            server.stop()


def export(options, storage, form, to):
    call(options.binary, "export", "--storage.path", storage, "-o", form, "--to", to)


def files(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def round_trips(options, storage, exported, directory):
    """import(export(x)) is x: to the byte for blocks, and for text what text holds."""
    again, twice = directory / "again", directory / "exported-twice"
    # A Prometheus that served them has left its own files beside them, which are no blocks.
    for path in exported.iterdir():
        if not (path / "meta.json").exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for leftover in exported.glob("*/tombstones"):
        leftover.unlink()
    call(options.binary, "import", exported, "--storage.path", again)
    export(options, again, "blocks", twice)
    assert files(exported) == files(twice), "blocks differ after import and export"
    text, same = directory / "text", directory / "text-again"
    export(options, storage, "openmetrics", text)
    from_text = directory / "from-text"
    call(options.binary, "import", text, "--storage.path", from_text)
    export(options, from_text, "openmetrics", same)
    assert text.read_bytes() == same.read_bytes(), f"{text} and {same} differ"
    made = call(options.promtool, "tsdb", "create-blocks-from", "openmetrics", text, directory / "from-promtool")
    # promtool cuts blocks of two hours; together they have the samples that the text has lines for.
    lines = sum(1 for line in text.open() if not line.startswith("#"))
    blocks = [json.loads(path.read_text()) for path in (directory / "from-promtool").glob("*/meta.json")]
    held = sum(block["stats"]["numSamples"] for block in blocks)
    assert held == lines > 0, (held, lines, made)
    print(f"round trips: {len(files(exported))} files of blocks equal; {lines} lines of text equal, promtool holds as many")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", default=str(pathlib.Path(run.__file__).parents[2] / "target/fast/parapet"))
    arguments.add_argument("--prometheus", default=shutil.which("prometheus") or "prometheus")
    arguments.add_argument("--promtool", default=shutil.which("promtool") or "promtool")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=500)
    arguments.add_argument("--show", type=int, default=20)
    options = arguments.parse_args()
    options.expression = options.excused = None
    directory = pathlib.Path(tempfile.mkdtemp(prefix="parapet-import-"))
    end_s = int(time.time()) // 60 * 60 - 60
    data = Data(random.Random(options.seed), (end_s - run.HOURS * 3600) * 1000, end_s * 1000)
    blocks = make_blocks(options, directory, data)
    storage = directory / "imported"
    output = call(options.binary, "import", blocks, "--storage.path", storage)
    print(output, end="", flush=True)
    assert imported(output) > 0
    again = call(options.binary, "import", blocks, "--storage.path", storage)
    assert imported(again) == 0, again
    different = compared(options, "import", storage, blocks, directory, data)
    exported = directory / "exported"
    export(options, storage, "blocks", exported)
    print(call(options.promtool, "tsdb", "list", "-r", exported), end="", flush=True)
    newest = call(options.promtool, "tsdb", "analyze", exported)
    assert re.search(r"Total Series: [1-9]", newest), newest
    different += compared(options, "export", storage, exported, directory, data)
    round_trips(options, storage, exported, directory)
    if not different:
        shutil.rmtree(directory, ignore_errors=True)
    return different


if __name__ == "__main__":
    sys.exit(main())
