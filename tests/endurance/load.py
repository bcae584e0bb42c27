#!/usr/bin/env python3
"""200 targets x 1,000 series at 15 s for 10 minutes: every scrape stored exactly once, no queue grows, memory under 1 GiB.

  cargo build --profile fast --bin parapet && python3 tests/endurance/load.py [--minutes 10] [--targets 200] [--series 1000]
"""

import argparse
import time

import harness

options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
options.add_argument("--binary", default=harness.default_binary())
options.add_argument("--minutes", type=float, default=10)
options.add_argument("--targets", type=int, default=200)
options.add_argument("--series", type=int, default=1000)
options.add_argument("--memory-mib", type=float, default=1024)
options.add_argument("--keep", action="store_true", help="keep the data directory")
options = options.parse_args()

INTERVAL = 15
fleet = harness.Fleet(options.targets, options.series)
addresses = "".join(f"\n          - {address}" for address in fleet.addresses())
prometheus = f"""
global: {{scrape_interval: {INTERVAL}s, scrape_timeout: 10s, evaluation_interval: {INTERVAL}s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: load
    static_configs:
      - targets:{addresses}
"""
rules = """
groups:
  - name: load
    rules:
      - {record: "job:load_requests:rate1m", expr: 'sum by (code) (rate(load_requests_total{path="/api/v1/resource/1"}[1m]))'}
      - {alert: TargetDown, expr: 'up == 0', for: 1m}
"""
parapet = harness.Parapet(options.binary, prometheus, rules)
parapet.start()
started = time.time()
print(f"{'seconds':>8} {'RSS MiB':>8} {'CPU s':>8} {'scrapes':>8} {'up':>5}  queue depths", flush=True)
peak, depths_seen = 0.0, []
while time.time() - started < options.minutes * 60:
    time.sleep(10)
    memory = parapet.memory_mib()
    peak = max(peak, memory)
    depths = {k.split('"')[1]: int(v) for k, v in parapet.own_metric("parapet_queue_depth").items() if v}
    depths_seen.append(sum(v for k, v in depths.items() if k in ("samples", "alerts", "deliveries")))
    up = parapet.number("sum(up)") or 0
    print(f"{time.time() - started:8.0f} {memory:8.0f} {parapet.cpu_seconds():8.1f} {fleet.scrapes:8} {up:5.0f}  {depths}", flush=True)

# Whole intervals, the first and the last ones left out: start-up and what is still on its way.
end = int(time.time()) // INTERVAL * INTERVAL - INTERVAL
count = int((end - started) // INTERVAL) - 1
window = count * INTERVAL
time.sleep(INTERVAL)
asked = time.time()
lowest, highest, series = (parapet.number(f"{f}(count_over_time(load_requests_total[{window}s]))", end) for f in ("min", "max", "count"))
took = time.time() - asked
peak = max(peak, parapet.memory_mib())
cpu = parapet.cpu_seconds()
samples = fleet.scrapes * options.series
half = len(depths_seen) // 2
grew = max(depths_seen[half:], default=0) > 2 * max(depths_seen[:half], default=0) + 50
clean = parapet.stop() == 0
stored = sum(f.stat().st_size for f in (parapet.directory / "data/objects/metrics").rglob("*.parquet"))
print(f"samples per series over {window} s: {lowest:.0f} to {highest:.0f}, wanted {count}; series: {series:.0f}")
print(f"three count_over_time over everything: {took:.1f} s; CPU {cpu:.0f} s for {samples} samples = {samples / cpu:.0f} samples/CPU-s")
print(f"peak memory {peak:.0f} MiB; on disk {stored} bytes = {stored / samples:.2f} bytes per sample (not yet merged to days)")
checks = {
    "every series has every sample once": lowest == highest == count,
    "every series is there": series == options.targets * options.series,
    "memory": peak < options.memory_mib,
    "no queue grows": not grew,
    "clean stop": clean,
}
harness.finish(parapet, checks, options.keep)
