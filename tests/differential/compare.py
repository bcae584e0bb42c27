"""Whether two answers of the HTTP API are the same."""

import math
import re

# Where this project follows Prometheus 3.14 and 3.5.3 answers otherwise: (what, pattern of the expression or text, why).
NATIVE = r"(requests_seconds|sizes|custom_seconds|mixed)"
VALUES = r"series:|times differ|times of histograms differ|at [\d.]+:"
DELIBERATE = [
    (r"sort", r"sort is ineffective for range queries", "3.14 warns that sort does nothing in range queries"),
    (r"histogram_", r"is missing or has a malformed value", "3.14 names the metric only where names are dropped late"),
    (r"histogram_quantile", r"needed to be fixed for monotonicity", "3.14 says which buckets, and by how much"),
    (r"histogram_fraction", r"NaN|" + VALUES, "3.5 errs where the lower bound is in the first bucket (mended in 3.7, #17424)"),
    (r"(rate|increase)\(.*" + NATIVE, r"buckets|" + VALUES,
     "3.5 extrapolates native histograms beyond zero (mended in 3.6, #16828)"),
    (r"(resets|rate|increase)\(.*" + NATIVE, VALUES, "3.5 misses resets behind empty buckets (mended in 3.14)"),
    (r"changes\(.*" + NATIVE, VALUES,
     "Prometheus finds a change between equal histograms where its chunks lay out their buckets differently"),
    (r"info\(", VALUES,
     "3.5 takes stale info series and leaves out series without identity (mended in 3.6 to 3.10: #17135, #17199, #17817, #17898)"),
    (r"histogram_(count|sum|avg)\(.*[!=]=", VALUES, "3.5 compares histograms of which one side alone has lost its buckets"),
    (r"[<>=]", r"error 'multiple matches for labels: .* instead of success", "3.14 refuses several matches though the comparison drops them"),
    (r"avg.*(queue_sizes|" + NATIVE + r")", r"\+Inf.* instead of .*NaN", "3.5 makes NaN of infinite means of histograms (mended with Kahan summation)"),
    (NATIVE, r"'count': '(NaN|[+-]Inf)', .* instead of {'count': '(NaN|[+-]Inf)',.*'NaN'\]",
     "of a product that is no number, the empty buckets that Prometheus' chunks add are NaN too"),
    (r"atan2", r"incompatible sample types", "3.14 tells of histograms in atan2"),
    (r"limit_ratio|topk|bottomk|limitk", r"Ratio value|Parameter value is NaN|Scalar value",
     "3.14 refuses a parameter that is no number, or too great, even where there is nothing to select from"),
    (r"custom_seconds", r"custom buckets", "3.14 reconciles custom buckets that differ"),
    (r"mad_over_time", r"NaN", "3.5 ignores NaN in mad_over_time (mended in 3.14, #19040)"),
    (r"limitk", VALUES, "which series limitk takes depends on the order of Prometheus' storage and hash tables"),
    (r"topk|bottomk", VALUES, "which of several equal values is taken, likewise"),
    (r"\(\(|, \(", r"quantile value should be between|ignored histogram in", "3.14 points into parentheses rather than at them"),
    (r"", r"instead of (error )?'unexpected error: runtime error", "3.5 panics"),
    (r"", r"<Item \d+>", "3.5 names tokens by their numbers"),
    (r"", r"expected number, duration, step\(\), or range\(\)", "3.14 has more to expect where a duration stands"),
    (r"group_", r"must not occur in ON and GROUP clause", "3.14 points at the label"),
    (r"histogram_", r"conflicting counter resets", "3.6 and later warn of conflicting counter resets (#17051)"),
]

# The best of values that do not meet (`Expressions.unequal`): no order of the storage excuses another answer.
UNEQUAL = re.compile(r"(topk|bottomk)( (by|without) \([^)]*\) )?\([^,()]+, cpu_seconds_total\b[^()]*\)")

EXACT = (1e-9, 0.0)  # relative, absolute
SPREAD = (1e-6, 1e-20)


def spread(expression):
    """Whether a variance over series is among what is asked: of large numbers that are nearly equal its last digits depend
    on the order of the series, which is that of the storage."""
    return re.search(r"std(dev|var)\b", expression) is not None


def number(text):
    return float(text.replace("Inf", "inf"))


def close(ours, theirs, tolerance=EXACT):
    ours, theirs = number(ours), number(theirs)
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    if math.isinf(ours) or math.isinf(theirs):
        return ours == theirs
    return abs(ours - theirs) <= max(tolerance[0] * max(abs(ours), abs(theirs)), tolerance[1])


def same_histogram(ours, theirs):
    if not (close(ours["count"], theirs["count"]) and close(ours["sum"], theirs["sum"])):
        return False
    ours, theirs = ours.get("buckets", []), theirs.get("buckets", [])
    return len(ours) == len(theirs) and all(
        a[0] == b[0] and all(close(x, y) for x, y in zip(a[1:], b[1:])) for a, b in zip(ours, theirs)
    )


def points(series):
    floats = [series["value"]] if "value" in series else series.get("values", [])
    histograms = [series["histogram"]] if "histogram" in series else series.get("histograms", [])
    return floats, histograms


def same_series(ours, theirs, tolerance):
    (floats, histograms), (their_floats, their_histograms) = points(ours), points(theirs)
    if [at for at, _ in floats] != [at for at, _ in their_floats]:
        return "times differ"
    if [at for at, _ in histograms] != [at for at, _ in their_histograms]:
        return "times of histograms differ"
    for (at, value), (_, their) in zip(floats, their_floats):
        if not close(value, their, tolerance):
            return f"at {at}: {value} instead of {their}"
    for (at, value), (_, their) in zip(histograms, their_histograms):
        if not same_histogram(value, their):
            return f"at {at}: {value} instead of {their}"
    return None


def key(series):
    return tuple(sorted((name, rounded(value)) for name, value in series["metric"].items()))


def rounded(text):
    """A label that count_values made of a number is compared as one: to 12 digits."""
    return f"{float(text):.11e}" if re.fullmatch(r"-?\d+\.\d{10,}(e[-+]\d+)?", text) else text


def difference(expression, ours, theirs, ordered):
    """What differs, for a person; None where nothing does."""
    if ours["status"] != theirs["status"]:
        return f"{ours['status']} {ours.get('error', '')!r} instead of {theirs['status']} {theirs.get('error', '')!r}"
    if ours["status"] == "error":
        for field in ("errorType", "error"):
            # Which of several duplicates are named depends on the order of the storage.
            a, b = (re.sub(r"match group .* on the (.*): .*;", r"match group … \1;", answer.get(field, "")) for answer in (ours, theirs))
            if a != b:
                return f"{field}: {a!r} instead of {b!r}"
        return None
    for field in ("warnings", "infos"):
        a, b = sorted(ours.get(field, [])), sorted(theirs.get(field, []))
        # Beyond ten, Prometheus shows ten in the order of its hash table.
        if a != b and not any(re.search(r"\d+ more (warning|info) annotations", text) for text in b):
            return f"{field}: {a} instead of {b}"
    ours, theirs = ours["data"], theirs["data"]
    if ours["resultType"] != theirs["resultType"]:
        return f"{ours['resultType']} instead of {theirs['resultType']}"
    a, b = ours["result"], theirs["result"]
    if ours["resultType"] in ("scalar", "string"):
        same = a[0] == b[0] and (a[1] == b[1] or close(a[1], b[1]))
        return None if same else f"{a} instead of {b}"
    if ordered:
        # Of equal values either may come first.
        values = [[series["value"][1] for series in answer if "value" in series] for answer in (a, b)]
        if len(values[0]) != len(values[1]) or not all(close(x, y) for x, y in zip(*values)):
            return f"order: {values[0]} instead of {values[1]}"
    a, b = sorted(a, key=key), sorted(b, key=key)
    if [key(series) for series in a] != [key(series) for series in b]:
        missing = [dict(k) for k in sorted({key(s) for s in b} - {key(s) for s in a})]
        extra = [dict(k) for k in sorted({key(s) for s in a} - {key(s) for s in b})]
        return f"series: {len(a)} instead of {len(b)}; missing {missing[:3]}, extra {extra[:3]}"
    for one, other in zip(a, b):
        found = same_series(one, other, SPREAD if spread(expression) else EXACT)
        if found:
            return f"{one['metric']} {found}"
    return None


def counts(answer):
    """How many series have a value at each time."""
    found = {}
    for series in answer["data"]["result"]:
        for at, _ in (point for kind in points(series) for point in kind):
            found[at] = found.get(at, 0) + 1
    return found


def deliberate(expression, found):
    """Why a difference is wanted; None where it is not."""
    tied = UNEQUAL.sub("", expression)
    for pattern, text, why in DELIBERATE:
        if re.search(pattern, tied if text is VALUES else expression) and re.search(text, found):
            return why
    return None
