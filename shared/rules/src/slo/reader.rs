//! What reading every notation shares.

use super::query::Query;
use crate::error::Fault;
use crate::mapping::unknown_field;
use parapet_model::{parse_duration_ms, quote};
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Text = Spanned<String>;

/// The period where a file says none.
pub(super) const DEFAULT_PERIOD_MS: i64 = 30 * DAY_MS;
pub(super) const DAY_MS: i64 = 86_400_000;

/// Collects faults.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) faults: Vec<Fault>,
    ids: BTreeSet<String>,
}

impl Reader {
    pub(super) fn fault(&mut self, at: Location, message: impl Into<String>) {
        self.faults.push(Fault::at(at, message));
    }

    pub(super) fn unknown(&mut self, keys: &[Text], known: &[&str]) {
        for key in keys {
            self.fault(key.defined, unknown_field(&key.value, known));
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, text: Option<Text>, at: Location, field: &str) -> String {
        match text {
            Some(text) if !text.value.trim().is_empty() => text.value,
            _ => {
                self.fault(at, format!("field {} must be set", quote(field)));
                String::new()
            }
        }
    }

    /// Percent of good events; `None` after a fault.
    pub(super) fn objective(&mut self, percent: Option<Spanned<f64>>, at: Location) -> Option<f64> {
        let Some(percent) = percent else {
            self.fault(
                at,
                "field \"objective\" must be set: percent of good events, such as 99.9",
            );
            return None;
        };
        if percent.value > 0.0 && percent.value < 100.0 {
            return Some(percent.value);
        }
        let message = format!("objective {} is not between 0 and 100 percent", percent.value);
        self.fault(percent.defined, message);
        None
    }

    /// The period of an objective.
    pub(super) fn period(&mut self, text: Option<Text>) -> i64 {
        let Some(text) = text else { return DEFAULT_PERIOD_MS };
        match parse_duration_ms(&text.value) {
            Ok(period_ms) if period_ms >= DAY_MS && period_ms % DAY_MS == 0 => return period_ms,
            Ok(_) => self.fault(
                text.defined,
                "the window is not a number of whole days; write for example 30d",
            ),
            Err(error) => self.fault(text.defined, format!("{error}; write for example 30d")),
        }
        DEFAULT_PERIOD_MS
    }

    /// A query over a window; `None` after a fault.
    pub(super) fn query(&mut self, text: Option<Text>, at: Location, field: &str) -> Option<Query> {
        self.checked(text, at, field, Query::new)
    }

    /// A query that is its own measure; `None` after a fault.
    pub(super) fn instant(&mut self, text: Option<Text>, at: Location, field: &str) -> Option<Query> {
        self.checked(text, at, field, Query::instant)
    }

    fn checked(
        &mut self,
        text: Option<Text>,
        at: Location,
        field: &str,
        check: impl Fn(&str) -> Result<Query, String>,
    ) -> Option<Query> {
        let Some(text) = text else {
            self.fault(at, format!("field {} must be set", quote(field)));
            return None;
        };
        match check(&text.value) {
            Ok(query) => Some(query),
            Err(message) => {
                self.fault(text.defined, format!("{field}: {message}"));
                None
            }
        }
    }

    /// Labels of several levels, the later over the earlier.
    pub(super) fn labels(
        &mut self,
        levels: impl IntoIterator<Item = Option<BTreeMap<String, Text>>>,
    ) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        for (name, value) in levels.into_iter().flatten().flatten() {
            if name.is_empty() || name == "__name__" {
                self.fault(value.defined, format!("invalid label name: {name}"));
            }
            labels.insert(name, value.value);
        }
        labels
    }

    /// An id that nobody else has.
    pub(super) fn id(&mut self, service: &str, name: &str, at: Location) -> String {
        let id = format!("{service}-{name}");
        if !self.ids.insert(id.clone()) {
            self.fault(
                at,
                format!("the SLO {} of service {} is repeated", quote(name), quote(service)),
            );
        }
        id
    }
}
