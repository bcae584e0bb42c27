//! Prometheus' and Alertmanager's own template cases, read at run time.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use parapet_gotemplate::notification::{Kv, Notification, NotifiedAlert};
use parapet_gotemplate::{Dialect, Environment, MissingKey, QuerySample, TemplateSet, Time, Value, expand};
use parapet_model::Labels;
use serde_json::Value as Json;

/// The conformance data, where it is; tests say why they are skipped where it is not.
#[allow(clippy::disallowed_methods)]
fn read(path: &str) -> Option<Json> {
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        Into::into,
    );
    match std::fs::read_to_string(root.join(path)) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(error) => {
            eprintln!("skipped: {}: {error}", root.join(path).display());
            None
        }
    }
}

fn float(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| match value.as_str().unwrap() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => f64::NAN,
    })
}

fn histogram(value: &Json) -> Value {
    Value::from(format!("{{count:{}, sum:{}}}", value["count"], value["sum"]))
}

/// Data described by a `go_type`, else plain JSON.
fn go_value(json: &Json, now_ms: i64) -> Value {
    let Some(go_type) = json.get("go_type").and_then(Json::as_str) else {
        return plain(json);
    };
    let values = || json["values"].as_array().unwrap().iter();
    match go_type {
        "[]float64" => Value::list(values().map(|value| Value::Float(float(value)))),
        "[]string" => Value::string_list(values().map(|value| value.as_str().unwrap())),
        "[]int64" | "[]int" => Value::list(values().map(|value| Value::Int(value.as_i64().unwrap()))),
        "[]uint64" | "[]uint" => Value::list(values().map(|value| Value::Uint(value.as_u64().unwrap()))),
        "sample" => {
            let value = histogram(&json["Value"]["native_histogram"]);
            Value::record(
                "*template.sample",
                vec![("Labels", Value::string_map::<&str, &str>([])), ("Value", value)],
            )
        }
        "time.Time" => match json.get("rfc3339") {
            Some(text) => Value::Time(Time::parse_rfc3339(text.as_str().unwrap()).unwrap()),
            None => Value::Time(Time::from_millis(
                now_ms + json["now_plus_seconds"].as_i64().unwrap() * 1000,
            )),
        },
        other => panic!("unknown go_type {other}"),
    }
}

fn plain(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Int),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) if items.iter().all(Json::is_string) => {
            Value::string_list(items.iter().map(|item| item.as_str().unwrap()))
        }
        Json::Array(items) => Value::list(items.iter().map(plain)),
        Json::Object(entries) => Value::map(entries.iter().map(|(key, value)| (key.as_str(), plain(value)))),
    }
}

fn kv(json: &Json) -> Kv {
    match json.as_object() {
        Some(entries) => Kv::new(
            entries
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap())),
        ),
        None => Kv::nil(),
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

/// Alertmanager's data; the golden renderings write its fields in lower case.
fn notification(json: &Json) -> Value {
    let get = |data: &Json, upper: &str| {
        let lower = upper[..1].to_lowercase() + &upper[1..];
        data.get(upper)
            .or_else(|| data.get(&lower))
            .cloned()
            .unwrap_or(Json::Null)
    };
    let time = |json: Json| json.as_str().and_then(Time::parse_rfc3339).unwrap_or_else(Time::zero);
    let alerts = get(json, "Alerts").as_array().cloned().unwrap_or_default();
    Notification {
        receiver: text(&get(json, "Receiver")),
        status: text(&get(json, "Status")),
        alerts: alerts
            .iter()
            .map(|alert| NotifiedAlert {
                status: text(&get(alert, "Status")),
                labels: kv(&get(alert, "Labels")),
                annotations: kv(&get(alert, "Annotations")),
                starts_at: time(get(alert, "StartsAt")),
                ends_at: time(get(alert, "EndsAt")),
                generator_url: text(&get(alert, "GeneratorURL")),
                fingerprint: text(&get(alert, "Fingerprint")),
            })
            .collect(),
        reason: String::new(),
        group_labels: kv(&get(json, "GroupLabels")),
        common_labels: kv(&get(json, "CommonLabels")),
        common_annotations: kv(&get(json, "CommonAnnotations")),
        route_labels: kv(&get(json, "RouteLabels")),
        external_url: text(&get(json, "ExternalURL")),
        route_labels_rendered: false,
    }
    .into_value()
}

/// Counts and reports what differs, then fails if anything did.
fn verdict(what: &str, total: usize, failures: &[String]) {
    eprintln!("{what}: {} of {total} agree", total - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn compare(id: &Json, want: &Json, got: &Result<String, String>) -> Option<String> {
    let agrees = match (got, want.get("output"), want.get("error")) {
        (Ok(got), Some(output), _) => output.as_str() == Some(got),
        (Err(_), None, Some(Json::Bool(true))) => true,
        (Err(got), None, Some(error)) => error.as_str() == Some(got),
        _ => false,
    };
    (!agrees).then(|| format!("{id}: want {want}, got {got:?}"))
}

#[test]
fn prometheus_cases() {
    let Some(table) = read("templates/prometheus_template_cases.json") else {
        return;
    };
    let context = &table["context"];
    let cases = table["cases"].as_array().unwrap();
    let mut failures = Vec::new();
    for case in cases {
        let now_ms = context["timestamp_ms"].as_i64().unwrap();
        let samples: Vec<QuerySample> = case["query_result"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|sample| QuerySample {
                labels: Labels::from_pairs(
                    sample["metric"]
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(n, v)| (n.as_str(), v.as_str().unwrap())),
                ),
                value: match sample.get("native_histogram") {
                    Some(value) => histogram(value),
                    None => Value::Float(float(&sample["value"])),
                },
            })
            .collect();
        let mut query = |_: &str| Ok(samples.clone());
        let missing_key_error = case["options"]
            .as_array()
            .is_some_and(|o| o.iter().any(|o| o == "missingkey=error"));
        let mut environment = Environment {
            now_ms,
            external_url: context["external_url"].as_str().unwrap(),
            query: Some(&mut query),
            missing_key: if missing_key_error {
                MissingKey::Error
            } else {
                MissingKey::Zero
            },
            ..Environment::default()
        };
        let dialect = if case["html"] == true {
            Dialect::PrometheusHtml
        } else {
            Dialect::Prometheus
        };
        let data = case.get("input").map_or(Value::Nil, |input| go_value(input, now_ms));
        let got = expand(dialect, "test", case["text"].as_str().unwrap(), &data, &mut environment);
        failures.extend(compare(
            &case["id"],
            &case["expect"],
            &got.map_err(|error| error.to_string()),
        ));
    }
    verdict("prometheus template cases", cases.len(), &failures);
}

#[test]
fn alertmanager_cases() {
    let Some(table) = read("templates/alertmanager_template_cases.json") else {
        return;
    };
    let now_ms = 1_700_000_000_000;
    let (mut total, mut failures) = (0, Vec::new());
    for list in ["expansion", "functions"] {
        for case in table[list].as_array().unwrap() {
            total += 1;
            let data = match case.get("data") {
                None => Value::Nil,
                Some(data) if data.is_array() || data.get("go_type").is_some() => go_value(data, now_ms),
                Some(data)
                    if data
                        .as_object()
                        .unwrap()
                        .keys()
                        .any(|key| key.starts_with(|c: char| c.is_uppercase())) =>
                {
                    notification(data)
                }
                Some(data) => plain(data),
            };
            let mut environment = Environment {
                now_ms,
                ..Environment::default()
            };
            let set = TemplateSet::new(Dialect::Alertmanager);
            let text = case["text"].as_str().unwrap();
            let got = if case["html"] == true {
                set.execute_html(text, &data, &mut environment)
            } else {
                set.execute_text(text, &data, &mut environment)
            };
            failures.extend(compare(
                &case["id"],
                &case["expect"],
                &got.map_err(|error| error.to_string()),
            ));
        }
    }
    verdict("alertmanager template cases", total, &failures);
}

#[test]
fn label_set_methods() {
    let Some(table) = read("templates/alertmanager_template_cases.json") else {
        return;
    };
    let (mut total, mut failures) = (0, Vec::new());
    let set = TemplateSet::new(Dialect::Alertmanager);
    for case in table["kv_pairs"].as_array().unwrap() {
        total += 1;
        let name = case["name"].as_str().unwrap();
        let pairs: Vec<(String, String)> = match case["kv"].as_object() {
            Some(entries) => entries.iter().map(|(n, v)| (n.clone(), text(v))).collect(),
            None => case["pairs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| (text(&p[0]), text(&p[1])))
                .collect(),
        };
        let data = Value::object(Kv::new(pairs));
        let template = match name {
            "pairs.Names" => "{{ .SortedPairs.Names | toJson }}",
            "pairs.Values" => "{{ .SortedPairs.Values | toJson }}",
            "pairs.String" => "{{ .SortedPairs | printf \"%q\" }}",
            "KV.Remove" => "{{ (.Remove (stringSlice \"key2\" \"key4\")).Names | toJson }}",
            _ => "[{{ range $i, $p := .SortedPairs }}{{ if $i }},{{ end }}[\"{{ .Name }}\",\"{{ .Value }}\"]{{ end }}]",
        };
        let got = set.execute_text(template, &data, &mut Environment::default()).unwrap();
        let got: Json = serde_json::from_str(&got).unwrap();
        let want = case.get("expect").unwrap_or(&case["expect_names"]);
        if got != *want {
            failures.push(format!("{name}: want {want}, got {got}"));
        }
    }
    verdict("label set cases", total, &failures);
}

#[test]
fn golden_renderings() {
    let Some(golden) = read("alertmanager/notification_templates/golden_render.json") else {
        return;
    };
    let folder = "alertmanager/notification_templates";
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        Into::into,
    );
    let mut set = TemplateSet::new(Dialect::Alertmanager);
    for file in ["default-0.33.tmpl", "email-0.33.tmpl"] {
        set.parse("", &std::fs::read_to_string(root.join(folder).join(file)).unwrap())
            .unwrap();
    }
    let rendered = golden["rendered"].as_array().unwrap();
    let mut failures = Vec::new();
    for case in rendered {
        let template = format!("{{{{ template \"{}\" . }}}}", case["template"].as_str().unwrap());
        let data = notification(&golden["data"][case["data"].as_str().unwrap()]);
        let mut environment = Environment {
            now_ms: 1_767_330_000_000,
            ..Environment::default()
        };
        let got = if case["type"] == "html" {
            set.execute_html(&template, &data, &mut environment)
        } else {
            set.execute_text(&template, &data, &mut environment)
        };
        let want = case["output"].as_str().unwrap();
        match got {
            // The recording lost the last newline of each output.
            Ok(got) if got.strip_suffix('\n').unwrap_or(&got) == want => {}
            Ok(got) => {
                let at = got.chars().zip(want.chars()).take_while(|(a, b)| a == b).count();
                let near = |text: &str| text.chars().skip(at.saturating_sub(40)).take(80).collect::<String>();
                failures.push(format!(
                    "{template} at {at}: want {:?}, got {:?}",
                    near(want),
                    near(&got)
                ));
            }
            Err(error) => failures.push(format!("{template}: {error}")),
        }
    }
    verdict("golden renderings", rendered.len(), &failures);
}
