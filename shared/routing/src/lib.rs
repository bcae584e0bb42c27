//! Alertmanager's configuration, its route tree, and the life of one alert group as a pure function.
//!
//! What Alertmanager keeps in memory, in goroutines and in timers is here data in and data out: a [`Group`] is
//! stored by the caller, [`step`] takes it with one [`Input`] at one moment and answers with the changed group and
//! the notifications to send. Nothing here reads a clock, a file or a network, and nothing sends anything.
//!
//! ```text
//! alertmanager.yml ──parse──► Config ──► Route::matching(labels) ──► a group per route and group labels
//! Input::Alerts ──┐
//! Input::Flush  ──┴─ step(policy, group, now) ─► the changed group, its next deadline, notifications
//! Silence, InhibitRule ─► Silencer, Inhibitor ─► which alerts are not notified now
//! Outcome ────────── Group::note_outcome ──────► what each integration knows; alerts that are over leave
//! alerts of a stretch of time ── Replay ───────► who would have been told what, and when
//! ```
//!
//! It is not a notifier: which payload a receiver gets is `parapet-receivers`, and who stores and sends is the
//! notifier function.
//!
//! # Contract
//! - Semantics are those of Alertmanager 0.34: `dispatch` (grouping, deadlines), `notify.DedupStage` (what is worth
//!   a notification), `provider/mem` (merging statements about one alert), `inhibit` ([`Inhibitor`]) and
//!   `timeinterval` ([`Config::muted_by_time`]).
//! - [`step`] is idempotent under replay: an input that was applied already changes nothing and sends nothing.
//! - Alerts, labels and configurations come from outside: no input makes this crate panic.
//!
//! ```
//! use parapet_model::{Alert, Labels};
//! use parapet_routing::{Group, Input, Policy, parse, step};
//!
//! let text = "route: {receiver: ops, group_by: [alertname]}\n\
//!             receivers:\n- name: ops\n  webhook_configs:\n  - url: http://example.com/hook\n";
//! let config = parse("alertmanager.yml", text)?;
//! let alert = Alert {
//!     labels: Labels::from_pairs([("alertname", "Down"), ("job", "node")]),
//!     starts_at_ms: 1_000,
//!     ends_at_ms: 500_000,
//!     updated_at_ms: 1_000,
//!     ..Alert::default()
//! };
//! let route = config.route.matching(&alert.labels)[0];
//! let policy = Policy::of(&config, route);
//! let mut group = Group::new(route, &alert.labels);
//! assert_eq!(group.key, r#"{}:{alertname="Down"}"#);
//!
//! let effects = step(&policy, &mut group, 1_000, Input::Alerts(vec![alert]));
//! assert!(effects.is_empty());
//! assert_eq!(group.next_flush_at_ms, Some(31_000)); // group_wait
//! let notifications = step(&policy, &mut group, 31_000, Input::Flush { muted: Default::default() });
//! assert_eq!(notifications[0].alerts.len(), 1);
//! # Ok::<(), parapet_routing::ConfigError>(())
//! ```
#![warn(missing_docs)]

mod acknowledgement;
pub mod config;
mod dedup;
mod error;
mod fingerprint;
mod group;
mod inhibit;
mod matchers;
mod merge;
mod replay;
mod route;
mod silence;
mod silence_notice;
mod step;
mod time_interval;

pub use acknowledgement::Acknowledgement;
pub use config::{Config, Integration, IntegrationKind, Receiver, Reference, Secret, SecretSource, parse, parse_as};
pub use dedup::{Reason, needs_update};
pub use error::ConfigError;
pub use fingerprint::Fingerprint;
pub use group::{Attempt, Doubtful, Failure, Group, GroupAlert, LogEntry, NotifiedAlert, Pending, Tombstone};
pub use inhibit::{InhibitRule, Inhibitor, is_source};
pub use matchers::{
    Grammar, Matcher, Matchers, MatchersError, parse_classic_matchers, parse_matchers, parse_utf8_matchers,
};
pub use merge::state_anew;
pub use replay::{Held, HeldBy, Page, Replay, Replayed};
pub use route::{Route, RouteOptions};
pub use silence::{Silence, SilenceChange, SilenceError, SilenceMatcher, SilenceState, Silencer};
pub use silence_notice::SILENCE_NOTICE;
pub use step::{Input, IntegrationPolicy, Notification, Outcome, Policy, step};
pub use time_interval::{DayOfMonthRange, Location, MonthRange, TimeInterval, TimeRange, WeekdayRange, YearRange};
