"""Generated series of every shape that changes an answer: resets, gaps, staleness markers, NaN and infinities, classic
histograms (broken ones too), native histograms of several schemas, float and gauge ones, custom buckets, mixtures."""

import math
import struct

STALE = struct.pack("<Q", 0x7FF0000000000002)
INTERVAL_MS = 15_000
JOBS, INSTANCES = ("api", "db", "web"), ("a:9100", "b:9100", "c:9100")
BOUNDS = ("0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")


class Data:
    """`series` holds (labels, samples); samples are sorted by time."""

    def __init__(self, random, start_ms, end_ms):
        self.random, self.start_ms, self.end_ms = random, start_ms, end_ms
        self.series = []
        for job in JOBS:
            for instance in INSTANCES:
                if (job, instance) != ("web", "c:9100"):
                    self.target({"job": job, "instance": instance})
        self.odd()

    def times(self, gaps=True):
        """A scrape's times: jittered, some missing."""
        at = self.start_ms + self.random.randrange(INTERVAL_MS)
        times = []
        while at < self.end_ms:
            if gaps and self.random.random() < 0.004:
                at += INTERVAL_MS * self.random.randrange(2, 40)
                continue
            if not gaps or self.random.random() > 0.02:
                times.append(at + self.random.choice((0, 0, 0, 1, 7, -3)))
            at += INTERVAL_MS
        return [time for time in times if time < self.end_ms]

    def add(self, name, labels, samples, stale=0.0):
        """With the given chance a staleness marker takes the place of a sample."""
        samples = [
            (at, STALE if stale and self.random.random() < stale and not isinstance(value, dict) else value)
            for at, value in samples
        ]
        self.series.append(({"__name__": name, **labels}, samples))

    def counter(self, times, pace, resets=0.004, whole=True):
        value, samples = self.random.randrange(1000), []
        for at in times:
            step = self.random.expovariate(1 / pace) if self.random.random() > 0.3 else 0
            value = value + (int(step) if whole else step)
            if self.random.random() < resets:
                value = self.random.choice((0, 1, value / 2 if not whole else value // 2))
            samples.append((at, float(value)))
        return samples

    def target(self, labels):
        random = self.random
        times = self.times()
        self.add("up", labels, [(at, 1.0 if random.random() > 0.05 else 0.0) for at in times], stale=0.01)
        for code in ("200", "404", "500"):
            for path in ("/", "/login") if code == "200" else ("/",):
                of = {**labels, "code": code, "path": path}
                self.add("requests_total", of, self.counter(times, 30), stale=0.005)
        self.add("cpu_seconds_total", labels, self.counter(times, 3, whole=False))
        value, samples = random.uniform(-20, 40), []
        for at in times:
            value += random.gauss(0, 1)
            samples.append((at, round(value, random.choice((0, 2, 15)))))
        self.add("temperature", {**labels, "zone": random.choice(("x", "y"))}, samples, stale=0.01)
        samples = [(at, float(random.randrange(1 << 30, 1 << 34))) for at in times]
        self.add("memory_bytes", labels, samples)
        self.add("memory_limit_bytes", labels, [(at, float(1 << 34)) for at in times])
        self.classic("latency_seconds", labels, times)
        self.native(labels, times)
        info = {"version": random.choice(("1.0", "1.1", "2.0")), "data": random.choice("pq")}
        self.add("target_info", {**labels, **info}, [(at, 1.0) for at in times], stale=0.01)
        self.add("build_info", {**labels, "branch": random.choice(("main", "dev"))}, [(at, 1.0) for at in times])

    def classic(self, name, labels, times, broken=0.0):
        buckets = [(bound, self.counter(times, 5 * (1 + at), resets=0)) for at, bound in enumerate(BOUNDS)]
        total = [0.0] * len(times)
        resets = {at for at in range(len(times)) if self.random.random() < 0.004}
        base = [0.0] * len(buckets)
        out = [[] for _ in buckets]
        for at, time in enumerate(times):
            below = 0.0
            if at in resets:
                base = [samples[at][1] for _, samples in buckets]
            for number, (_, samples) in enumerate(buckets):
                below += max(samples[at][1] - base[number], 0.0)
                shown = below * (1 + self.random.choice((0.3, -0.3, 1e-14))) if self.random.random() < broken else below
                out[number].append((time, shown))
            total[at] = below
        for (bound, _), samples in zip(buckets, out):
            self.add(name + "_bucket", {**labels, "le": bound}, samples)
        self.add(name + "_count", labels, list(zip(times, total)))
        self.add(name + "_sum", labels, [(time, count * 0.37) for time, count in zip(times, total)])

    def shape(self, schema, width):
        random = self.random
        if width > 1 and random.random() < 0.3:
            first = random.randrange(1, width)
            return [(random.randrange(-6, 4), first), (random.randrange(1, 4), width - first)]
        return [(random.randrange(-6, 4), width)]

    def native(self, labels, times):
        random = self.random
        for name, schema in (("requests_seconds", random.choice((0, 1, 2))), ("sizes", random.choice((-1, 0, 3)))):
            self.add(name, labels, self.histograms(times, schema, negative=name == "sizes"))
        samples = []
        for at in times:
            width = random.randrange(1, 6)
            counts = [round(random.uniform(0, 20), 2) for _ in range(width)]
            zero = round(random.uniform(0, 3), 2)
            samples.append((at, {
                "count": sum(counts) + zero, "sum": random.uniform(-5, 50), "schema": random.choice((0, 1, 2)),
                "zero_threshold": random.choice((0.001, 0.01)), "zero_count": zero, "positive": (self.shape(0, width), counts),
                "negative": ([], []), "hint": 3, "float": True,
            }))
        self.add("queue_sizes", labels, samples)
        bounds = [0.1, 0.5, 1.0, 5.0] if random.random() < 0.8 else [0.1, 1.0, 10.0]
        counts, samples = [0] * (len(bounds) + 1), []
        for at in times:
            counts = [count + random.randrange(4) for count in counts]
            if random.random() < 0.005:
                counts = [0] * len(counts)
            samples.append((at, {
                "count": sum(counts), "sum": sum(counts) * 0.7, "schema": -53, "custom_values": bounds,
                "positive": ([(0, len(counts))], list(counts)), "negative": ([], []),
            }))
        self.add("custom_seconds", labels, samples)

    def histograms(self, times, schema, negative=False):
        """An integer counter histogram, with resets and buckets that appear."""
        random = self.random
        spans, width = [(random.randrange(-5, 2), 5)], 5
        counts, below, zero, total, samples = [0] * width, [0, 0], 0, 0.0, []
        for at in times:
            if random.random() < 0.005:
                counts, below, zero, total = [0] * len(counts), [0, 0], 0, 0.0
            if random.random() < 0.01 and len(counts) < 9:
                # A bucket comes with an observation: whether an empty one is a change depends on Prometheus' chunks.
                counts, total = counts + [1], total + 2.0 ** (len(counts) - 3)
                spans = [(spans[0][0], len(counts))]
            for _ in range(random.randrange(6)):
                bucket = random.randrange(len(counts))
                counts[bucket] += 1
                total += 2.0 ** (bucket - 3)
            zero += random.random() < 0.2
            below[random.randrange(2)] += negative and random.random() < 0.3
            samples.append((at, {
                "count": sum(counts) + zero + (sum(below) if negative else 0), "sum": total, "schema": schema,
                "zero_threshold": 0.001, "zero_count": zero, "positive": (spans, list(counts)),
                "negative": ([(0, 2)], list(below)) if negative else ([], []),
            }))
        return samples

    def odd(self):
        """Series that real ones seldom are."""
        random, times = self.random, self.times(gaps=False)
        strange = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.5, 1e300, -1e300, 5e-324, 1e-9)
        for number in range(4):
            samples = [(at, random.choice(strange) if random.random() < 0.3 else random.gauss(0, 100)) for at in times]
            self.add("weird", {"n": str(number)}, samples, stale=0.01)
        self.add("constant", {}, [(at, 42.0) for at in times])
        self.add("only_nan", {}, [(at, math.nan) for at in times])
        self.add("sparse", {"n": "0"}, [(at, float(number)) for number, at in enumerate(times[::37])])
        self.add("sparse", {"n": "1"}, [(times[len(times) // 2], 7.0)])
        self.add("gone", {}, [(at, 1.0) for at in times[:60]] + [(times[60], STALE)])
        self.add("born_late_total", {}, self.counter(times[len(times) // 2 :], 5))
        self.add("my.metric", {"label.dot": "x", "job": "api"}, [(at, random.random()) for at in times])
        for job in JOBS:
            # Whole numbers that meet: ties of topk, joins, sorting by labels.
            self.add("level", {"job": job, "n": "10"}, [(at, float(random.randrange(4))) for at in times])
            self.add("level", {"job": job, "n": "9"}, [(at, float(random.randrange(4))) for at in times])
        self.classic("broken_seconds", {"job": "api"}, times, broken=0.02)
        self.add("odd_bucket", {"le": "high"}, [(at, 1.0) for at in times])
        self.add("odd_bucket", {"le": "1"}, [(at, 1.0) for at in times])
        # A request holds ten minutes, and Prometheus takes the floats of a request before its histograms.
        mixed = self.histograms(times, 1)
        mixed = [(at, random.gauss(5, 2)) if (at - self.start_ms) // 600_000 % 3 == 0 else (at, of) for at, of in mixed]
        self.add("mixed", {"n": "0"}, mixed)
        self.add("mixed", {"n": "1"}, [(at, float(number)) for number, at in enumerate(times)])
        self.add("mixed", {"n": "2"}, self.histograms(times, 2))

    def slices(self, width_ms):
        """Pieces in the order of time: (labels, samples) lists."""
        for low in range(self.start_ms, self.end_ms, width_ms):
            piece = []
            for labels, samples in self.series:
                within = [(at, value) for at, value in samples if low <= at < low + width_ms]
                if within:
                    piece.append((labels, within))
            yield piece
