//! Alertmanager's own acceptance scenarios, on a driven clock: those that need neither its API nor silences.

use crate::world::{START_MS, World, status};
use parapet_model::{Alert, Labels};
use serde_json::Value;
use std::path::PathBuf;

fn scenarios() -> Option<Value> {
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = root.join("alertmanager/acceptance_scenarios.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn ms(value: &Value) -> Option<i64> {
    // Seconds from the start, exact to the millisecond.
    #[allow(clippy::cast_possible_truncation)]
    value.as_f64().map(|seconds| (seconds * 1000.0).round() as i64)
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())))
}

/// An alert as the API takes it in.
fn alert(value: &Value, now_ms: i64) -> Alert {
    let time = |field: &str| ms(&value[field]).filter(|at| *at > 0).map(|at| START_MS + at);
    let ends_at_ms = time("ends_at");
    Alert {
        labels: labels(&value["labels"]),
        annotations: labels(&value["annotations"]),
        starts_at_ms: time("starts_at").or(ends_at_ms).unwrap_or(now_ms),
        ends_at_ms: ends_at_ms.unwrap_or_default(),
        updated_at_ms: now_ms,
        ..Alert::default()
    }
}

/// Milliseconds since the start of a time in a payload; `None` for Go's zero time.
fn payload_ms(value: &Value) -> Option<i64> {
    let text = value.as_str().unwrap();
    let time = parapet_gotemplate::Time::parse_rfc3339(text).unwrap();
    (!text.starts_with("0001")).then(|| time.millis() - START_MS)
}

async fn run(scenario: &Value) -> Vec<String> {
    let mut config = scenario["config_yaml"].as_str().unwrap().to_owned();
    for hook in scenario["webhooks"].as_array().unwrap() {
        let name = hook["name"].as_str().unwrap();
        config = config.replace(&format!("{{{{webhook:{name}}}}}"), &format!("http://{name}/"));
    }
    let mut world = World::new(&config);
    world.notifier.notice_reload().await.unwrap();
    world.step_ms = 50;
    world.answer(|_, _| status(200));
    let mut steps: Vec<&Value> = scenario["steps"].as_array().unwrap().iter().collect();
    steps.sort_by_key(|step| ms(&step["at"]));
    for (version, step) in steps.into_iter().enumerate() {
        world.run_until(START_MS + ms(&step["at"]).unwrap()).await;
        match step["op"].as_str().unwrap() {
            "post_alerts" => {
                let now_ms = world.now_ms();
                let alerts = step["alerts"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| alert(value, now_ms))
                    .collect();
                world.post(alerts).await;
            }
            "reload" => {
                world.reload(&config, &format!("reload {version}"));
                world.notifier.notice_reload().await.unwrap();
            }
            other => panic!("{other}"),
        }
    }
    let expected = scenario["expect"].as_array().unwrap();
    let end_ms = expected
        .iter()
        .filter_map(|expect| ms(&expect["between"][1]))
        .max()
        .unwrap();
    world.run_until(START_MS + end_ms).await;
    let tolerance_ms = ms(&scenario["tolerance_s"]).unwrap();
    let close = |got: Option<i64>, want: Option<i64>| match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() <= tolerance_ms,
        (got, want) => got.is_none() && want.is_none(),
    };
    let same = |got: &Value, want: &Value| {
        let starts = ms(&want["starts_at"]).filter(|at| *at > 0);
        labels(&got["labels"]) == labels(&want["labels"])
            && labels(&got["annotations"]) == labels(&want["annotations"])
            && (starts.is_none() || close(payload_ms(&got["startsAt"]), starts))
            && close(payload_ms(&got["endsAt"]), ms(&want["ends_at"]))
    };
    let mut faults = Vec::new();
    for hook in scenario["webhooks"].as_array().unwrap() {
        let name = hook["name"].as_str().unwrap();
        let url = format!("http://{name}/");
        let deaf_until_ms = ms(&hook["behaviour"]["ignore_with_200_before_s"]).unwrap_or(-1);
        // What comes at the very end of the last window came after it: here nothing takes time.
        let calls: Vec<_> = world
            .calls()
            .into_iter()
            .filter(|call| call.url == url && call.at_ms - START_MS >= deaf_until_ms && call.at_ms - START_MS < end_ms)
            .collect();
        let mut total = 0;
        for expect in expected.iter().filter(|expect| expect["webhook"] == name) {
            let wanted = expect["alerts"].as_array().unwrap();
            let (from, to) = (ms(&expect["between"][0]).unwrap(), ms(&expect["between"][1]).unwrap());
            let inside = calls
                .iter()
                .filter(|call| (from..=to).contains(&(call.at_ms - START_MS)));
            let batches: Vec<&Vec<Value>> = inside.map(|call| call.body["alerts"].as_array().unwrap()).collect();
            total += wanted.len();
            let met = if wanted.is_empty() {
                batches.is_empty()
            } else {
                let matches = |batch: &&&Vec<Value>| {
                    batch.len() == wanted.len() && wanted.iter().all(|want| batch.iter().any(|got| same(got, want)))
                };
                batches.iter().any(|batch| matches(&batch))
            };
            if !met {
                faults.push(format!("{name} {from}..{to}: expected {wanted:?}, got {batches:?}"));
            }
        }
        let got: usize = calls
            .iter()
            .map(|call| call.body["alerts"].as_array().unwrap().len())
            .sum();
        if got != total {
            let when: Vec<i64> = calls.iter().map(|call| call.at_ms - START_MS).collect();
            faults.push(format!("{name}: {got} alerts in all, expected {total}; at {when:?}"));
        }
    }
    faults
}

#[tokio::test]
async fn acceptance_scenarios() {
    let Some(data) = scenarios() else { return };
    let (mut ran, mut skipped, mut failed) = (0, Vec::new(), Vec::new());
    for scenario in data["scenarios"].as_array().unwrap() {
        let name = scenario["name"].as_str().unwrap();
        let ops = scenario["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["op"].as_str().unwrap());
        let ours =
            ops.clone().any(|op| op == "post_alerts") && ops.clone().all(|op| matches!(op, "post_alerts" | "reload"));
        if !ours || scenario["expect"].as_array().unwrap().is_empty() {
            skipped.push(name);
            continue;
        }
        ran += 1;
        for fault in run(scenario).await {
            failed.push(format!("{name}: {fault}"));
        }
    }
    println!(
        "acceptance scenarios: {ran} ran, {} wait for the API or silences: {skipped:?}",
        skipped.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran >= 10);
}
