"""Lines of every shape that LogQL reads, in streams: real ones, and generated ones with numbers, durations, sizes,
addresses, and what parsers stumble over. The same seed makes the same lines."""

import glob
import gzip
import json
import os
import re

SPAN_S = 1_800
LEVELS = ("debug", "info", "info", "info", "warn", "error")
TOOK = ("{:.1f}ms", "{:.3f}s", "{:.0f}µs", "{:.0f}us", "1m{:.0f}s")
SIZES = ("{:.0f}B", "{:.1f}KB", "{:.1f}kb", "{:.1f}KiB", "{:.0f}MB", "{:.0f}")
MESSAGES = ("found", "not found", "timed out", "größe überschritten", 'said "no"', "a=b c=d", "tab\there", "50% {done}")


class Lines:
    """`streams` holds (labels, entries); an entry is (nanoseconds, line, structured metadata), in order of time."""

    def __init__(self, random, end_s, conformance):
        self.random, self.end_ns = random, end_s * 1_000_000_000
        self.streams = []
        for path in sorted(glob.glob(os.path.join(conformance, "logs", "loghub", "*_2k.log.gz"))):
            lines = read(path)
            name = os.path.basename(path).split("_")[0]
            # Of levels there are fewer here: that is a question of its own.
            lines = [line for line in lines if not re.search("fatal|trace", line, re.I)]
            self.add({"job": "loghub", "set": name}, [(line, {}) for line in random.sample(lines, 60)])
        for name, file in (("nginx", "apache_logs.log.gz"), ("nginxjson", "nginx_style_json.log.gz")):
            lines = read(os.path.join(conformance, "logs", "elastic-examples", file))
            self.add({"app": name, "env": "prod"}, [(line, {}) for line in random.sample(lines, 200)])
        for env in ("prod", "dev"):
            for pod in ("a", "b"):
                self.add({"app": "web", "env": env, "pod": f"web-{pod}"}, [(self.json(), {}) for _ in range(150)])
                self.add({"app": "api", "env": env, "pod": f"api-{pod}"}, [(self.logfmt(), {}) for _ in range(150)])
        self.add({"app": "broken", "env": "dev"}, [(self.broken(), {}) for _ in range(120)])
        self.add({"app": "packed", "env": "prod"}, [(self.packed(), {}) for _ in range(80)])
        self.add({"app": "color"}, [(f"\x1b[3{n % 8}m{random.choice(LEVELS)}\x1b[0m \x1b[1;4mline\x1b[m {n}", {}) for n in range(40)])
        n, counted = 0, []
        for _ in range(120):
            n = 0 if random.random() < 0.03 else n + random.randrange(9)
            counted.append((f"n={n} g={random.gauss(0, 9):.3f}", {}))
        self.add({"app": "counter"}, counted)
        self.add({"job": "meta"}, [(self.plain(), self.metadata()) for _ in range(150)])
        self.add({"job": "levels"}, [(f"{level} of {n}", {}) for n, level in enumerate(("TRACE", "fatal:", "[critical]", "debug", "an error", "misc:error") * 5)])

    def add(self, labels, lines):
        step = SPAN_S * 1_000_000_000 // len(lines)
        start = self.end_ns - SPAN_S * 1_000_000_000
        # Times of one stream differ, and of several lines none is at a whole second: windows have no tie at their ends.
        entries = [(start + number * step + self.random.randrange(1, step) // 1000 * 1000 + 1, line, more)
                   for number, (line, more) in enumerate(lines)]
        self.streams.append((labels, entries))

    def took(self):
        return self.random.choice(TOOK).format(self.random.expovariate(0.05))

    def size(self):
        return self.random.choice(SIZES).format(self.random.expovariate(0.01))

    def ip(self):
        return self.random.choice(("10.1.2.{}", "10.1.{}.7", "192.168.4.{}", "2001:db8::{}")).format(self.random.randrange(1, 255))

    def json(self):
        random = self.random
        fields = {
            "level": random.choice(LEVELS), "status": random.choice((200, 200, 301, 404, 500, 503)), "took": self.took(), "size": self.size(),
            "user": {"name": random.choice(("ann", "bob", "cé")), "id": random.randrange(5), "roles": ["r", {"of": "x"}]},
            "path": random.choice(("/a", "/a/b?x=1", "/login")), "tags": ["x", "y", random.randrange(3)], "ok": random.random() < 0.5,
            "none": None, "ratio": random.choice((0.25, 1.5, 1e21, 1e-7, 12345678.9, -0.0, 100.0, 3)), "msg": random.choice(MESSAGES), "empty": "",
            "a.b": "dot", "a-b": "dash", "1st": "digit", "ip": self.ip(), "app": "inner", "größe": "umlaut", "big": 12345678901234567890,
        }
        keys = list(fields)
        random.shuffle(keys)
        dropped = set(random.sample(keys, random.randrange(4)))
        return json.dumps({key: fields[key] for key in keys if key not in dropped}, ensure_ascii=random.random() < 0.5)

    def logfmt(self):
        random = self.random
        message = random.choice(MESSAGES)
        pairs = [
            f"level={random.choice(LEVELS)}", f"status={random.choice((200, 301, 404, 500))}", f"took={self.took()}", f"size={self.size()}",
            f"msg={json.dumps(message, ensure_ascii=False)}", f"ip={self.ip()}", f"n={random.gauss(0, 50):.2f}", "empty=", "bare", 'quoted=""',
            "app=inner", "a.b=dot", "a-b=dash", "1st=digit", f"user.name={random.choice(('ann', 'bob'))}",
        ]
        random.shuffle(pairs)
        return " ".join(pairs[random.randrange(3):])

    def broken(self):
        return self.random.choice((
            '{"level":"error","msg":"cut', "plain words only", '["an","array"]', "42", '"text"', "null", '{"a":{"b":{"c":1}},"a_b":"other"}',
            '{"twice":1,"twice":2}', "level=warn msg=\"unterminated", "level=warn =nokey msg=fine", 'a="b"c=d', "key = value", "x=1 x=2",
            'msg="esc \\"in\\" \\n side" level=info', "{}", "{", '{"status":"abc","took":"soon","size":"big"}', "status=abc took=soon size=big",
            '{"nested":{"deep":{"er":[1,2,{"x":"y"}]}},"arr":[]}', "\ttabs\tand  spaces ", '{"level":"info"} trailing', "é=ü ä.ö=x",
            '{"__error__":"own","": "no name", "sp ace":"1"}', "level=INFO detected_level=x service_name=y",
        )) + self.random.choice(("", "", " "))

    def packed(self):
        random = self.random
        if random.random() < 0.1:
            return random.choice(('{"pod":"x"}', "not packed", '{"_entry":5,"pod":"x"}', '{"_entry":"","pod":"y"}'))
        return json.dumps({"pod": f"p{random.randrange(3)}", "ns": "shop", "num": 4, "app": "inner", "_entry": self.logfmt()})

    def plain(self):
        random = self.random
        return f"{random.choice(LEVELS).upper()} request {random.randrange(1 << 40):x} from {self.ip()} took {random.randrange(900)} ms"

    def metadata(self):
        random = self.random
        more = {"trace_id": f"{random.getrandbits(128):032x}"[:8], "http_status": str(random.choice((200, 404, 500))), "user": random.choice(("ann", "bob"))}
        if random.random() < 0.3:
            more["pod"] = "meta-1"
        return more

    def push_bodies(self):
        """Bodies of Loki's push API in JSON."""
        for labels, entries in self.streams:
            values = [[str(at), line, more] if more else [str(at), line] for at, line, more in entries]
            yield json.dumps({"streams": [{"stream": labels, "values": values}]}).encode()


def read(path):
    with gzip.open(path, "rb") as file:
        lines = file.read().decode("utf-8", "replace").splitlines()
    return sorted({line for line in lines if line.strip()})
