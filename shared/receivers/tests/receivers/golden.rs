//! Our default templates against renderings that Alertmanager made of its own.

use parapet_gotemplate::notification::{Kv, Notification, NotifiedAlert};
use parapet_gotemplate::{Dialect, Environment, TemplateSet, Time};
use parapet_receivers::DEFAULT_TEMPLATES;
use serde_json::Value;
use std::path::PathBuf;

fn golden() -> Option<Value> {
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = root.join("alertmanager/notification_templates/golden_render.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn kv(value: &Value) -> Kv {
    Kv::new(
        value
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str().unwrap())),
    )
}

/// The notification that a rendering was made of.
fn of(data: &Value) -> Notification {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let alerts = data["alerts"].as_array().unwrap().iter().map(|alert| NotifiedAlert {
        status: text(&alert["status"]),
        labels: kv(&alert["labels"]),
        annotations: kv(&alert["annotations"]),
        starts_at: Time::parse_rfc3339(&text(&alert["startsAt"])).unwrap(),
        ends_at: Time::parse_rfc3339(&text(&alert["endsAt"])).unwrap(),
        generator_url: text(&alert["generatorURL"]),
        fingerprint: text(&alert["fingerprint"]),
    });
    Notification {
        receiver: text(&data["receiver"]),
        status: text(&data["status"]),
        alerts: alerts.collect(),
        group_labels: kv(&data["groupLabels"]),
        common_labels: kv(&data["commonLabels"]),
        common_annotations: kv(&data["commonAnnotations"]),
        external_url: text(&data["externalURL"]),
        ..Notification::default()
    }
}

#[test]
fn default_templates_render_as_alertmanagers() {
    let Some(golden) = golden() else { return };
    let mut set = TemplateSet::new(Dialect::Alertmanager);
    set.parse("default.tmpl", DEFAULT_TEMPLATES).unwrap();
    let render = |text: &str, data: &Value| {
        set.execute_text(text, &of(data).into_value(), &mut Environment::default())
            .unwrap()
    };
    let (mut ran, mut lists, mut others) = (0, 0, 0);
    for case in golden["rendered"].as_array().unwrap() {
        let template = case["template"].as_str().unwrap();
        let data = &golden["data"][case["data"].as_str().unwrap()];
        let output = case["output"].as_str().unwrap();
        if set.contains(template) && case["type"] == "text" {
            assert_eq!(
                render(&format!("{{{{ template {template:?} . }}}}"), data),
                output,
                "{template} {}",
                case["data"]
            );
            ran += 1;
            continue;
        }
        others += 1;
        // These hold a list of alerts in the middle.
        let list = match template {
            "sns.default.message" | "telegram.default.message" | "pushover.default.message" => "__text_alert_list",
            "msteamsv2.default.text" | "jira.default.description" => "__text_alert_list_markdown",
            _ => continue,
        };
        for state in ["Firing", "Resolved"] {
            let part = render(&format!("{{{{ template {list:?} .Alerts.{state} }}}}"), data);
            assert!(output.contains(&part), "{template} {state}: {output:?} lacks {part:?}");
            lists += 1;
        }
    }
    println!("golden renderings: {ran} of ours, {lists} lists in others', {others} of receivers that are not here yet");
    assert!(ran >= 20 && lists >= 4);
}
