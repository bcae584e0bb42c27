//! Service discovery without the network: what to ask, and the target groups that an answer means, with the
//! `__meta_…` labels of Prometheus 3 (`discovery/` of Prometheus).
//!
//! Nothing is watched: each refresh asks for all there is. Who asks, how often, and what stands while an answer does
//! not come, is the caller's.
//!
//! ```
//! let body = br#"[{"targets": ["10.0.0.1:9100"], "labels": {"env": "prod"}}]"#;
//! let groups = parapet_discovery::http::targets(body, "http://sd/targets")?;
//! assert_eq!(groups[0].labels.get("__meta_url"), Some("http://sd/targets"));
//! assert_eq!(groups[0].targets[0].get("__address__"), Some("10.0.0.1:9100"));
//! # Ok::<(), String>(())
//! ```
//!
//! Contract: an answer is taken whole or not at all; no panic on any bytes.
#![warn(missing_docs)]

pub mod aws;
pub mod consul;
pub mod dns;
pub mod file;
mod groups;
pub mod http;
pub mod kubernetes;

pub use parapet_config::TargetGroup;

/// A label's name from a foreign name: what is no letter, digit or underscore is an underscore
/// (`strutil.SanitizeLabelName`). What stands before makes it valid.
fn sanitize(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    name.chars().map(plain).collect()
}

/// `host:port`, an IPv6 address in brackets (`net.JoinHostPort`).
fn join_host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
