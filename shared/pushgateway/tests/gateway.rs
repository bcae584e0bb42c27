//! Pushes, what they leave, and what a scraper and a person see of it.
#![allow(clippy::unwrap_used)]

use parapet_pushgateway::{Group, Grouping, check, exposition, read_families, to_json};
use serde_json::json;

const AT_MS: i64 = 1_700_000_000_500;

fn group(path: &str) -> Group {
    Group::new(Grouping::from_path(path).unwrap())
}

fn pushed(path: &str, body: &str) -> Group {
    let mut group = group(path);
    group.push(read_families(body.as_bytes(), None).unwrap(), true, AT_MS);
    group
}

/// The lines of an exposition but for the gateway's own two families.
fn lines(groups: &[Group]) -> Vec<String> {
    let text = exposition(groups);
    text.lines()
        .filter(|line| !line.contains("push_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_push_replaces_all_or_what_it_names() {
    let mut group = pushed(
        "job/a/instance/i",
        "# TYPE x gauge\n# HELP x what\nx{l=\"1\"} 1\nx{l=\"2\"} 2\ny 3\n",
    );
    assert_eq!(
        exposition(std::slice::from_ref(&group)),
        "# HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.\n\
         # TYPE push_failure_time_seconds gauge\n\
         push_failure_time_seconds{instance=\"i\",job=\"a\"} 0\n\
         # HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.\n\
         # TYPE push_time_seconds gauge\n\
         push_time_seconds{instance=\"i\",job=\"a\"} 1700000000.5\n\
         # HELP x what\n# TYPE x gauge\nx{instance=\"i\",job=\"a\",l=\"1\"} 1\nx{instance=\"i\",job=\"a\",l=\"2\"} 2\n\
         # TYPE y untyped\ny{instance=\"i\",job=\"a\"} 3\n"
    );
    group.push(read_families(b"# TYPE x gauge\nx 5\n", None).unwrap(), false, AT_MS);
    assert_eq!(
        lines(&[group.clone()])[1..],
        [
            "x{instance=\"i\",job=\"a\"} 5",
            "# TYPE y untyped",
            "y{instance=\"i\",job=\"a\"} 3"
        ]
    );
    group.push(read_families(b"z 1\n", None).unwrap(), true, AT_MS);
    assert_eq!(
        lines(&[group.clone()]),
        ["# TYPE z untyped", "z{instance=\"i\",job=\"a\"} 1"]
    );
    group.push(read_families(b"", None).unwrap(), true, AT_MS);
    assert_eq!(lines(&[group]), [""; 0]);
}

#[test]
fn the_groups_labels_win_and_an_instance_is_never_the_gateways() {
    let group = pushed("job/a", "x{job=\"own\",a=\"\"} 1\nx{instance=\"mine\"} 2\n");
    assert_eq!(
        lines(&[group])[1..],
        [
            "x{a=\"\",instance=\"\",job=\"a\"} 1",
            "x{instance=\"mine\",job=\"a\"} 2"
        ]
    );
}

#[test]
fn families_are_told_apart_by_their_kinds() {
    let group = pushed(
        "job/a",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1e7\nh_count 2\n\
         # TYPE s summary\ns{quantile=\"0.5\"} 0.00001\ns_sum 3\ns_count 1\n# TYPE c counter\nc 123456789\nh_other 1\n",
    );
    let metrics = to_json(std::slice::from_ref(&group));
    let labels = json!({"job": "a", "instance": ""});
    assert_eq!(metrics[0]["labels"], json!({"job": "a"}));
    assert_eq!(metrics[0]["last_push_successful"], true);
    assert_eq!(
        metrics[0]["h"],
        json!({"time_stamp": "2023-11-14T22:13:20.500Z", "type": "HISTOGRAM", "metrics": [
            {"labels": labels, "buckets": {"1": "1", "+Inf": "2"}, "sum": "1e+07", "count": "2"}]})
    );
    assert_eq!(
        metrics[0]["s"]["metrics"],
        json!([{"labels": labels, "quantiles": {"0.5": "1e-05"}, "sum": "3", "count": "1"}])
    );
    assert_eq!(
        metrics[0]["c"]["metrics"],
        json!([{"labels": labels, "value": "1.23456789e+08"}])
    );
    assert_eq!(metrics[0]["h_other"]["type"], "UNTYPED");
    assert_eq!(
        metrics[0]["push_time_seconds"]["metrics"][0]["value"],
        "1.7000000005e+09"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    for (body, want) in [
        ("x 1 1700000000000\n", "must not have timestamps"),
        ("x{\n", "text format parsing error"),
        ("# TYPE x gauge\nx 1\n# TYPE x counter\n", "second TYPE line"),
        ("x{a=\"1\",a=\"2\"} 1\n", "duplicate label names"),
    ] {
        let refused = read_families(body.as_bytes(), None).unwrap_err().to_string();
        assert!(refused.contains(want), "{body}: {refused}");
    }
    let counter = pushed("job/a", "# TYPE x counter\nx 1\n");
    for (path, body, want) in [
        ("job/b", "# TYPE x gauge\nx 1\n", Some("is not a COUNTER")),
        ("job/b", "x{a=\"1\"} 1\nx{a=\"1\"} 2\n", Some("was collected before")),
        ("job/b", "# TYPE x counter\nx{job=\"a\"} 1\n", None),
        (
            "job/b",
            "# TYPE h histogram\nh_sum 1\nh_count 1\nh_bucket{le=\"+Inf\"} 1\n",
            None,
        ),
        ("job/b", "# TYPE x_sum summary\nx_sum_sum 1\nx_sum_count 1\n", None),
    ] {
        let outcome = check(&pushed(path, body), [&counter]).map_err(|refused| refused.to_string());
        match want {
            None => assert_eq!(outcome, Ok(()), "{body}"),
            Some(want) => assert!(
                outcome.as_ref().is_err_and(|reason| reason.contains(want)),
                "{body}: {outcome:?}"
            ),
        }
    }
    let summary = pushed("job/a", "# TYPE s summary\ns_sum 1\ns_count 1\n");
    let refused = check(&pushed("job/b", "s_sum 1\n"), [&summary])
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("collides with previously collected summary named \"s\""),
        "{refused}"
    );
    // A label of the metric and one of another group's make the same series.
    let one = pushed("job/a", "g{instance=\"i\"} 1\n");
    assert!(check(&pushed("job/a/instance/i", "g 2\n"), [&one]).is_err());
}

#[test]
fn a_refused_push_is_remembered_and_forgiven() {
    let mut group = pushed("job/a", "x 1\n");
    group.fail(AT_MS + 1);
    assert_eq!(to_json(&[group.clone()])[0]["last_push_successful"], false);
    assert!(
        exposition(&[group.clone()]).contains("push_failure_time_seconds{instance=\"\",job=\"a\"} 1700000000.501\n")
    );
    group.push(read_families(b"x 2\n", None).unwrap(), true, AT_MS + 2);
    assert_eq!(to_json(&[group.clone()])[0]["last_push_successful"], true);
    let stored: Group = serde_json::from_str(&serde_json::to_string(&group).unwrap()).unwrap();
    assert_eq!(stored, group);
}
