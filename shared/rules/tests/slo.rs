//! SLO files of every notation, and what they expand to.
#![allow(clippy::unwrap_used)]

use parapet_rules::{parse, slo};

const NATIVE: &str = "slos:
- name: requests
  service: checkout
  objective: 99.9
  error_query: http_requests_total{code=~\"5..\"}
  total_query: sum(rate(http_requests_total[{{ .window }}]))
  labels: {team: payments}
";

fn expand(text: &str) -> String {
    slo::expand("slo.yml", text).unwrap().unwrap()
}

fn faults(text: &str) -> String {
    slo::expand("slo.yml", text).unwrap_err().to_string()
}

fn names(text: &str) -> Vec<String> {
    let groups = parse("slo.yml", text).unwrap();
    let rules = groups.iter().flat_map(|group| &group.rules);
    rules.map(|rule| rule.name.clone()).collect()
}

#[test]
fn expands_to_the_whole_hierarchy() {
    let mut want: Vec<String> = ["slo:sli_errors:rate5m", "slo:sli_events:rate5m"]
        .map(str::to_owned)
        .into();
    want.extend(
        ["5m", "30m", "1h", "6h", "1d", "3d", "7d", "30d"].map(|window| format!("slo:sli_error:ratio_rate{window}")),
    );
    want.extend(
        [
            "slo:objective:ratio",
            "slo:error_budget:ratio",
            "slo:time_period:days",
            "slo:current_burn_rate:ratio",
            "slo:period_burn_rate:ratio",
            "slo:period_error_budget_remaining:ratio",
            "slo_info",
            "SLOErrorBudgetBurn",
            "SLOErrorBudgetBurn",
        ]
        .map(str::to_owned),
    );
    assert_eq!(names(NATIVE), want);
    let rules = expand(NATIVE);
    // A counter alone is taken for its rate.
    assert!(rules.contains("(sum(rate(http_requests_total{code=~\"5..\"}[5m])))\n      or\n      0 * (sum(rate(http_requests_total[5m])))"), "{rules}");
    for (long, short, factor) in [
        ("1h", "5m", "14.4"),
        ("6h", "30m", "6"),
        ("6h", "1h", "3"),
        ("3d", "6h", "1"),
        ("7d", "3d", "1"),
    ] {
        let burns = |window: &str| {
            format!(
                "max without (slo_window) (slo:sli_error:ratio_rate{window}{{slo_id=\"checkout-requests\"}}) / 0.001 > {factor}"
            )
        };
        let condition = format!("{}\n      and\n        {}", burns(long), burns(short));
        assert!(rules.contains(&condition), "{long} and {short}: {rules}");
    }
    // Written out and read again it is the same.
    assert_eq!(names(&rules), names(NATIVE));
}

#[test]
fn another_period_has_the_same_share_of_its_budget() {
    let week = expand(&NATIVE.replace("objective: 99.9", "objective: 95\n  window: 1w"));
    assert!(week.contains("vector(7)") && week.contains("/ 0.05 > 3.36"), "{week}");
    assert!(!week.contains("ratio_rate30d"), "a week is the period");
    let days = expand(&NATIVE.replace("objective: 99.9", "objective: 99.9\n  window: 3d"));
    assert!(
        !days.contains("(slo:sli_error:ratio_rate7d{slo_id=\"checkout-requests\"}) /"),
        "no window is longer than the period"
    );
}

#[test]
fn says_what_is_wrong_and_where() {
    for (from, to, want) in [
        (
            "objective: 99.9",
            "objective: 100",
            "slo.yml:4:14: objective 100 is not between 0 and 100 percent",
        ),
        (
            "objective: 99.9",
            "objectiv: 99.9",
            "slo.yml:4:3: field objectiv not found; did you mean \"objective\"?",
        ),
        (
            "[{{ .window }}]",
            "[5m]",
            "slo.yml:6:16: total_query: the query says no window; write {{.window}} for the range",
        ),
        (
            "sum(rate(",
            "sum(rate((",
            "slo.yml:6:16: total_query: could not parse expression: 1:",
        ),
        (
            "  service: checkout\n",
            "",
            "slo.yml:2:3: field \"service\" must be set",
        ),
        (
            "objective: 99.9",
            "window: 30h\n  objective: 99.9",
            "slo.yml:4:11: the window is not a number of whole days",
        ),
    ] {
        let got = faults(&NATIVE.replace(from, to));
        assert!(got.contains(want), "{got}\nwant {want}");
    }
    assert!(
        slo::expand("r.yml", "groups: [{name: slos, rules: []}]")
            .unwrap()
            .is_none()
    );
}

#[test]
fn reads_sloth() {
    let file = r#"
version: "prometheus/v1"
service: "shop"
labels: {owner: us}
slos:
  - name: "availability"
    objective: 99.9
    description: "d"
    sli:
      events:
        error_query: sum(rate(x{code="500"}[{{.window}}]))
        total_query: sum(rate(x[{{.window}}]))
    alerting:
      name: ShopBurns
      labels: {category: availability}
      page_alert: {for: 5m, labels: {severity: pageteam}}
      ticket_alert: {disable: true}
"#;
    let rules = expand(file);
    for want in [
        "\"sloth_id\": \"shop-availability\"",
        "\"sloth_window\": \"5m\"",
        "\"sloth_severity\": \"page\"",
        "\"severity\": \"pageteam\"",
        "for: 5m",
        "alert: \"ShopBurns\"",
        "\"owner\": \"us\"",
        "sloth_slo_info",
    ] {
        assert!(rules.contains(want), "{want}: {rules}");
    }
    assert_eq!(names(file).iter().filter(|name| *name == "ShopBurns").count(), 1);
    let resource = "
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: n, namespace: m}
spec:
  service: shop
  slos:
  - name: raw
    objective: 99
    sli: {raw: {errorRatioQuery: 'avg(failed)'}}
    alerting: {pageAlert: {labels: {a: b}}}
";
    let rules = expand(resource);
    assert!(
        rules.contains("avg_over_time(slo:sli_error:ratio_rate5m{sloth_id=\"shop-raw\"}[30d])"),
        "{rules}"
    );
    let plugin = file.replace(
        "service: \"shop\"",
        "service: \"shop\"\nslo_plugins: {chain: [{id: mine}]}",
    );
    assert!(faults(&plugin).contains("the plugin \"mine\" is not supported; remove it"));
}

#[test]
fn reads_open_slo() {
    let file = "
apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec:
  ratioMetric:
    counter: true
    bad: {metricSource: {type: Prometheus, spec: {query: 'x{code=\"500\"}'}}}
    total: {metricSource: {type: Prometheus, spec: {query: 'x'}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: avail, displayName: A}
spec:
  service: shop
  indicatorRef: errors
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.999}, {targetPercent: 99.5}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: cpu}
spec:
  service: shop
  indicator: {spec: {thresholdMetric: {metricSource: {spec: {query: 'avg(busy)'}}}}}
  budgetingMethod: Occurrences
  objectives: [{op: lte, value: 0.9, target: 0.99}]
";
    let rules = expand(file);
    for want in [
        "shop-avail-0",
        "shop-avail-1",
        "(sum(rate(x{code=\"500\"}[5m])))",
        "vector(28)",
        "vector(0.005)",
        "(avg(busy)) > bool 0.9",
        "(slo:sli_error:ratio_rate28d{slo_id=\"shop-avail-0\"})",
    ] {
        assert!(rules.contains(want), "{want}: {rules}");
    }
    parse("slo.yml", file).unwrap();
    let alpha = "
apiVersion: openslo/v1alpha
kind: SLO
metadata: {name: avail}
spec:
  service: shop
  objectives:
  - ratioMetrics:
      good: {source: prometheus, queryType: promql, query: 'sum(rate(x{code!=\"500\"}[{{.window}}]))'}
      total: {source: prometheus, queryType: promql, query: 'sum(rate(x[{{.window}}]))'}
    target: 0.99
  timeWindows: [{count: 30, unit: Day}]
";
    // The file names its fields as that version of the notation does.
    let rules = expand(alpha);
    assert!(
        rules.contains("((sum(rate(x{code!=\"500\"}[5m]))) or 0 * (sum(rate(x[5m]))))"),
        "{rules}"
    );
    let refused = file
        .replace("method: Occurrences", "Method: Timeslices")
        .replace("budgetingMethod: Occurrences", "budgetingMethod: Timeslices");
    assert!(faults(&refused).contains("budgetingMethod \"Timeslices\" is not supported"));
}
