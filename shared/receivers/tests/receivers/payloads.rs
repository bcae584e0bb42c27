//! Payloads of our own data, whole.

use crate::world::{next_step, rendered};
use parapet_model::Labels;
use parapet_receivers::{Answer, RenderError, Request, Step, Verdict};
use parapet_routing::{Fingerprint, Notification, NotifiedAlert, Reason};
use std::collections::BTreeMap;

pub(crate) fn alert(instance: &str, ended_at_ms: Option<i64>) -> NotifiedAlert {
    let labels = Labels::from_pairs([("alertname", "Down"), ("instance", instance), ("severity", "page")]);
    NotifiedAlert {
        fingerprint: Fingerprint::of(&labels),
        labels,
        annotations: Labels::from_pairs([("summary", "a <b> & \"c\"")]),
        starts_at_ms: 1_767_323_045_120,
        ended_at_ms,
        generator_url: "http://prom:9090/graph?g0.expr=up&g0.tab=1".into(),
        silenced: false,
    }
}

pub(crate) fn notification(alerts: Vec<NotifiedAlert>) -> Notification {
    Notification {
        receiver: "team.x".into(),
        integration: "webhook/0".into(),
        flush_id: 1_767_323_075_120,
        reason: Reason::FirstNotification,
        group_key: "{}/{severity=\"page\"}:{alertname=\"Down\"}".into(),
        group_labels: Labels::from_pairs([("alertname", "Down")]),
        alerts,
        ..Notification::default()
    }
}

pub(crate) fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

#[test]
fn webhook() {
    let request = rendered(
        "  webhook_configs: [{url: 'https://hook.example/token'}]",
        &notification(vec![alert("a:9100", None), alert("b:9100", Some(1_767_323_100_000))]),
    );
    let request = request.unwrap();
    let want = concat!(
        r#"{"receiver":"team\\.x","status":"firing","alerts":["#,
        r#"{"status":"firing","labels":{"alertname":"Down","instance":"a:9100","severity":"page"},"#,
        r#""annotations":{"summary":"a \u003cb\u003e \u0026 \"c\""},"startsAt":"2026-01-02T03:04:05.12Z","#,
        r#""endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom:9090/graph?g0.expr=up\u0026g0.tab=1","#,
        r#""fingerprint":"1ada2f2ea6b12b80"},"#,
        r#"{"status":"resolved","labels":{"alertname":"Down","instance":"b:9100","severity":"page"},"#,
        r#""annotations":{"summary":"a \u003cb\u003e \u0026 \"c\""},"startsAt":"2026-01-02T03:04:05.12Z","#,
        r#""endsAt":"2026-01-02T03:05:00Z","generatorURL":"http://prom:9090/graph?g0.expr=up\u0026g0.tab=1","#,
        r#""fingerprint":"1ada2c2ea6b12b80"}],"#,
        r#""notification_reason":"first notification","groupLabels":{"alertname":"Down"},"#,
        r#""commonLabels":{"alertname":"Down","severity":"page"},"#,
        r#""commonAnnotations":{"summary":"a \u003cb\u003e \u0026 \"c\""},"routeLabels":{},"#,
        r#""externalURL":"http://parapet:9090","version":"4","#,
        r#""groupKey":"{}/{severity=\"page\"}:{alertname=\"Down\"}","truncatedAlerts":0}"#,
        "\n"
    );
    let strip = |text: &str| -> String {
        let parts: Vec<&str> = text.split(r#""fingerprint":""#).collect();
        parts
            .iter()
            .enumerate()
            .map(|(i, part)| if i == 0 { *part } else { &part[16..] })
            .collect()
    };
    assert_eq!(strip(body(&request)), strip(want));
    let alerts = [alert("a:9100", None), alert("b:9100", None)];
    assert!(
        alerts
            .iter()
            .all(|alert| body(&request).contains(&alert.fingerprint.to_string()))
    );
    assert_eq!(request.method, "POST");
    assert_eq!(request.url.expose(), "https://hook.example/token");
    let headers: Vec<(&str, &str)> = request.headers.iter().map(|(n, v)| (n.as_str(), v.expose())).collect();
    assert_eq!(
        headers[1..],
        [
            ("Content-Type", "application/json"),
            ("X-Parapet-Dedup-Key", "00ff/webhook/0/17")
        ]
    );
    assert!(!format!("{request:?}").contains("token"));
}

#[test]
fn webhook_with_a_templated_url_and_credentials() {
    let request = rendered(
        "  webhook_configs:\n  - url: 'https://hook.example/{{ .GroupLabels.alertname }}'\n    \
         http_config: {basic_auth: {username: u, password: p}}",
        &notification(vec![alert("a", None)]),
    )
    .unwrap();
    assert_eq!(request.url.expose(), "https://hook.example/Down");
    let (name, value) = request.headers.last().unwrap();
    assert_eq!((name.as_str(), value.expose()), ("Authorization", "Basic dTpw"));
    let broken = rendered("  webhook_configs: [{url: '{{ .Status }}'}]", &notification(vec![]));
    assert!(matches!(broken, Err(RenderError::Invalid(_))), "{broken:?}");
}

#[test]
fn slack_defaults() {
    let request = rendered(
        "  slack_configs: [{api_url: 'https://hooks.slack.com/services/T/B/X', channel: '#ops'}]",
        &notification(vec![alert("a:9100", None)]),
    )
    .unwrap();
    let link = r"http://parapet:9090/#/alerts?receiver=team%5C.x";
    let want = format!(
        concat!(
            r##"{{"channel":"#ops","username":"Alertmanager","attachments":[{{"##,
            r#""title":"[FIRING:1] Down (a:9100 page)","title_link":"{link}","text":"","#,
            r#""fallback":"[FIRING:1] Down (a:9100 page) | {link}","callback_id":"","footer":"","color":"danger","#,
            r#""mrkdwn_in":["fallback","pretext","text"]}}]}}"#,
            "\n"
        ),
        link = link
    );
    assert_eq!(body(&request), want);
    assert_eq!(request.url.expose(), "https://hooks.slack.com/services/T/B/X");
}

#[test]
fn slack_with_everything() {
    let integration = r##"  slack_configs:
  - app_token: xoxb-1
    channel: '#{{ .GroupLabels.alertname | toLower }}'
    title: '{{ range .Alerts }}x{{ end }}'
    text: '{{ range .Alerts.Firing }}{{ .Annotations.summary }}{{ end }}'
    message_text: hello
    short_fields: true
    fields: [{title: Severity, value: '{{ .CommonLabels.severity }}'}, {title: T, value: V, short: false}]
    actions:
    - {type: button, text: Open, url: '{{ (index .Alerts 0).GeneratorURL }}', name: dropped}
    - {type: button, text: Ack, name: ack, value: '1', confirm: {text: sure?, ok_text: yes}}
    link_names: true
    icon_emoji: ':fire:'
    image_url: http://i/
    thumb_url: http://t/
    mrkdwn_in: [text]
"##;
    let request = rendered(integration, &notification(vec![alert("a", None)])).unwrap();
    let want = concat!(
        r##"{"channel":"#down","username":"Alertmanager","icon_emoji":":fire:","link_names":true,"text":"hello","##,
        r#""attachments":[{"title":"x","title_link":"http://parapet:9090/#/alerts?receiver=team%5C.x","#,
        r#""text":"a \u003cb\u003e \u0026 \"c\"","#,
        r#""fallback":"[FIRING:1] Down (a page) | http://parapet:9090/#/alerts?receiver=team%5C.x","callback_id":"","#,
        r#""fields":[{"title":"Severity","value":"page","short":true},{"title":"T","value":"V","short":false}],"#,
        r#""actions":[{"type":"button","text":"Open","url":"http://prom:9090/graph?g0.expr=up\u0026g0.tab=1"},"#,
        r#"{"type":"button","text":"Ack","name":"ack","value":"1","confirm":{"text":"sure?","ok_text":"yes"}}],"#,
        r#""image_url":"http://i/","thumb_url":"http://t/","footer":"","color":"danger","mrkdwn_in":["text"]}]}"#,
        "\n"
    );
    assert_eq!(body(&request), want);
    assert_eq!(request.url.expose(), "https://slack.com/api/chat.postMessage");
    let (name, value) = request.headers.last().unwrap();
    assert_eq!((name.as_str(), value.expose()), ("Authorization", "Bearer xoxb-1"));
    assert!(!format!("{request:?}").contains("xoxb"));
}

#[test]
fn route_labels_are_expanded_and_broken_ones_left_out() {
    let mut notification = notification(vec![alert("a", None)]);
    notification.route_labels = BTreeMap::from([
        ("team".to_owned(), "{{ .GroupLabels.alertname }}-x".to_owned()),
        ("broken".to_owned(), "{{ .Nothing }}".to_owned()),
    ]);
    let request = rendered("  webhook_configs: [{url: 'http://h/'}]", &notification).unwrap();
    assert!(
        body(&request).contains(r#""routeLabels":{"team":"Down-x"}"#),
        "{}",
        body(&request)
    );
}

#[test]
fn a_template_that_fails_is_told_with_its_field() {
    let error = rendered(
        "  slack_configs: [{api_url: 'http://h/secret', title: '{{ .Nope }}'}]",
        &notification(vec![alert("a", None)]),
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("template of title: ") && !text.contains("secret"),
        "{text}"
    );
}

#[test]
fn a_long_title_ends_in_an_ellipsis() {
    let title = "é".repeat(2000);
    let integration = format!("  slack_configs: [{{api_url: 'http://h/', title: '{title}'}}]");
    let request = rendered(&integration, &notification(vec![alert("a", None)])).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let title = answer["attachments"][0]["title"].as_str().unwrap();
    assert_eq!((title.chars().count(), title.chars().last()), (1024, Some('…')));
}

/// What `update_message` remembers of the first message goes into the second.
#[test]
fn slack_edits_its_message() {
    let integration = "  slack_configs: [{api_url: 'https://slack.com/api/chat.postMessage', update_message: true, \
                       http_config: {authorization: {credentials: t}}}]";
    let mut notification = notification(vec![alert("a", None)]);
    let answer = Answer {
        status: 200,
        content_type: Some("application/json".into()),
        body: br#"{"ok":true,"channel":"C1","ts":"17.2"}"#.to_vec(),
        ..Answer::default()
    };
    let config = crate::world::config(integration);
    let integration_settings = &config.receivers[0].integrations[0];
    assert_eq!(
        next_step(integration, &notification, std::slice::from_ref(&answer)),
        Step::Done(Verdict::Sent)
    );
    notification.receiver_data = parapet_receivers::remember(integration_settings, &[answer]);
    let request = rendered(integration, &notification).unwrap();
    assert_eq!(request.url.expose(), "https://slack.com/api/chat.update");
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        (body["channel"].as_str(), body["ts"].as_str()),
        (Some("C1"), Some("17.2"))
    );
}
