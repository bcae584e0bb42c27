"""Live tails of both servers, side by side: the same questions to both, then the same lines; what each client is told."""

import json
import threading
import time
import urllib.parse

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import connect
except ImportError:
    connect = None

MISSING = "skipped: live tails; they need a WebSocket client: pip install websockets"
# How long after the last line was pushed it is waited for it, seconds.
PATIENCE_S = 30
BEFORE, AFTER, PUSHES = 12, 60, 6
STREAM = ("job", "kind", "service_name")
QUERIES = [
    ('{job="tail"}', {}),
    ('{job="tail"}', {"limit": 5}),
    ('{job="tail"}', {"delay_for": 2}),
    ('{job="tail"}', {"start": "now"}),
    ('{job="tail",kind="json"} | json', {}),
    ('{job="tail",kind="json"} | json | status >= 500', {"limit": 3}),
    ('{job="tail",kind="logfmt"} | logfmt | level="error" | line_format "{{.msg}}"', {}),
    ('{job="tail"} |= "not" != "found"', {}),
    ('{job="tail",kind="meta"} | user="ann"', {}),
    ('{job="tail",kind="meta"} | keep user', {"flags": True}),
    ('{job="tail",kind="json"} | json', {"flags": True}),
    ('{job="tail"} | detected_level="error"', {}),
    ('{job="tail"} | drop kind', {}),
    ('{job="nosuch"}', {}),
    # Refused before the connection is another protocol's.
    ('rate({job="tail"}[1m])', {}),
    ('{job="tail"', {}),
    ("", {}),
    ('{job="tail"}', {"delay_for": 9}),
    ('{job="tail"}', {"limit": 50_000}),
]


class Tail(threading.Thread):
    """One client; `told` are the entries that it was told, by labels."""

    def __init__(self, server, query, parameters, now_ns):
        super().__init__(daemon=True)
        self.told, self.refused, self.opened = {}, None, threading.Event()
        # Of a selector without stages Loki tells new lines by the labels of their streams alone, earlier ones by all.
        self.is_bare = "|" not in query
        form = {"query": query, **{name: value for name, value in parameters.items() if name != "flags"}}
        if form.get("start") == "now":
            form["start"] = now_ns
        self.url = f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?{urllib.parse.urlencode(form)}"
        self.headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"} if parameters.get("flags") else {}
        self.connection, self.lock = None, threading.Lock()

    def run(self):
        try:
            # Pings of the client's own say nothing here.
            self.connection = connect(self.url, additional_headers=self.headers, max_size=None, ping_interval=None)
        except InvalidStatus as error:
            self.refused = error.response.status_code
            return
        finally:
            self.opened.set()
        try:
            for message in self.connection:
                with self.lock:
                    for stream in json.loads(message)["streams"] or []:
                        labels = {name: value for name, value in stream["stream"].items() if not self.is_bare or name in STREAM}
                        key = json.dumps(labels, sort_keys=True)
                        self.told.setdefault(key, []).extend(stream["values"])
        except ConnectionClosed:
            pass

    def answer(self):
        """What was told so far: the status where nothing is, else the entries of each stream in the order of their times."""
        if self.refused is not None:
            return self.refused
        with self.lock:
            return {key: sorted(entries, key=lambda entry: json.dumps(entry, sort_keys=True)) for key, entries in self.told.items()}

    def close(self):
        if self.connection is not None:
            self.connection.close()


def streams_of(lines, first, count, at_ns):
    """Lines of three kinds by turns, each at a time of its own."""
    streams = {}
    for number in range(first, first + count):
        kind = ("json", "logfmt", "meta")[number % 3]
        line, more = {"json": (lines.json(), {}), "logfmt": (lines.logfmt(), {}), "meta": (lines.plain(), lines.metadata())}[kind]
        value = [str(at_ns + number * 1_000_000), line]
        streams.setdefault(kind, []).append(value + [more] if more else value)
    return [{"stream": {"job": "tail", "kind": kind}, "values": values} for kind, values in streams.items()]


def push(servers, streams):
    body = json.dumps({"streams": streams}).encode()
    for server in servers:
        status, text = server.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})
        if status != 204:
            raise SystemExit(f"{server.name} refuses lines: {status} {text[:300]}")


def wait_for(condition):
    for _ in range(PATIENCE_S * 4):
        if condition():
            return True
        time.sleep(0.25)
    return False


def ask_tails(servers, lines, held, tally):
    """Compares tails; `held(server)` tells how many lines of the tail's streams a query finds."""
    now_ns = time.time_ns()
    push(servers, streams_of(lines, 0, BEFORE, now_ns - 20_000_000_000))
    if not wait_for(lambda: all(held(server) == BEFORE for server in servers)):
        raise SystemExit("the lines before the tails do not come to be held by both")
    now_ns = time.time_ns()
    tails = [[Tail(server, query, parameters, now_ns) for server in servers] for query, parameters in QUERIES]
    for tail in (tail for pair in tails for tail in pair):
        tail.start()
    for tail in (tail for pair in tails for tail in pair):
        tail.opened.wait(PATIENCE_S)
    # Loki's ingesters tell what comes after they know of a tail.
    time.sleep(3)
    for number in range(PUSHES):
        count = AFTER // PUSHES
        push(servers, streams_of(lines, BEFORE + number * count, count, time.time_ns() - 100_000_000))
        time.sleep(0.7)
    wait_for(lambda: all(ours.answer() == theirs.answer() for ours, theirs in tails))
    # Nothing comes twice.
    time.sleep(3)
    for (query, parameters), pair in zip(QUERIES, tails):
        ours, theirs = (tail.answer() for tail in pair)
        tally.add("tail", f"{query} {parameters or ''}", difference(ours, theirs), 200 if isinstance(theirs, dict) else theirs)
        for tail in pair:
            tail.close()


def difference(ours, theirs):
    """What differs, for a person; None where nothing does."""
    if ours == theirs:
        return None
    if not (isinstance(ours, dict) and isinstance(theirs, dict)):
        told = [answer if isinstance(answer, int) else f"{len(answer)} streams" for answer in (ours, theirs)]
        return f"{told[0]} instead of {told[1]}"
    missing, extra = theirs.keys() - ours.keys(), ours.keys() - theirs.keys()
    if missing or extra:
        told = [[(key, answer[key]) for key in sorted(keys)[:2]] for keys, answer in ((missing, theirs), (extra, ours))]
        return f"streams: {len(ours)} instead of {len(theirs)}: {len(missing)} missing {told[0]}, {len(extra)} extra {told[1]}"
    for key in sorted(theirs):
        a, b = ours[key], theirs[key]
        if a != b:
            return f"of {key}: {len(a)} entries instead of {len(b)}; extra {[one for one in a if one not in b][:2]}, missing {[one for one in b if one not in a][:2]}"
    return None
