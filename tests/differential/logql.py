#!/usr/bin/env python3
"""Asks Loki and Parapet the same: the same pushed lines, LogQL over them as `query` and `query_range`, and what Grafana
asks beside queries: labels, values, series, sizes, fields, and live tails. Lines, labels, values and the status of errors
must agree.

  cargo build --profile fast --workspace --bin parapet
  python3 tests/differential/logql.py [--loki /path/to/loki] [--seed 1] [--count 400]

Loki is looked for on the PATH, as $PARAPET_LOKI, and in ~/.cache/parapet-peers; without it nothing is compared. Its
single binary builds of its repository with Go alone. It runs with its defaults, but for limits and its answers' cache;
the same lines are pushed to both, and Parapet has one pipeline without stages, for Loki parses nothing beforehand. Tails
need the Python package `websockets`. Differences that are wanted stand with their reason in EXCUSED; they are counted
apart. The exit status is 1 where any other is found."""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time
import urllib.parse

import compare
import logql_tail
from logql_lines import Lines
from logql_queries import all_queries
from run import Server, port

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "endurance"))
import harness  # noqa: E402

LOKI = harness.LOKI + """
server: {http_listen_address: 127.0.0.1, grpc_listen_address: 127.0.0.1, log_level: warn, http_server_write_timeout: 10m}
limits_config:
  volume_enabled: true
  max_concurrent_tail_requests: 100
  max_query_series: 10000
  per_stream_rate_limit: 200MB
  per_stream_rate_limit_burst: 200MB
  ingestion_rate_mb: 200
  ingestion_burst_size_mb: 200
pattern_ingester: {enabled: true}
"""

# Where this project answers otherwise than Loki, and means to: (pattern of the query, pattern of what is found, why).
EXCUSED = [
    (r"topk|bottomk", r"\(the same values\)", "of equal values any may be among the best"),
    (r"approx_topk", r"instead of (400|500 .*not enabled)", "approx_topk needs no permission, and answers ranges too"),
    (r'=~"[^"]*\.\*\|', r"series:|streams:|lines of|at [\d.]+:", "Loki does not anchor the alternatives of a label filter"),
    (r"", r"instead of 400 .*pipeline error: .*own.* for series", "a line that has __error__ as a field breaks Loki's metric queries"),
    (r"", r"no JSON", "Loki's answer is no JSON where a label or line is cut within a character"),
    (r"range .*:= \.", r"__error_details__", "what is wrong with a line is told in words of one's own"),
    (r"\[0s\]", r"longer than 0", "a range of nothing is refused"),
    (r'\b(json|by)="x"', r"unexpected (json|by)", "a reserved word may be a label's name where that is clear"),
    (r'label_replace\(.*, "env", "", ', r"instead of", "series that become the same by label_replace are either one's"),
    (r"", r"many-to-(many|one).* instead of 500", "series that cannot be matched are the asker's fault: 400, not 500"),
    (r"_over_time|rate", r"bool modifier can only|no grouping allowed", "a modifier that means nothing is refused"),
    (r",\}", r"200 'an answer' instead of 400", "a comma may follow the last matcher"),
    (r'^(?!sum).*job="meta"', r"series:|at [\d.]+:", "stored fields are labels of a series only where the query names them"),
    (r'job="levels"', r"'(fatal|trace)'", "of levels there are five: trace is debug, fatal is critical"),
    (r"^[^a-df-z{]*( bool [^a-z{]*)?$", r"\[[\d.]+, .* instead of \[\d{13}, ", "Loki tells the time of a number in milliseconds"),
    (r"[/%] 0$", r"instead of 500", "Loki fails where a number is not finite"),
    (r"\^ 2 - stdvar", r"e-", "of a difference of equals the last digits remain"),
    (r"^\('format_query'", r"^(\(?sum|[^(\d])", "a query is written on one line"),
    (r"^\('index/volume_range'", r"^\(\[\], 'matrix'\) instead of \(\[\], 'vector'\)", "no volumes over time are an empty matrix"),
    (r"^\('index/stats'", r"instead of {'streams': 0, 'entries': 0}", "Loki's index knows chunks that are closed alone"),
    (r"^\('patterns'", r"instead of 400|instead of \(400|instead of 500", "patterns may be asked of what stages leave"),
    (r'^rate\(\{job="tail"', r"^400 instead of 0 streams", "a tail that cannot be is refused; Loki opens and closes it"),
    (r"'limit': 50000", r"^400 instead of", "the limit on entries holds for the first lines of a tail too"),
    (r"(rate|unwrap|avg|std).*(>|>= bool) sum", r"series:|at [\d.]+:", "of sums of the same series in another order the last digit may differ"),
]


class Loki(Server):
    ready, patience_s = "/ready", 120


def call(server, path, headers=None, **parameters):
    """The status and the answer, read where it is JSON."""
    form = urllib.parse.urlencode(parameters, doseq=True)
    status, body = server.request("GET", f"/loki/api/v1/{path}?{form}", headers=headers)
    try:
        return status, json.loads(body)
    except ValueError:
        return status, body.decode(errors="replace").strip()


def load(servers, lines):
    for server in servers:
        for body in lines.push_bodies():
            server.connection.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})
            answer = server.connection.getresponse()
            text = answer.read()
            if answer.status != 204:
                raise SystemExit(f"{server.name} refuses lines: {answer.status} {text[:300]}")
    wanted = sum(len(entries) for _, entries in lines.streams)
    for _ in range(240):
        held = [held_lines(server, lines.end_ns) for server in servers]
        if held == [wanted] * len(servers):
            return wanted
        time.sleep(0.5)
    raise SystemExit(f"of {wanted} lines the servers hold {held}")


def held_lines(server, end_ns):
    _, answer = call(server, "query", query='sum(count_over_time({app=~".+"}[2h])) + sum(count_over_time({job=~".+"}[2h]))', time=end_ns)
    result = answer["data"]["result"] if isinstance(answer, dict) else []
    return int(float(result[0]["value"][1])) if result else 0


def held_for_tails(server):
    _, answer = call(server, "query", query='sum(count_over_time({job="tail"}[1h]))')
    result = answer["data"]["result"] if isinstance(answer, dict) else []
    return int(float(result[0]["value"][1])) if result else 0


def by_labels(answer, direction):
    """The lines of each stream. What is wrong with a line is told in words of one's own: that it is told counts."""
    def untold(labels):
        return {name: "…" if name == "__error_details__" else value for name, value in labels.items()}

    streams = {}
    for stream in answer:
        values = [value[:2] + [{kind: untold(labels) for kind, labels in more.items()} for more in value[2:]] for value in stream["values"]]
        streams.setdefault(tuple(sorted(untold(stream["stream"]).items())), []).extend(values)
    for values in streams.values():
        values.sort(key=lambda value: int(value[0]), reverse=direction == "backward")
    return streams


def streams_difference(ours, theirs, direction):
    """What differs between two answers of lines."""
    ours, theirs = (by_labels(answer, direction) for answer in (ours, theirs))
    missing, extra = theirs.keys() - ours.keys(), ours.keys() - theirs.keys()
    if missing or extra:
        # The pair that is the most alike says the most.
        near = max(((a, b) for a in missing for b in extra), key=lambda pair: len(set(pair[0]) & set(pair[1])), default=None)
        told = f"streams: {len(ours)} instead of {len(theirs)}, {len(missing)} missing, {len(extra)} too many; "
        if near:
            return told + f"of the nearest {sorted(set(near[1]) - set(near[0]))} instead of {sorted(set(near[0]) - set(near[1]))}"
        return told + f"missing {[dict(one) for one in sorted(missing)[:1]]}, extra {[dict(one) for one in sorted(extra)[:1]]}"
    for labels in sorted(theirs):
        a, b = ours[labels], theirs[labels]
        if a != b:
            wrong = next((pair for pair in zip(a, b) if pair[0] != pair[1]), (len(a), len(b)))
            return f"lines of {dict(labels)}: {wrong[0]!r} instead of {wrong[1]!r}"
    return None


def difference(query, ours, theirs, direction="backward"):
    """What differs, for a person; None where nothing does."""
    (status, ours), (their_status, theirs) = ours, theirs
    if status != their_status:
        told = [answer if isinstance(answer, str) else answer.get("error") or answer.get("message") or "an answer" for answer in (ours, theirs)]
        return f"status {status} {told[0]!r} instead of {their_status} {told[1]!r}"
    if status != 200:
        return None
    if isinstance(theirs, str) or isinstance(ours, str):
        return f"no JSON: {ours!r:.300} and {theirs!r:.300}"
    if theirs["data"]["resultType"] != "streams" or ours["data"]["resultType"] != "streams":
        found = compare.difference(query, *({"status": "success", "data": answer["data"]} for answer in (ours, theirs)), is_ordered(query))
        return found and found + tied(query, ours, theirs)
    return streams_difference(ours["data"]["result"], theirs["data"]["result"], direction)


def is_ordered(query):
    return re.match(r"sort(_desc)?\(", query) is not None and query.endswith(")")


def tied(query, ours, theirs):
    """Of equal values any may be among the best: the same values under other labels are noted as such."""
    if not re.search(r"topk|bottomk", query):
        return ""
    found = []
    for answer in (ours, theirs):
        points = [point for one in answer["data"]["result"] for point in one.get("values", [one.get("value")])]
        found.append(sorted((at, round(compare.number(value), 9)) for at, value in points))
    return " (the same values)" if found[0] == found[1] else ""


def excuse(query, found):
    for pattern, text, why in EXCUSED:
        if re.search(pattern, query) and re.search(text, found):
            return why
    return None


class Tally:
    def __init__(self, options):
        self.counts, self.shown, self.options = collections.Counter(), 0, options

    def add(self, kind, query, found, status):
        self.counts[kind, "asked"] += 1
        self.counts[kind, "errors"] += status != 200
        if found is None:
            return
        why = excuse(query, found)
        if why:
            self.counts[kind, f"excused: {why}"] += 1
            if self.options.excused and self.options.excused in why:
                print(f"{kind} {query}\n    {found[:1500]}", flush=True)
            return
        self.counts[kind, "DIFFERENT"] += 1
        if self.shown < self.options.show:
            self.shown += 1
            print(f"{kind} {query}\n    {found[:1500]}", flush=True)

    def report(self):
        for (kind, what), count in sorted(self.counts.items()):
            if count:
                print(f"{kind:18} {count:6} {what}")
        return 1 if any(what == "DIFFERENT" and count for (_, what), count in self.counts.items()) else 0


def ask_queries(servers, source, options, end_ns, tally):
    queries = [(options.query, "[" not in options.query)] if options.query else all_queries(source, options.count)
    for query, is_log in queries:
        if options.only and options.only not in query:
            continue
        if is_log:
            limit, direction = source.choice(((5000, "backward"), (5000, "forward"), (7, "backward"), (30, "forward")))
            asked = [("query_range", {"limit": limit, "direction": direction, "start": end_ns - 1_800 * 10**9, "end": end_ns})]
            if source.random() < 0.3:
                # As Grafana asks.
                asked[0][1]["headers"] = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
        else:
            step = source.choice((30, 60, 90, 300))
            start_s = end_ns // 10**9 - source.randrange(200, 1500)
            asked = [("query", {"time": end_ns - source.choice((0, 300 * 10**9, 612_345_678_901))}),
                     ("query_range", {"start": start_s, "end": start_s + step * source.randrange(1, 20), "step": f"{step}s"})]
        for path, parameters in asked:
            ours, theirs = (call(server, path, query=query, **parameters) for server in servers)
            kind = f"{path}, {'metric' if not is_log else 'labels by kind' if 'headers' in parameters else 'lines'}"
            tally.add(kind, query, difference(query, ours, theirs, parameters.get("direction")), theirs[0])
            if options.query:
                print(json.dumps({"parameters": parameters, "parapet": ours, "loki": theirs}, ensure_ascii=False, indent=1))
            if ours[0] != 200 and theirs[0] != 200 and options.texts:
                print(f"{query}\n    parapet {ours[1]}\n    loki    {theirs[1]}")


def plain(path, answer):
    """The part of an answer that is to be the same, in an order of its own."""
    status, body = answer
    if status != 200 or isinstance(body, str):
        return status
    if path == "series":
        return sorted(json.dumps(labels, sort_keys=True) for labels in body["data"])
    if path == "index/stats":
        return {name: body[name] for name in ("streams", "entries")}
    if path.startswith("index/volume"):
        return sorted(json.dumps(one["metric"], sort_keys=True) for one in body["data"]["result"]), body["data"]["resultType"]
    if path == "detected_labels":
        return sorted((one["label"], one["cardinality"]) for one in body.get("detectedLabels") or [])
    if path == "detected_fields":
        # The type is that of the last value seen in Loki, in no order; here the one that all values have.
        return sorted((one["label"], one["cardinality"], tuple(sorted(one["parsers"] or []))) for one in body.get("fields") or [])
    if path.startswith(("label", "format_query")):
        return body.get("data") or []
    return status


def ask_others(servers, end_ns, tally):
    span = {"start": end_ns - 1_800 * 10**9, "end": end_ns}
    selectors = ['{app="web"}', '{app=~".+"}', '{job="loghub",set=~"A.*"}', '{app="absent"}', "{", '{job="meta"}', '{app="api"} | logfmt | status=404']
    asked = [("labels", span), ("labels", {"since": "3h"}), ("label/app/values", span), ("label/nosuch/values", span), ("label/service_name/values", span), ("label/set/values", span),
             ("labels", {"start": "x"}), ("labels", {"start": span["end"], "end": span["start"]}), ("series", span), ("series", {**span, "match[]": selectors[:3]})]
    for selector in selectors:
        asked += [("labels", {**span, "query": selector}), ("label/pod/values", {**span, "query": selector}), ("series", {**span, "match[]": selector}),
                  ("index/stats", {**span, "query": selector}), ("index/volume", {**span, "query": selector}), ("index/volume_range", {**span, "query": selector, "step": "5m"}),
                  ("patterns", {**span, "query": selector, "step": "60s"}), ("detected_labels", {**span, "query": selector}),
                  ("detected_fields", {**span, "query": selector, "line_limit": 5000}), ("detected_field/level/values", {**span, "query": selector, "line_limit": 5000}),
                  ("format_query", {"query": selector})]
    asked += [("index/volume", {**span, "query": '{app=~".+"}', "targetLabels": "env"}), ("index/volume", {**span, "query": '{app=~".+"}', "targetLabels": "env,pod", "aggregateBy": "labels"}),
              ("index/volume", {**span, "query": '{app=~".+"}', "aggregateBy": "labels"}), ("index/volume", {**span, "query": '{app=~".+"}', "aggregateBy": "x"}),
              ("index/volume", {**span, "query": '{app=~".+"}', "limit": 2}), ("index/volume", {**span, "query": "{}"}),
              ("query_range", {**span, "query": '{app="web"}', "limit": 0}), ("query_range", {**span, "query": '{app="web"}', "limit": 5001}), ("query_range", {**span, "query": '{app="web"}', "direction": "up"}),
              ("query_range", {**span, "query": 'rate({app="web"}[1m])', "step": "0"}), ("query_range", {**span, "query": 'rate({app="web"}[1m])', "step": "-1"}), ("query_range", {**span, "query": 'rate({app="web"}[1m])', "step": "x"}),
              ("query_range", {**span, "query": 'rate({app="web"}[1m])', "step": "0.01"}), ("query_range", {"start": span["end"], "end": span["start"], "query": '{app="web"}'}), ("query", {"query": '{app="web"}'}), ("query", {"query": 'rate({app="web"}[1m])', "time": "x"}), ("query", {}),
              ("status/buildinfo", {}), ("nosuch", {})]
    asked += [("format_query", {"query": query}) for query in (
        'sum(rate({app="web"}|json|status>=500[5m]))by(level)/ignoring(level)group_left sum(rate({app="web"}[5m]))', '{app="web"}|="a" or "b"|logfmt|line_format "{{.x}}"|drop a,b="c"',
        'topk(3,sum by(a)(count_over_time({a="b"}[1h] offset 1d)))', "quantile_over_time(0.5,{a=`b`}|unwrap duration(x)[1m])by(a)", 'label_replace(vector(1),"a","b","c","d")', "nonsense")]
    for path, parameters in asked:
        ours, theirs = (call(server, path, **parameters) for server in servers)
        a, b = plain(path, ours), plain(path, theirs)
        shown = (path, {name: value for name, value in parameters.items() if name not in span or value != span[name]})
        tally.add("beside queries", f"{shown}", None if a == b else f"{a if a != ours[0] else ours} instead of {b if b != theirs[0] else theirs}", theirs[0])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    options.add_argument("--binary", default=os.path.join(root, "target", "fast", "parapet"))
    options.add_argument("--loki")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=400, help="how many generated queries beside the written ones")
    options.add_argument("--show", type=int, default=40, help="differences to print")
    options.add_argument("--excused", help="print differences that are wanted, too, where the reason has this text")
    options.add_argument("--texts", action="store_true", help="print what both say of what both refuse")
    options.add_argument("--only", default="", help="ask only what has this text")
    options.add_argument("--query", help="ask this alone and print both answers")
    options.add_argument("--serve", action="store_true", help="keep both servers until Enter is pressed")
    options = options.parse_args()
    loki = options.loki or harness.peer("loki", "PARAPET_LOKI")
    if loki is None:
        print("skipped: no loki on the PATH, as $PARAPET_LOKI or in ~/.cache/parapet-peers; --loki names one")
        return 0
    source = random.Random(options.seed)
    lines = Lines(source, int(time.time()) // 60 * 60 - 60, os.environ.get("PARAPET_CONFORMANCE", os.path.join(root, "..", "shared", "conformance")))
    directory = tempfile.mkdtemp(prefix="parapet-logql-")
    with open(os.path.join(directory, "loki.yaml"), "w") as file:
        file.write(LOKI.replace("DIRECTORY", directory + "/loki"))
    # Loki parses nothing before it stores.
    with open(os.path.join(directory, "pipelines.yml"), "w") as file:
        file.write("pipelines: [{name: raw, stages: []}]\n")
    servers = [Server("parapet", [
        options.binary, "run", "--config.file={config}", "--storage.path={directory}/data", "--web.listen-address=127.0.0.1:{port}",
        f"--pipelines.config.file={directory}/pipelines.yml"], directory + "/parapet")]
    try:
        servers.append(Loki("loki", [loki, f"-config.file={directory}/loki.yaml", "-server.http-listen-port={port}", f"-server.grpc-listen-port={port()}"], directory + "/loki"))
        held = load(servers, lines)
        print(f"seed {options.seed}: {held} lines of {len(lines.streams)} streams in both", flush=True)
        if options.serve:
            input("\n".join(f"{server.name}: {server.base}" for server in servers) + f"\nend: {lines.end_ns}\n")
            return 0
        tally = Tally(options)
        ask_queries(servers, source, options, lines.end_ns, tally)
        if call(servers[1], "labels")[0] == 404:
            print("skipped: labels, sizes and fields; this peer has Loki's engine alone")
        elif not options.query and not options.only:
            ask_others(servers, lines.end_ns, tally)
            if logql_tail.connect is None:
                print(logql_tail.MISSING)
            else:
                logql_tail.ask_tails(servers, lines, held_for_tails, tally)
        return tally.report()
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
