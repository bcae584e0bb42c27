//! Rendering with our own surroundings.

use parapet_receivers::{Answer, AwsCredentials, Context, Mail, RenderError, Request, Step, Templates, next};
use parapet_routing::{Config, Notification, Reference, Secret, parse};
use std::collections::BTreeMap;

/// A configuration with one receiver, its integrations as YAML.
pub(crate) fn config(integrations: &str) -> Config {
    let text = format!("route: {{receiver: r}}\nreceivers:\n- name: r\n{integrations}");
    parse("dir/alertmanager.yml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn step(
    integrations: &str,
    notification: &Notification,
    answers: &[Answer],
    aws: Option<&AwsCredentials>,
) -> Result<Step, RenderError> {
    let templates = Templates::parse([]).unwrap();
    let secrets = BTreeMap::from([
        (Reference::File("dir/secret.txt".into()), Secret::new("from-file\n")),
        (Reference::Store("ops/key".into()), Secret::new("from-store")),
    ]);
    let context = Context {
        external_url: "http://parapet:9090",
        dedup_key: "00ff/webhook/0/17",
        templates: &templates,
        secrets: &secrets,
        aws,
        now_ms: 1_767_323_075_120,
    };
    next(
        notification,
        &config(integrations).receivers[0].integrations[0],
        &context,
        answers,
    )
}

pub(crate) fn next_step(integrations: &str, notification: &Notification, answers: &[Answer]) -> Step {
    step(integrations, notification, answers, None).unwrap()
}

/// The same with credentials for AWS.
pub(crate) fn next_step_on_aws(integrations: &str, notification: &Notification, answers: &[Answer]) -> Step {
    let credentials = AwsCredentials {
        access_key: "A".to_owned(),
        secret_key: Secret::new("s"),
        session_token: None,
        region: "eu-central-1".to_owned(),
        endpoint_url: None,
    };
    step(integrations, notification, answers, Some(&credentials)).unwrap()
}

/// The first request.
pub(crate) fn rendered(integrations: &str, notification: &Notification) -> Result<Request, RenderError> {
    match step(integrations, notification, &[], None)? {
        Step::Call(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn mail(integrations: &str, notification: &Notification) -> Mail {
    match next_step(integrations, notification, &[]) {
        Step::Mail(mail) => *mail,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        body: body.as_bytes().to_vec(),
        ..Answer::default()
    }
}
