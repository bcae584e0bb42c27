//! From an alert to the lines of its service: the streams that have labels in common with it.

use crate::endpoints::logs::ask::Fault;
use parapet_model::{Labels, MatchOp, Matcher};
use std::collections::BTreeSet;

/// Labels of alerts that say what they are of, the most telling first, and the labels of streams that say the same.
const KIN: [(&str, &[&str]); 13] = [
    ("service_name", &["service_name", "service", "app"]),
    ("service", &["service_name", "service", "app"]),
    ("app", &["app", "service_name", "service"]),
    ("namespace", &["namespace", "k8s_namespace_name"]),
    ("job", &["job", "service_name", "app"]),
    ("deployment", &["deployment", "k8s_deployment_name"]),
    ("pod", &["pod", "k8s_pod_name"]),
    ("container", &["container", "k8s_container_name", "container_name"]),
    ("environment", &["environment", "env", "deployment_environment"]),
    ("env", &["env", "environment", "deployment_environment"]),
    ("host", &["host", "instance", "node"]),
    ("instance", &["instance", "host", "node"]),
    ("node", &["node", "host", "instance"]),
];

/// The labels that streams must have to be those of an alert. Each that some of the streams have narrows them down; one
/// that none of them has says nothing of lines.
pub(super) fn matchers(alert: &Labels, streams: &BTreeSet<Labels>) -> Result<Vec<Matcher>, Fault> {
    let mut left: Vec<&Labels> = streams.iter().collect();
    let mut chosen: Vec<(&str, String)> = Vec::new();
    let known = KIN.iter().map(|(name, kin)| (*name, kin.to_vec()));
    let others = alert.iter().map(|(name, _)| name);
    let others = others.filter(|name| !KIN.iter().any(|(known, _)| known == name));
    for (name, kin) in known.chain(others.map(|name| (name, vec![name]))) {
        let Some(value) = alert.get(name).filter(|value| !value.is_empty()) else {
            continue;
        };
        // An instance has a port, a host has none.
        let bare = value.rsplit_once(':').map_or(value, |(host, _)| host);
        let candidates = kin.iter().flat_map(|label| [(*label, value), (*label, bare)]);
        for (label, value) in candidates {
            let having: Vec<&Labels> = left
                .iter()
                .copied()
                .filter(|stream| stream.get(label) == Some(value))
                .collect();
            if !having.is_empty() {
                left = having;
                chosen.push((label, value.to_owned()));
                break;
            }
        }
    }
    if chosen.is_empty() {
        let names: BTreeSet<&str> = streams
            .iter()
            .flat_map(|stream| stream.iter().map(|(name, _)| name))
            .collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Fault::bad(format!(
            "no stream of that time has a label in common with the alert {alert}; labels of streams are: {names}"
        )));
    }
    let matcher = |(name, value): (&str, String)| Matcher::new(name, MatchOp::Equal, &value);
    let matchers: Result<Vec<_>, _> = chosen.into_iter().map(matcher).collect();
    matchers.map_err(|error| Fault::bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_in_common() {
        let streams: BTreeSet<Labels> = [
            [("app", "web"), ("env", "prod"), ("host", "h1")],
            [("app", "web"), ("env", "prod"), ("host", "h2")],
            [("app", "web"), ("env", "test"), ("host", "h1")],
            [("app", "db"), ("env", "prod"), ("host", "h1")],
        ]
        .into_iter()
        .map(Labels::from_pairs)
        .collect();
        let of = |alert: &[(&str, &str)]| {
            let found = matchers(&Labels::from_pairs(alert.iter().copied()), &streams)?;
            Ok::<_, Fault>(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        };
        let head = [("alertname", "Down"), ("severity", "page")];
        for (labels, want) in [
            (&[("service", "web")][..], r#"app="web""#),
            (
                &[("job", "web"), ("env", "prod"), ("instance", "h2:9100")],
                r#"app="web",env="prod",host="h2""#,
            ),
            // Where one label contradicts the rest, the more telling one stands.
            (&[("service", "db"), ("env", "test")], r#"app="db""#),
            (&[("instance", "h1")], r#"host="h1""#),
        ] {
            let alert: Vec<_> = head.iter().chain(labels).copied().collect();
            assert_eq!(of(&alert).unwrap(), want, "{labels:?}");
        }
        assert!(of(&head).unwrap_err().reason.contains("app, env, host"));
    }
}
