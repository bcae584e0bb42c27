//! The rule-evaluation function: rule groups evaluated at their slots, by Prometheus' rules.
//!
//! ```text
//! minute tick ──► tasks, delayed to their slots ──► [rule-tasks]
//! [rule-tasks] ──► load state, step, send ──► [samples] recorded series, ALERTS  + [alerts] ──► store state
//! ```
//!
//! What a rule means is `parapet-rules`' and `parapet-promql`'s; here is fetching, sending and storing.
//!
//! # Invariants
//! - **No alert is lost, none fires early, `for` is never restarted by a crash.** The state is written last, over the
//!   version that was read. Until then a slot is evaluated again from the same state, says the same, and what it says
//!   twice is stored once (samples, by batch id) or merged (alerts, by their labels and time).
//! - **What a group recorded before is seen.** A group that reads series which another group (or itself) records waits
//!   until the samples of that group's last evaluation are stored; for ten seconds at most.
//! - **Slots go forward.** A task for a slot that is not after the last one evaluated does nothing.
//! - **A task that is more than a minute and more than its interval late is left out**, and counted as missed; where
//!   catching up is wanted, missed slots are evaluated by the next task, in order, without sending anything.
#![warn(missing_docs)]

mod configuration;
mod evaluate;
mod handler;
mod plan;
mod query;
mod settings;
mod state;
mod view;

pub use handler::RuleEvaluation;
pub use plan::{GroupName, RuleTask};
pub use settings::Settings;
pub use state::StoredState;
pub use view::read_rule_states;
