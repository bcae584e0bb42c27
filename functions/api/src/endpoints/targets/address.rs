//! The address under which others reach a target.

use url::Url;

/// A target on the local host is reached from elsewhere under our own external name (`getGlobalURL` of Prometheus):
/// whole where the port is our own, else with the target's port.
pub(super) fn global_url(target: &str, external: &str) -> String {
    let translated = || -> Option<String> {
        let (mut url, external) = (Url::parse(target).ok()?, Url::parse(external).ok()?);
        if !matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            return None;
        }
        if url.port_or_known_default() == external.port_or_known_default() {
            url.set_scheme(external.scheme()).ok()?;
            url.set_port(external.port()).ok()?;
        }
        url.set_host(external.host_str()).ok()?;
        Some(url.into())
    };
    translated().unwrap_or_else(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::global_url;

    #[test]
    fn local_targets_are_named_from_outside() {
        for (target, external, want) in [
            (
                "http://localhost:9100/metrics",
                "http://vm:9090",
                "http://vm:9100/metrics",
            ),
            (
                "http://127.0.0.1:9090/metrics",
                "https://mon:9090/",
                "https://mon:9090/metrics",
            ),
            (
                "http://[::1]:9100/metrics?a=b",
                "http://vm:9090",
                "http://vm:9100/metrics?a=b",
            ),
            ("http://node:9100/metrics", "http://vm:9090", "http://node:9100/metrics"),
            ("http://localhost:9100/metrics", "", "http://localhost:9100/metrics"),
            ("not a url", "http://vm:9090", "not a url"),
        ] {
            assert_eq!(global_url(target, external), want, "{target} {external}");
        }
    }
}
