"""Generated expressions: every function, aggregation, operator, matching and modifier, typed so that most have an
answer; one in twenty is damaged, so that errors are compared too."""

FLOATS = {
    "up": ("job", "instance"), "requests_total": ("job", "instance", "code", "path"),
    "cpu_seconds_total": ("job", "instance"), "temperature": ("job", "instance", "zone"),
    "memory_bytes": ("job", "instance"), "memory_limit_bytes": ("job", "instance"),
    "latency_seconds_bucket": ("job", "instance", "le"), "latency_seconds_sum": ("job", "instance"),
    "latency_seconds_count": ("job", "instance"), "target_info": ("job", "instance", "version"),
    "build_info": ("job", "instance", "branch"), "weird": ("n",), "constant": (), "only_nan": (), "sparse": ("n",),
    "gone": (), "born_late_total": (), "level": ("job", "n"), "broken_seconds_bucket": ("job", "le"),
    "odd_bucket": ("le",),
}
HISTOGRAMS = {
    "requests_seconds": ("job", "instance"), "sizes": ("job", "instance"), "queue_sizes": ("job", "instance"),
    "custom_seconds": ("job", "instance"), "mixed": ("n",),
}
VALUES = {
    "job": ("api", "db", "web", "none"), "instance": ("a:9100", "b:9100", "c:9100"), "code": ("200", "404", "500"),
    "path": ("/", "/login"), "zone": ("x", "y"), "le": ("0.1", "1", "+Inf", "1.0"), "version": ("1.0", "2.0"),
    "branch": ("main", "dev"), "n": ("0", "1", "2", "9", "10"),
}
PATTERNS = {"job": ("a.*", "api|db", ".+", ".*", "(?i)API", "[^w].*", ""), "instance": ("[ab]:.*", ".*:9100", "a.+|c.+")}
MATHS = ("abs acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 log2 rad sgn sin sinh sqrt tan tanh "
         "day_of_month day_of_week day_of_year days_in_month hour minute month year round").split()
OVER_TIME = ("avg count last max min present stddev stdvar sum mad ts_of_max ts_of_min ts_of_last").split()
RANGES = "rate increase irate idelta delta deriv changes resets absent_over_time".split()
HISTOGRAM_PARTS = "avg count sum stddev stdvar".split()
AGGREGATIONS = "sum avg count min max group stddev stdvar".split()
ARITHMETIC = "+ - * / % ^ atan2".split()
COMPARISONS = "== != > < >= <=".split()
SETS = "and or unless".split()


class Expressions:
    def __init__(self, random, start_s, end_s):
        self.random, self.start_s, self.end_s = random, start_s, end_s

    def one(self):
        """An expression, and whether the order of its instant vector is its own."""
        random = self.random
        roll = random.random()
        if roll < 0.04:
            return self.scalar(2)
        if roll < 0.06:
            return self.range(1)
        text = self.vector(random.choice((1, 1, 2, 2, 2, 3, 3, 4)))
        if random.random() < 0.05:
            return self.damaged(text)
        return text

    def damaged(self, text):
        random = self.random
        at = random.randrange(len(text))
        return random.choice((
            text[:at] + text[at + 1 :], text[:at], text[:at] + random.choice("()[]{}\"',:@+-=~!5mxé") + text[at:],
            text + random.choice((" bool 1", " offset 5", "[5m]", ")", " by (job)", " @ now()", "[5m:]", " and 1")),
        ))

    # Numbers and times

    def number(self):
        return self.random.choice((
            "0", "1", "2", "-1", "0.5", "0.95", "1e3", "-2.5", "100", "NaN", "Inf", "-Inf", "0x1f", "1_000", "5m", "1e-3",
        ))

    def scalar(self, depth):
        random = self.random
        roll = random.random()
        if depth <= 0 or roll < 0.5:
            return self.number()
        if roll < 0.6:
            return random.choice(("time()", "pi()"))
        if roll < 0.75:
            return f"scalar({self.vector(depth - 1)})"
        if roll < 0.85:
            return f"({self.scalar(depth - 1)} {random.choice(COMPARISONS)} bool {self.scalar(depth - 1)})"
        if roll < 0.9:
            return f"-{self.scalar(depth - 1)}"
        return f"({self.scalar(depth - 1)} {random.choice(ARITHMETIC)} {self.scalar(depth - 1)})"

    def duration(self):
        return self.random.choice((
            "15s", "30s", "1m", "1m", "2m", "5m", "5m", "10m", "17m", "1h", "45s", "1m30s", "7s", "90", "3m20s", "20m",
        ))

    def modifiers(self, chance=0.15):
        random, text = self.random, ""
        if random.random() < chance:
            text += f" offset {random.choice(('', '', '-'))}{self.duration()}"
        if random.random() < chance / 2:
            at = random.choice((f"{random.uniform(self.start_s, self.end_s):.3f}", "start()", "end()"))
            text = f" @ {at}{text}" if random.random() < 0.5 else f"{text} @ {at}"
        return text

    # Vectors

    def matcher(self, label):
        random = self.random
        if label in PATTERNS and random.random() < 0.5:
            return f'{label}{random.choice(("=~", "=~", "!~"))}"{random.choice(PATTERNS[label])}"'
        return f'{label}{random.choice(("=", "=", "!="))}"{random.choice(VALUES[label])}"'

    def selector(self, names=None, plain=False):
        random = self.random
        names = names or (FLOATS if random.random() < 0.8 else HISTOGRAMS)
        roll = random.random()
        if roll < 0.02 and not plain:
            return random.choice(('{"my.metric"}', '{"my.metric", "label.dot"="x"}', "absent_metric", '{__name__=~"memory.*"}',
                                  '{__name__=~"up|level", job="api"}', 'absent_metric{job="api", n=~"x.*"}'))
        name = random.choice(list(names))
        labels = names[name]
        matchers = [self.matcher(random.choice(labels)) for _ in range(random.choice((0, 0, 1, 1, 2))) if labels]
        return name + (f"{{{', '.join(matchers)}}}" if matchers else "")

    def range(self, depth, names=None):
        random = self.random
        if depth > 0 and random.random() < 0.25:
            step = random.choice(("", "", "15s", "30s", "1m", "47s", "5m"))
            inner = self.vector(depth - 1) if names is not HISTOGRAMS else self.selector(names)
            return f"({inner})[{self.duration()}:{step}]{self.modifiers(0.1)}"
        duration = self.duration() if random.random() < 0.97 else random.choice(("1m + 2m", "5m - 30s", "2 * 1m", "-1m"))
        return f"{self.selector(names)}[{duration}]{self.modifiers()}"

    def grouping(self):
        random = self.random
        labels = random.sample(("job", "instance", "le", "code", "n", "zone", "version", "none"), random.choice((0, 1, 1, 2, 3)))
        return f"{random.choice(('by', 'without'))} ({', '.join(labels)})"

    def aggregation(self, depth):
        random = self.random
        inner = self.vector(depth - 1)
        roll = random.random()
        grouping = f" {self.grouping()} " if random.random() < 0.75 else ""
        if roll < 0.6:
            return f"{random.choice(AGGREGATIONS)}{grouping}({inner})"
        if roll < 0.8:
            k = self.scalar(1) if random.random() < 0.2 else random.choice(("1", "2", "3", "5", "0", "100"))
            if random.random() < 0.4:
                return f"{random.choice(('topk', 'bottomk'))}{grouping}({k}, {self.unequal()})"
            return f"{random.choice(('topk', 'bottomk', 'limitk'))}{grouping}({k}, {inner})"
        if roll < 0.88:
            return f"quantile{grouping}({random.choice(('0', '0.5', '0.9', '1', '-1', '2', 'NaN', self.scalar(1)))}, {inner})"
        if roll < 0.94:
            return f"limit_ratio{grouping}({random.choice(('0', '0.3', '0.5', '-0.4', '1', '-1', '1.5', 'NaN'))}, {inner})"
        label = random.choice(('"value"', '"job"', '"v.x"', '""'))
        return f"count_values{grouping}({label}, {inner})"

    def unequal(self):
        """Series whose values do not meet, so that the best of them are known."""
        return self.selector({"cpu_seconds_total": FLOATS["cpu_seconds_total"]}, plain=True)

    def binary(self, depth):
        random = self.random
        roll = random.random()
        if roll < 0.2:
            sides = [self.vector(depth - 1), self.scalar(1)]
            random.shuffle(sides)
            op = random.choice(ARITHMETIC + COMPARISONS)
            return f"({sides[0]}) {op}{' bool' if op in COMPARISONS and random.random() < 0.5 else ''} ({sides[1]})"
        if roll < 0.35:
            matching = f" {self.matching()} " if random.random() < 0.6 else " "
            return f"({self.vector(depth - 1)}) {random.choice(SETS)}{matching}({self.vector(depth - 1)})"
        op = random.choice(ARITHMETIC + COMPARISONS)
        returned = " bool" if op in COMPARISONS and random.random() < 0.5 else ""
        if roll < 0.65:
            # Sides that match one to one.
            left, right = random.choice((
                ("memory_bytes", "memory_limit_bytes"), ("latency_seconds_sum", "latency_seconds_count"),
                ("rate(latency_seconds_sum[5m])", "rate(latency_seconds_count[5m])"), ("up", "temperature"),
                ("requests_seconds", "sizes"), ("rate(requests_seconds[5m])", "cpu_seconds_total"), ("weird", "weird"),
                ("requests_seconds", "requests_seconds offset 5m"), ("custom_seconds", "custom_seconds offset 1m"),
                ("mixed", "mixed offset 10m"), ("queue_sizes", "up"),
            ))
            matching = random.choice(("", "", " on (job, instance)", " ignoring (zone)", " on (job, instance) group_left"))
            return f"{left} {op}{returned}{matching} {right}"
        if roll < 0.9:
            many, one = random.choice((
                ("requests_total", "up"), ("latency_seconds_bucket", "memory_bytes"), ("requests_total", "target_info"),
                ("rate(requests_total[5m])", "build_info"), ("level", "sum by (job) (level)"), ("requests_total", "temperature"),
                ("requests_total", "requests_seconds"),
            ))
            on = random.choice(("on (job, instance)", "on (job)", "ignoring (code, path, le, zone, version, data, branch)"))
            include = random.choice(("", "()", "(version)", "(branch, zone)", "(version, data)", "(job)"))
            if random.random() < 0.5:
                return f"{many} {op}{returned} {on} group_left {include} {one}"
            return f"{one} {op}{returned} {on} group_right {include} {many}"
        return f"({self.vector(depth - 1)}) {op}{returned} {self.matching()} ({self.vector(depth - 1)})"

    def matching(self):
        random = self.random
        labels = random.sample(("job", "instance", "le", "code", "n"), random.choice((0, 1, 2)))
        group = random.choice(("", "", "", "group_left", "group_right", "group_left (n)")) if random.random() < 0.5 else ""
        return f"{random.choice(('on', 'ignoring'))} ({', '.join(labels)}) {group}".strip()

    def buckets(self, depth):
        random = self.random
        return random.choice((
            "latency_seconds_bucket", "rate(latency_seconds_bucket[5m])", "sum by (le, job) (rate(latency_seconds_bucket[5m]))",
            "sum by (le) (latency_seconds_bucket)", "broken_seconds_bucket", "rate(broken_seconds_bucket[10m])",
            "requests_seconds", "sum(rate(requests_seconds[5m]))", "sizes", "queue_sizes", "rate(custom_seconds[5m])",
            "sum by (job) (rate(sizes[10m]))", "mixed", "odd_bucket", self.vector(depth - 1), self.selector(HISTOGRAMS),
        ))

    def function(self, depth):
        random = self.random
        roll = random.random()
        if roll < 0.3:
            return self.over_range(depth)
        inner = self.vector(depth - 1)
        if roll < 0.45:
            name = random.choice(MATHS)
            if name == "round" and random.random() < 0.6:
                return f"round({inner}, {self.scalar(1)})"
            return f"{name}({inner})"
        if roll < 0.6:
            q = random.choice(("0", "0.5", "0.9", "0.99", "1", "-1", "1.1", "NaN", self.scalar(1)))
            if random.random() < 0.6:
                return f"histogram_quantile({q}, {self.buckets(depth)})"
            return f"histogram_fraction({self.scalar(1)}, {self.scalar(1)}, {self.buckets(depth)})"
        if roll < 0.68:
            of = self.buckets(depth) if random.random() < 0.7 else self.vector(depth - 1)
            return f"histogram_{random.choice(HISTOGRAM_PARTS)}({of})"
        return random.choice((
            lambda: f"clamp({inner}, {self.scalar(1)}, {self.scalar(1)})",
            lambda: f"clamp_{random.choice(('min', 'max'))}({inner}, {self.scalar(1)})",
            lambda: f"absent({inner})", lambda: f"vector({self.scalar(depth - 1)})", lambda: f"timestamp({inner})",
            lambda: f"timestamp({self.selector()}{self.modifiers(0.3)})", lambda: f"{random.choice(('sort', 'sort_desc'))}({inner})",
            lambda: f'{random.choice(("sort_by_label", "sort_by_label_desc"))}({inner}, "{random.choice(("job", "n", "le"))}", "instance")',
            lambda: f'label_replace({inner}, "{random.choice(("new", "job", "__name__", "instance"))}", "{random.choice(("$1", "x-$1", "", "${1}_$2", "$name"))}", '
                    f'"{random.choice(("job", "instance", "none"))}", "{random.choice(("(.*)", "(a)(.*)", "([ab]):(.*)", "(?P<name>.).*", ""))}")',
            lambda: f'label_join({inner}, "{random.choice(("new", "job", "__name__"))}", "{random.choice(("-", ""))}", "job", "instance", "none")',
            lambda: f"-{self.selector()}", lambda: f"+{self.selector()}", lambda: f"({inner})",
            lambda: random.choice(("hour()", "minute()", "year()", "day_of_week()", "days_in_month()", "month()")),
            lambda: f"info({self.selector()})", lambda: f'info({self.selector()}, {{version=~".+"}})',
            lambda: f'info({self.selector()}, {{__name__="build_info", branch="main"}})',
            lambda: f"info({inner})",
        ))()

    def over_range(self, depth):
        random = self.random
        names = HISTOGRAMS if random.random() < 0.25 else FLOATS
        of = self.range(depth, names)
        roll = random.random()
        if roll < 0.45:
            return f"{random.choice(RANGES)}({of})"
        if roll < 0.85:
            return f"{random.choice(OVER_TIME)}_over_time({of})"
        q = random.choice(("0.5", "0", "1", "-1", "1.5", "NaN", self.scalar(1)))
        return random.choice((
            f"quantile_over_time({q}, {of})", f"predict_linear({of}, {self.scalar(1)})",
            f"double_exponential_smoothing({of}, {random.choice(('0.3', '0.7', '1', '0', '2'))}, {random.choice(('0.4', '0.9', '-1'))})",
        ))

    def vector(self, depth):
        random = self.random
        roll = random.random()
        if depth <= 0 or roll < 0.08:
            return self.selector() + self.modifiers()
        if roll < 0.5:
            return self.function(depth)
        if roll < 0.74:
            return self.aggregation(depth)
        return self.binary(depth)
