//! `prometheus.yml` as Prometheus 3 reads it: parsing, defaults and validation.
//!
//! Every field of Prometheus is known. What Parapet does not do yet is refused by name and never ignored silently,
//! but for what has no meaning here (as `runtime`), which is accepted with a warning. A field that Prometheus does
//! not have is an error with a suggestion. Each error says file, line, column, what is wrong and what to write.
//!
//! The crate reads no files: rule files and the variables of `external_labels` are the caller's to find.
//!
//! ```
//! let text = "
//! global:
//!   scrape_interval: 15s
//! scrape_configs:
//!   - job_name: node
//!     static_configs:
//!       - targets: ['localhost:9100']
//! ";
//! let config = parapet_config::parse("prometheus.yml", text)?;
//! assert_eq!(config.jobs[0].interval_ms, 15_000);
//! assert_eq!(config.jobs[0].targets[0].url, "http://localhost:9100/metrics");
//!
//! let error = parapet_config::parse("prometheus.yml", "global:\n  scrape_intervall: 15s\n").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     r#"prometheus.yml:2:3: unknown field "scrape_intervall" in global; did you mean "scrape_interval"?"#
//! );
//! # Ok::<(), parapet_config::ConfigError>(())
//! ```
#![warn(missing_docs)]

mod config;
mod discovery;
mod error;
mod fields;
mod global;
mod http_client;
pub mod modules;
mod otlp;
mod protocols;
mod relabel;
mod remote;
mod scrape;
mod sections;
mod static_configs;
mod target;
mod yaml;

pub use config::{Config, parse, parse_with};
pub use discovery::{
    AwsAccess, AwsRole, AwsSd, ConsulSd, Discovery, DnsRecord, DnsSd, KubernetesAttach, KubernetesRole, KubernetesSd,
    KubernetesSelector, Mechanism,
};
pub use error::ConfigError;
pub use protocols::{ScrapeProtocol, accept_header};
pub use scrape::ScrapeJob;
pub use target::{Target, TargetGroup};
