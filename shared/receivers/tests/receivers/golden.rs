//! Our default templates against renderings that Alertmanager made of its own.

use parapet_gotemplate::notification::{Kv, Notification, NotifiedAlert};
use parapet_gotemplate::{Dialect, Environment, TemplateSet, Time};
use parapet_receivers::default_templates;
use serde_json::Value;
use std::path::PathBuf;

fn folder() -> PathBuf {
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    root.join("alertmanager/notification_templates")
}

fn golden() -> Option<Value> {
    let path = folder().join("golden_render.json");
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

fn ours() -> TemplateSet {
    let mut set = TemplateSet::new(Dialect::Alertmanager);
    for (name, text) in default_templates() {
        set.parse(name, &text).unwrap();
    }
    set
}

fn render(set: &TemplateSet, template: &str, kind: &str, data: &Value) -> String {
    let text = format!("{{{{ template {template:?} . }}}}");
    let value = of(data).into_value();
    let mut environment = Environment::default();
    let rendered = match kind {
        "html" => set.execute_html(&text, &value, &mut environment),
        _ => set.execute_text(&text, &value, &mut environment),
    };
    rendered.unwrap_or_else(|error| panic!("{template}: {error}"))
}

#[test]
fn default_templates_render_as_alertmanagers() {
    let Some(golden) = golden() else { return };
    let set = ours();
    let mut ran = 0;
    for case in golden["rendered"].as_array().unwrap() {
        let (template, kind) = (case["template"].as_str().unwrap(), case["type"].as_str().unwrap());
        let data = &golden["data"][case["data"].as_str().unwrap()];
        // The golden file lacks a newline at the end.
        let got = render(&set, template, kind, data);
        let output = case["output"].as_str().unwrap();
        assert!(
            got == output || got.strip_suffix('\n') == Some(output),
            "{template} {}:\n{got:?}\n{output:?}",
            case["data"]
        );
        ran += 1;
    }
    println!("golden renderings: {ran}");
    assert!(ran >= 90);
}

/// Every default template of Alertmanager, on every data there is, through its own file and through ours.
#[test]
fn ours_and_alertmanagers_files_give_the_same() {
    let Some(golden) = golden() else { return };
    let mut theirs = TemplateSet::new(Dialect::Alertmanager);
    for name in ["default.tmpl", "email.tmpl"] {
        let path = folder().join(name);
        theirs.parse(name, &std::fs::read_to_string(path).unwrap()).unwrap();
    }
    let text = std::fs::read_to_string(folder().join("default.tmpl")).unwrap()
        + &std::fs::read_to_string(folder().join("email.tmpl")).unwrap();
    let names = text
        .split("define \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let names: Vec<&str> = names
        .filter(|name| !name.starts_with("__text") && *name != "pagerduty.default.instances")
        .collect();
    let ours = ours();
    let mut ran = 0;
    for name in names {
        for (key, data) in golden["data"].as_object().unwrap() {
            for kind in ["text", "html"] {
                if name == "email.default.html" && kind == "text" {
                    // As text, theirs holds a comment that no HTML shows.
                    continue;
                }
                assert_eq!(
                    render(&ours, name, kind, data),
                    render(&theirs, name, kind, data),
                    "{name} {kind} {key}"
                );
                ran += 1;
            }
        }
    }
    println!("templates side by side: {ran}");
    assert!(ran >= 200);
}
