//! Which alerts a request wants.

use super::model::Status;
use super::{Failure, Query};
use parapet_model::{Labels, MatchOp};
use parapet_notifier::Suppression;
use parapet_routing::{Config, Grammar, Matcher};

/// `filter`, `receiver`, `receiver_matchers`, `active`, `silenced`, `inhibited`.
#[derive(Debug)]
pub(super) struct Filter {
    matchers: Vec<Matcher>,
    receiver: Option<regex::Regex>,
    receiver_matchers: Vec<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
}

impl Filter {
    pub(super) fn of(query: &Query, grammar: Grammar) -> Result<Self, Failure> {
        let receiver = query
            .all("receiver")
            .last()
            .map(|pattern| regex::Regex::new(&format!("^(?:{pattern})$")));
        let receiver = receiver
            .transpose()
            .map_err(|error| Failure::bad(format!("failed to parse receiver param: {error}")))?;
        let receiver_matchers = query.matchers("receiver_matchers", grammar).map_err(|failure| {
            let reason = failure.body.as_str().unwrap_or_default().to_owned();
            Failure::bad(format!("failed to parse receiver_matchers param: {reason}"))
        })?;
        Ok(Self {
            matchers: query.matchers("filter", grammar)?,
            receiver,
            receiver_matchers,
            active: query.flag("active")?,
            silenced: query.flag("silenced")?,
            inhibited: query.flag("inhibited")?,
        })
    }

    /// Whether a receiver is among those that are asked for.
    pub(super) fn wants_receiver(&self, config: &Config, name: &str) -> bool {
        let by_name = self.receiver.as_ref().is_none_or(|pattern| pattern.is_match(name));
        let by_labels = self.receiver_matchers.is_empty()
            || config.receiver(name).is_some_and(|receiver| {
                let label = |name: &str| receiver.labels.get(name).map(String::as_str);
                matches(&self.receiver_matchers, label)
            });
        by_name && by_labels
    }

    pub(super) fn wants_labels(&self, labels: &Labels) -> bool {
        matches(&self.matchers, |name| labels.get(name))
    }

    pub(super) fn wants_state(&self, suppression: &Suppression) -> bool {
        (self.active || suppression.is_any())
            && (self.silenced || suppression.silenced_by.is_empty())
            && (self.inhibited || suppression.inhibited_by.is_none())
    }
}

/// `matchFilterLabels` of Alertmanager: against the empty value, an absent label and an empty one differ.
pub(super) fn matches<'a>(matchers: &[Matcher], label: impl Fn(&str) -> Option<&'a str>) -> bool {
    matchers.iter().all(|matcher| {
        let value = label(&matcher.name);
        let negative = matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRegex);
        if matcher.value.is_empty() && value.is_some() == negative {
            return true;
        }
        matcher.matches(value.unwrap_or_default())
    })
}

/// How an alert's state is shown.
pub(super) fn status(suppression: &Suppression, muted_by: &[String]) -> Status {
    let suppressed = suppression.is_any() || !muted_by.is_empty();
    Status {
        inhibited_by: suppression.inhibited_by.iter().map(ToString::to_string).collect(),
        muted_by: muted_by.to_vec(),
        silenced_by: suppression.silenced_by.clone(),
        state: if suppressed { "suppressed" } else { "active" },
    }
}
