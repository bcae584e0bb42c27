//! What each receiver is sent: a notification in, an HTTP request out; an HTTP answer in, a verdict out.
//!
//! ```text
//! Notification + Integration ──render──► Request ──(the caller sends it)──► answer ──classify──► Verdict
//! ```
//!
//! It sends nothing and knows no clock. Payloads are those of Alertmanager 0.34, byte for byte: order of fields,
//! omitted fields, Go's escapes in JSON and Go's time format.
//!
//! # Contract
//! - A [`Request`] prints no secret, and neither does any error of this crate.
//! - [`render`] gives the same bytes for the same notification, so that a repeated delivery is a true duplicate.
//! - [`classify`] tells what may pass by itself ([`Verdict::Retry`]) from what will not ([`Verdict::Permanent`]).
//!
//! ```
//! use parapet_receivers::{Context, Verdict, classify, render};
//! use parapet_routing::{Reason, Notification, parse};
//!
//! let config = parse("a.yml", "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]")?;
//! let notification = Notification {
//!     receiver: "r".into(), integration: "webhook/0".into(), flush_id: 1, reason: Reason::FirstNotification,
//!     group_key: "{}:{}".into(), group_labels: Default::default(), route_labels: Default::default(),
//!     alerts: vec![], truncated_alerts: 0, firing: Default::default(), resolved: Default::default(), give_up_at_ms: 0,
//! };
//! let context = Context { external_url: "http://parapet:9093", dedup_key: "abc/webhook/0/1" };
//! let request = render(&notification, &config.receivers[0].integrations[0], &context)?;
//! assert!(request.body.starts_with(br#"{"receiver":"r","status":"resolved""#));
//! assert_eq!(format!("{:?}", request.url), "<secret>");
//! let kind = &config.receivers[0].integrations[0].kind;
//! assert_eq!(classify(kind, 200, None, None, b"", 0), Verdict::Sent);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

mod answer;
mod data;
mod go_json;
mod go_time;
mod request;
mod slack;
mod template;
mod webhook;

pub use answer::{Verdict, classify, redact};
pub use request::{Context, RenderError, Request, render};
pub use template::DEFAULT_TEMPLATES;
