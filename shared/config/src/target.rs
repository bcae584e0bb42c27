//! A target: where it is scraped and which labels its series get (`PopulateLabels` of Prometheus).

use crate::scrape::MIN_INTERVAL_MS;
use parapet_model::{Labels, LabelsBuilder, parse_duration_ms, quote};
use parapet_relabel::Rule;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One endpoint to scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The URL, parameters included.
    pub url: String,
    /// The labels that its series get: `job`, `instance` and those of the configuration.
    pub labels: Labels,
    /// All labels before any were dropped, `__address__` and the like included: `discoveredLabels` of the API.
    pub discovered_labels: Labels,
    /// Milliseconds between its scrapes: the job's, or its own (`__scrape_interval__`).
    pub interval_ms: i64,
    /// Milliseconds that a scrape may take, at most the interval.
    pub timeout_ms: i64,
    /// Stable over runs and versions: the hash of job, labels and URL.
    pub identity: u64,
}

/// What the job gives to all of its targets.
#[derive(Clone, Debug)]
pub(crate) struct TargetDefaults<'a> {
    pub(crate) job: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) metrics_path: &'a str,
    pub(crate) params: &'a BTreeMap<String, Vec<String>>,
    pub(crate) interval: String,
    pub(crate) timeout: String,
    pub(crate) relabel: &'a [Rule],
}

/// Targets that belong together, as discovery finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// What tells it from the others of the same discovery.
    pub source: String,
    /// Labels of each target, `__address__` among them.
    pub targets: Vec<Labels>,
    /// Labels that all of them have, unless they have such a label of their own.
    pub labels: Labels,
}

/// What became of a target under the job's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    Kept(Box<Target>),
    Dropped,
}

/// The labels of a target before the rules: its own win over those of its group, and both over what the job says.
pub(crate) fn discovered_labels(own: &Labels, group: &Labels, defaults: &TargetDefaults<'_>) -> Labels {
    let mut labels = LabelsBuilder::from(group);
    for (name, value) in own {
        labels.set(name, value);
    }
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_none_or(str::is_empty) {
            labels.set(name, value);
        }
    };
    default("job", defaults.job);
    default("__scheme__", defaults.scheme);
    default("__metrics_path__", defaults.metrics_path);
    default("__scrape_interval__", &defaults.interval);
    default("__scrape_timeout__", &defaults.timeout);
    for (name, values) in defaults.params {
        if let Some(value) = values.first() {
            default(&format!("__param_{name}"), value);
        }
    }
    labels.build()
}

/// Builds a target.
///
/// # Errors
/// Why the labels that the rules leave are no target.
pub(crate) fn resolve(discovered: &Labels, defaults: &TargetDefaults<'_>) -> Result<Resolved, String> {
    let Some(relabelled) = parapet_relabel::process(discovered, defaults.relabel) else {
        return Ok(Resolved::Dropped);
    };
    let address = relabelled.get("__address__").unwrap_or_default();
    check_address(address)?;
    let (interval_ms, timeout_ms) = times(&relabelled)?;
    let all = relabelled.with("instance", relabelled.get("instance").unwrap_or(address));
    let all = all.without(|name| name.starts_with("__meta_"));
    let scheme = all.get("__scheme__").unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(format!("scheme {} is neither http nor https", quote(scheme)));
    }
    let url = url(&all, scheme, address, defaults.params);
    let public = all.without(|name| name.starts_with("__"));
    let identity = identity(defaults.job, &all, &url);
    Ok(Resolved::Kept(Box::new(Target {
        url,
        labels: public,
        discovered_labels: discovered.clone(),
        interval_ms,
        timeout_ms,
        identity,
    })))
}

/// Interval and timeout of a target, milliseconds.
fn times(labels: &Labels) -> Result<(i64, i64), String> {
    let time = |what: &str, name: &str| {
        let text = labels.get(name).unwrap_or_default();
        let ms = parse_duration_ms(text).map_err(|error| format!("error parsing scrape {what}: {error}"))?;
        match ms {
            0 => Err(format!("scrape {what} cannot be 0")),
            ms => Ok(ms),
        }
    };
    let interval_ms = time("interval", "__scrape_interval__")?;
    let timeout_ms = time("timeout", "__scrape_timeout__")?;
    if interval_ms < MIN_INTERVAL_MS {
        return Err("scrape interval is under a second, which is not supported".to_owned());
    }
    if timeout_ms > interval_ms {
        let shown = |name| quote(labels.get(name).unwrap_or_default());
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({} > {})",
            shown("__scrape_timeout__"),
            shown("__scrape_interval__")
        ));
    }
    Ok((interval_ms, timeout_ms))
}

/// Whether an address is `host` or `host:port`.
fn check_address(address: &str) -> Result<(), String> {
    let hint = "write it as host:port; scheme and metrics_path are fields of their own";
    if address.is_empty() {
        return Err(format!("a target has no address; {hint}"));
    }
    let bad = |c: char| matches!(c, '/' | '?' | '#' | '@' | '\\') || c.is_whitespace() || c.is_control();
    if address.contains(bad) {
        return Err(format!("{} is not a valid hostname; {hint}", quote(address)));
    }
    // What follows an IPv6 address in brackets, or the last colon of any other.
    let port = match address.rsplit_once(']') {
        Some((_, rest)) => rest.strip_prefix(':').or((!rest.is_empty()).then_some(rest)),
        None => address.split_once(':').map(|(_, port)| port),
    };
    let host = address.split(':').next().unwrap_or_default();
    if host.is_empty() {
        return Err(format!("target {} has no host; {hint}", quote(address)));
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err(format!(
            "target {} has no valid port: {} is not a number from 0 to 65535; {hint}",
            quote(address),
            quote(port)
        )),
        _ => Ok(()),
    }
}

fn url(labels: &Labels, scheme: &str, address: &str, params: &BTreeMap<String, Vec<String>>) -> String {
    let mut params = params.clone();
    for (name, value) in labels {
        if let Some(name) = name.strip_prefix("__param_") {
            let values = params.entry(name.to_owned()).or_default();
            match values.first_mut() {
                Some(first) => value.clone_into(first),
                None => values.push(value.to_owned()),
            }
        }
    }
    let path = labels.get("__metrics_path__").unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut url = format!("{scheme}://{address}{slash}{}", escape(path, b"-_.~$&+,/:;=@", "%20"));
    let mut separator = '?';
    for (name, values) in &params {
        for value in values {
            url.push(separator);
            separator = '&';
            url.push_str(&escape(name, b"-_.~", "+"));
            url.push('=');
            url.push_str(&escape(value, b"-_.~", "+"));
        }
    }
    url
}

/// Percent-encodes, as Go's `net/url` does.
fn escape(text: &str, allowed: &[u8], space: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || allowed.contains(&byte) {
            out.push(char::from(byte));
        } else if byte == b' ' {
            out.push_str(space);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn identity(job: &str, labels: &Labels, url: &str) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    // How often it is scraped does not change what it is.
    let lasting = labels.without(|name| name.starts_with("__scrape_"));
    for (name, value) in [("", job), ("", url)].into_iter().chain(&lasting) {
        hasher.update(name.as_bytes());
        hasher.update(&[0xFF]);
        hasher.update(value.as_bytes());
        hasher.update(&[0xFF]);
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str, group: &[(&str, &str)]) -> Result<Target, String> {
        let params = BTreeMap::from([("module".to_owned(), vec!["http 2xx".to_owned(), "é&".to_owned()])]);
        let defaults = TargetDefaults {
            job: "j",
            scheme: "http",
            metrics_path: "/metrics",
            params: &params,
            interval: "15s".into(),
            timeout: "10s".into(),
            relabel: &[],
        };
        let own = Labels::from_pairs([("__address__", address)]);
        let labels = discovered_labels(&own, &Labels::from_pairs(group.iter().copied()), &defaults);
        match resolve(&labels, &defaults)? {
            Resolved::Kept(target) => Ok(*target),
            Resolved::Dropped => panic!("{labels} is dropped"),
        }
    }

    #[test]
    fn labels_of_the_group_win() {
        let plain = target("a:1", &[]).unwrap();
        assert_eq!(plain.url, "http://a:1/metrics?module=http+2xx&module=%C3%A9%26");
        assert_eq!(plain.labels.to_string(), r#"{instance="a:1", job="j"}"#);
        let special = target(
            "a",
            &[
                ("__metrics_path__", "/p q"),
                ("__scheme__", "https"),
                ("__param_module", "x"),
                ("job", "other"),
                ("instance", "here"),
                ("__meta_x", "y"),
                ("env", "prod"),
            ],
        )
        .unwrap();
        assert_eq!(special.url, "https://a/p%20q?module=x&module=%C3%A9%26");
        assert_eq!(
            special.labels.to_string(),
            r#"{env="prod", instance="here", job="other"}"#
        );
        assert_eq!(special.discovered_labels.get("__meta_x"), Some("y"));
        assert_ne!(plain.identity, special.identity);
    }

    #[test]
    fn targets_may_have_times_of_their_own() {
        let own = |interval, timeout| {
            let target = target(
                "a",
                &[("__scrape_interval__", interval), ("__scrape_timeout__", timeout)],
            )?;
            Ok::<_, String>((target.interval_ms, target.timeout_ms))
        };
        assert_eq!(own("1m30s", "20s"), Ok((90_000, 20_000)));
        assert_eq!(own("", ""), Ok((15_000, 10_000)));
        for (interval, timeout, want) in [
            (
                "10s",
                "20s",
                "scrape timeout cannot be greater than scrape interval (\"20s\" > \"10s\")",
            ),
            ("0s", "1s", "scrape interval cannot be 0"),
            (
                "soon",
                "1s",
                "error parsing scrape interval: not a valid duration string: \"soon\"",
            ),
            (
                "500ms",
                "100ms",
                "scrape interval is under a second, which is not supported",
            ),
        ] {
            assert_eq!(own(interval, timeout), Err(want.to_owned()));
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for address in ["a", "a:80", "1.2.3.4:9090", "[::1]:80", "[::1]", "a-b.c:65535"] {
            assert!(target(address, &[]).is_ok(), "{address}");
        }
        for address in [
            "", "http://a", "a/b", "a:b", "a:70000", ":80", "a b", "a:80:90", "u@a", "[::1]x",
        ] {
            assert!(target(address, &[]).is_err(), "{address}");
        }
        assert!(target("a", &[("__scheme__", "ftp")]).is_err());
    }
}
