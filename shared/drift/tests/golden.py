#!/usr/bin/env python3
"""Writes shared/drift/tests/golden.json: what SciPy says of windows that golden.rs makes again.

  tests/tools/with-tools sh -c '"$PARAPET_TOOLS/clients/bin/python" shared/drift/tests/golden.py'
"""

import json
import os

import numpy
import scipy
from scipy.spatial.distance import jensenshannon
from scipy.special import kolmogorov
from scipy.stats import chi2_contingency, ks_2samp


def window(seed, size, factor, offset):
    """The same numbers as golden.rs makes: a linear congruential generator."""
    state, out = seed, []
    for _ in range(size):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        out.append((state >> 33) / (1 << 31) * factor + offset)
    return out


def main():
    kolmogorov_smirnov = []
    for m, n, factor, offset in [(5, 7, 1, 0), (20, 30, 1, 0.2), (100, 80, 1.1, 0), (400, 300, 1, 0.05), (50, 50, 1, 2),
                                 (1, 9, 1, 0), (1000, 1500, 1, 0.03), (3000, 2500, 1, 0.02), (5000, 5000, 1.05, 0), (4000, 4000, 1, 0)]:
        a, b = window(1, m, 1, 0), window(2, n, factor, offset)
        if m * n <= 4_000_000:
            found = ks_2samp(a, b, method="exact")
            statistic, p_value = found.statistic, found.pvalue
        else:
            statistic = ks_2samp(a, b, method="asymp").statistic
            p_value = kolmogorov(statistic * numpy.sqrt(m * n / (m + n)))
        kolmogorov_smirnov.append({"m": m, "n": n, "factor": factor, "offset": offset,
                                   "statistic": float(statistic), "p_value": float(p_value)})
    counts = []
    for reference, current in [([10, 20, 30], [11, 19, 33]), ([100, 50, 5, 1], [60, 80, 30, 2]), ([1, 0, 9], [0, 4, 6]),
                               ([500, 500], [520, 480]), ([5] * 40, [7] * 39 + [40]), ([1000, 0], [0, 1000]), ([3, 4, 5], [3, 4, 5])]:
        table = numpy.array([reference, current])
        chi = chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False)
        share = [numpy.maximum(numpy.array(one) / sum(one), 1e-4) for one in (reference, current)]
        places = numpy.arange(len(reference))
        binned = ks_2samp(numpy.repeat(places, reference), numpy.repeat(places, current), method="asymp").statistic
        effective = sum(reference) * sum(current) / (sum(reference) + sum(current))
        counts.append({"reference": reference, "current": current, "kolmogorov_smirnov": float(binned),
                       "kolmogorov_smirnov_p_value": float(kolmogorov(binned * numpy.sqrt(effective))), "jensen_shannon": float(jensenshannon(reference, current, base=2)),
                       "chi_squared": float(chi.statistic), "p_value": float(chi.pvalue),
                       "population_stability_index": float(((share[1] - share[0]) * numpy.log(share[1] / share[0])).sum())})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden.json")
    with open(path, "w") as file:
        json.dump({"scipy": scipy.__version__, "kolmogorov_smirnov": kolmogorov_smirnov, "counts": counts}, file, indent=1)
        file.write("\n")


main()
