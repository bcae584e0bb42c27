#!/usr/bin/env python3
"""How long after its time is up, or its samples are too many, a query is refused: every kind of heavy query is asked of
`parapet run` with a timeout that it cannot keep, and with a limit on samples.

  cargo build --profile fast --bin parapet
  python3 tests/differential/limits.py [--series 4000] [--timeout 0.3]

Prints a table; the exit status is 1 where an answer came more than 100 ms late or was another than Prometheus' error."""

import argparse
import os
import shutil
import sys
import tempfile
import time

import remote_write
from run import Server

RANGE_S = 7200
QUERIES = (
    "m", "sum by (n) (rate(m[5m]))", "quantile_over_time(0.9, m[2h])", "mad_over_time(m[2h])", "stddev_over_time(m[1h])",
    "topk(3, m)", "quantile(0.9, m)", "count_values(\"v\", m)", "m * on (n) group_left m", "m and on (n) m", "-m",
    "label_replace(m, \"x\", \"$1\", \"n\", \"(.*)\")", "max_over_time(rate(m[5m])[1h:15s])", "predict_linear(m[1h], 60)",
    "absent(m)", "abs(m)", "sum_over_time(h[2h])", "rate(h[1h])", "sum(h)", "histogram_quantile(0.9, h)",
    "histogram_quantile(0.9, sum by (le) (rate(m[5m])))", "sort_desc(sum by (n) (m))", "resets(m[2h])", "limit_ratio(0.5, m)",
)


def load(server, series, end_ms):
    for low in range(end_ms - RANGE_S * 1000, end_ms, 600_000):
        times = range(low, low + 600_000, 15_000)
        body = []
        for number in range(series):
            labels = {"__name__": "m", "n": str(number), "le": str(number % 50)}
            body.append(remote_write.series(labels, [(at, float((at // 1000 * number) % 997)) for at in times]))
        for number in range(series // 20):
            histogram = lambda at: {
                "count": 30, "sum": float(at % 1000), "schema": 2, "zero_threshold": 0.001, "zero_count": 0,
                "positive": ([(0, 10)], [3] * 10), "negative": ([], []),
            }
            body.append(remote_write.series({"__name__": "h", "n": str(number)}, [(at, histogram(at)) for at in times]))
        for at in range(0, len(body), 1000):
            remote_write.push(server.base, b"".join(body[at : at + 1000]))
    wanted = series * (RANGE_S // 15)
    while True:
        answer = server.ask("query", query="sum(count_over_time(m[3h]))", time=end_ms / 1000)
        result = answer["data"]["result"]
        if result and int(result[0]["value"][1]) >= wanted:
            return
        time.sleep(1)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    options.add_argument("--binary", default=os.path.join(root, "target", "fast", "parapet"))
    options.add_argument("--series", type=int, default=4000)
    options.add_argument("--timeout", type=float, default=0.3, help="seconds")
    options = options.parse_args()
    directory = tempfile.mkdtemp(prefix="parapet-limits-")
    command = [options.binary, "run", "--config.file={config}", "--storage.path={directory}/data",
               "--web.listen-address=127.0.0.1:{port}"]
    end_ms = int(time.time()) // 600 * 600_000
    server = Server("parapet", command, directory + "/timeout")
    late = 0
    try:
        load(server, options.series, end_ms)
        asked = {"start": end_ms / 1000 - RANGE_S, "end": end_ms / 1000, "step": 1}
        server.ask("query", query="sum(m) + sum(count(h))", time=end_ms / 1000)
        print(f"{'query':52} {'answer':>9} {'late':>8}")
        for query in QUERIES:
            started = time.monotonic()
            answer = server.ask("query_range", query=query, timeout=f"{int(options.timeout * 1000)}ms", **asked)
            took = time.monotonic() - started
            error = answer.get("errorType", "")
            if error == "":
                print(f"{query:52} {took * 1000:6.0f} ms  in time")
                continue
            over = (took - options.timeout) * 1000
            wrong = error not in ("timeout", "execution") or over > 100
            late += wrong
            print(f"{query:52} {took * 1000:6.0f} ms {over:5.0f} ms  {answer.get('error', '')[:60]}{'  LATE' if wrong else ''}")
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
