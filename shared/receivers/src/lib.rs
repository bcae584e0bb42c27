//! What each receiver is sent: a notification and the answers so far in, the next request out.
//!
//! ```text
//! Notification + Integration + answers ──next──► Step::Call ──(the caller sends it)──► answer ──┐
//!                  ▲                             Step::Mail ──(the caller sends it)              │
//!                  │                             Step::Done ──► Verdict                          │
//!                  └─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! It sends nothing and knows no clock. Payloads are those of Alertmanager 0.34, byte for byte: order of fields,
//! omitted fields, Go's escapes in JSON and Go's time format. Most receivers are one request; Opsgenie, WeChat, Jira
//! and whatever authenticates by OAuth 2.0 are several.
//!
//! # Contract
//! - A [`Request`] and a [`Mail`] print no secret, and neither does any error of this crate.
//! - [`next`] gives the same bytes for the same input, so that a repeated delivery is a true duplicate.
//! - A [`Verdict`] tells what may pass by itself ([`Verdict::Retry`]) from what will not ([`Verdict::Permanent`]).
//!
//! ```
//! use parapet_receivers::{Answer, Context, Step, Templates, Verdict, next};
//! use parapet_routing::{Reason, Notification, parse};
//!
//! let config = parse("a.yml", "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x/'}]}]")?;
//! let notification = Notification {
//!     receiver: "r".into(), integration: "webhook/0".into(), ..Notification::default()
//! };
//! let (templates, secrets) = (Templates::parse([])?, Default::default());
//! let context = Context {
//!     external_url: "http://parapet:9093", dedup_key: "abc/webhook/0/1", templates: &templates, secrets: &secrets,
//!     aws: None, now_ms: 0,
//! };
//! let integration = &config.receivers[0].integrations[0];
//! let Step::Call(request) = next(&notification, integration, &context, &[])? else { unreachable!() };
//! assert!(request.body.starts_with(br#"{"receiver":"r","status":"resolved""#));
//! assert_eq!(format!("{:?}", request.url), "<secret>");
//! let answer = Answer { status: 200, ..Answer::default() };
//! assert_eq!(next(&notification, integration, &context, &[answer])?, Step::Done(Verdict::Sent));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

mod answer;
mod aws;
mod data;
mod discord;
mod email;
mod exchange;
mod go_json;
mod go_time;
mod incidentio;
mod jira;
mod mail;
mod mattermost;
mod msteams;
mod msteamsv2;
mod oauth2;
mod opsgenie;
mod pagerduty;
mod pushover;
mod rocketchat;
mod ses;
mod slack;
mod sns;
mod telegram;
mod template;
mod truncate;
mod victorops;
mod webex;
mod webhook;
mod wechat;

pub use answer::{Answer, Verdict, redact};
pub use exchange::{Context, RenderError, Request, Step, next, remember};
pub use mail::{Mail, MailCredentials};
pub use parapet_http_client::Connection;
pub use parapet_http_client::aws::{AwsCredentials, AwsPost, sign};
pub use template::{Templates, TemplatesError, default_templates};
