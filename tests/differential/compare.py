"""Whether two answers of the HTTP API are the same."""

import math
import re

# Where this project follows Prometheus 3.14 and 3.5.3 answers otherwise: (what, pattern of the expression or text, why).
DELIBERATE = []

RELATIVE = 1e-9


def number(text):
    return float(text.replace("Inf", "inf"))


def close(ours, theirs):
    ours, theirs = number(ours), number(theirs)
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    if math.isinf(ours) or math.isinf(theirs):
        return ours == theirs
    return abs(ours - theirs) <= RELATIVE * max(abs(ours), abs(theirs))


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


def same_series(ours, theirs):
    (floats, histograms), (their_floats, their_histograms) = points(ours), points(theirs)
    if [at for at, _ in floats] != [at for at, _ in their_floats]:
        return "times differ"
    if [at for at, _ in histograms] != [at for at, _ in their_histograms]:
        return "times of histograms differ"
    for (at, value), (_, their) in zip(floats, their_floats):
        if not close(value, their):
            return f"at {at}: {value} instead of {their}"
    for (at, value), (_, their) in zip(histograms, their_histograms):
        if not same_histogram(value, their):
            return f"at {at}: {value} instead of {their}"
    return None


def key(series):
    return tuple(sorted(series["metric"].items()))


def difference(ours, theirs, ordered):
    """What differs, for a person; None where nothing does."""
    if ours["status"] != theirs["status"]:
        return f"{ours['status']} {ours.get('error', '')!r} instead of {theirs['status']} {theirs.get('error', '')!r}"
    if ours["status"] == "error":
        for field in ("errorType", "error"):
            if ours.get(field) != theirs.get(field):
                return f"{field}: {ours.get(field)!r} instead of {theirs.get(field)!r}"
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
    if not ordered:
        a, b = sorted(a, key=key), sorted(b, key=key)
    if [key(series) for series in a] != [key(series) for series in b]:
        missing = [dict(k) for k in sorted({key(s) for s in b} - {key(s) for s in a})]
        extra = [dict(k) for k in sorted({key(s) for s in a} - {key(s) for s in b})]
        return f"series: {len(a)} instead of {len(b)}; missing {missing[:3]}, extra {extra[:3]}" + (
            "" if missing or extra else "; the order differs"
        )
    for one, other in zip(a, b):
        found = same_series(one, other)
        if found:
            return f"{one['metric']} {found}"
    return None


def deliberate(expression, found):
    """Why a difference is wanted; None where it is not."""
    for pattern, text, why in DELIBERATE:
        if re.search(pattern, expression) and re.search(text, found):
            return why
    return None
