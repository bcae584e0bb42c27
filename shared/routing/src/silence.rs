//! Silences: what is not notified for a while, because somebody said so.

use crate::{Matcher, Matchers};
use parapet_model::{Labels, MatchOp, quote};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A silence (`silencepb.Silence` of Alertmanager). It is stored as JSON by the caller; fields are only added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Silence {
    /// A UUID; empty for one that is new.
    pub id: String,
    /// What it matches: all matchers of any one set.
    pub matcher_sets: Vec<Vec<SilenceMatcher>>,
    /// From when, milliseconds since the Unix epoch; `None` for now.
    pub starts_at_ms: Option<i64>,
    /// Until when, milliseconds since the Unix epoch.
    pub ends_at_ms: Option<i64>,
    /// When it was last changed, milliseconds since the Unix epoch.
    pub updated_at_ms: i64,
    /// Who said so.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Further facts about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A matcher of a silence, as the API has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceMatcher {
    /// The label's name.
    pub name: String,
    /// The value or the regular expression.
    pub value: String,
    /// Whether `value` is a regular expression.
    #[serde(default)]
    pub is_regex: bool,
    /// Whether it has to match; absent in requests of old clients, which knew nothing else.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Where a silence stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SilenceState {
    /// It holds.
    Active,
    /// It has not begun.
    Pending,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// As in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

/// A silence that cannot be; it prints in Alertmanager's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid silence: {0}")]
pub struct SilenceError(pub String);

/// What becomes of a silence that somebody sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceChange {
    /// What to store: under its own id, or under a new one where that is empty.
    pub set: Silence,
    /// The former one, over now, where it could not be changed into the new one.
    pub expire: Option<Silence>,
}

impl SilenceMatcher {
    fn op(&self) -> MatchOp {
        match (self.is_equal, self.is_regex) {
            (true, false) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (false, true) => MatchOp::NotRegex,
        }
    }

    /// The matcher itself.
    ///
    /// # Errors
    /// In Alertmanager's words: a name that is none, an expression that is none.
    pub fn compile(&self) -> Result<Matcher, String> {
        if self.name.is_empty() {
            return Err(format!("invalid label name {}", quote(&self.name)));
        }
        Matcher::new(self.name.clone(), self.op(), self.value.clone())
            .map_err(|_| format!("invalid regular expression {}", quote(&self.value)))
    }
}

impl Silence {
    /// Where it stands at a moment.
    #[must_use]
    pub fn state(&self, now_ms: i64) -> SilenceState {
        if self.starts_at_ms.is_some_and(|starts| now_ms < starts) {
            SilenceState::Pending
        } else if self.ends_at_ms.is_none_or(|ends| now_ms < ends) {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }

    /// Its matchers, each set compiled.
    ///
    /// # Errors
    /// [`SilenceError`] for the first that is none.
    pub fn compile(&self) -> Result<Vec<Matchers>, SilenceError> {
        let set = |(set_index, set): (usize, &Vec<SilenceMatcher>)| {
            let mut matchers = Vec::with_capacity(set.len());
            for (index, matcher) in set.iter().enumerate() {
                let matcher = matcher.compile().map_err(|error| {
                    SilenceError(format!("invalid label matcher {index} in set {set_index}: {error}"))
                })?;
                matchers.push(matcher);
            }
            Ok(Matchers(matchers))
        };
        self.matcher_sets.iter().enumerate().map(set).collect()
    }

    /// Whether it can be at all (`silence.validateSilence`).
    ///
    /// # Errors
    /// [`SilenceError`].
    pub fn validate(&self) -> Result<(), SilenceError> {
        let fail = |message: &str| Err(SilenceError(message.to_owned()));
        if self.matcher_sets.is_empty() {
            return fail("at least one matcher set required");
        }
        for (index, matchers) in self.compile()?.iter().enumerate() {
            if matchers.0.is_empty() {
                return fail(&format!("matcher set {index} is empty"));
            }
            let matches_empty =
                |matcher: &Matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Regex) && matcher.matches("");
            if matchers.0.iter().all(matches_empty) {
                return fail(&format!(
                    "matcher set {index}: at least one matcher must not match the empty string"
                ));
            }
        }
        let Some(starts) = self.starts_at_ms else {
            return fail("invalid zero start timestamp");
        };
        let Some(ends) = self.ends_at_ms else {
            return fail("invalid zero end timestamp");
        };
        if ends < starts {
            return fail("end time must not be before start time");
        }
        Ok(())
    }

    /// Whether this one can become `new` at a moment: another one would rewrite what it silenced
    /// (`silence.canUpdate`).
    #[must_use]
    pub fn can_become(&self, new: &Self, now_ms: i64) -> bool {
        let second = |at: Option<i64>| at.map(|at| at.div_euclid(1000));
        if self.matcher_sets != new.matcher_sets {
            return false;
        }
        match self.state(now_ms) {
            SilenceState::Active => {
                second(self.starts_at_ms) == second(new.starts_at_ms)
                    && new.ends_at_ms.is_some_and(|ends| ends >= now_ms)
            }
            SilenceState::Pending => new.starts_at_ms.is_some_and(|starts| starts >= now_ms),
            SilenceState::Expired => false,
        }
    }

    /// Sets a silence where `known` is the one of its id, if there is one (`silence.Silences.Set`).
    ///
    /// # Errors
    /// [`SilenceError`].
    pub fn set(mut self, known: Option<Self>, now_ms: i64) -> Result<SilenceChange, SilenceError> {
        self.starts_at_ms = self.starts_at_ms.or(Some(now_ms));
        self.validate()?;
        self.updated_at_ms = now_ms;
        match known {
            Some(known) if known.can_become(&self, now_ms) => Ok(SilenceChange {
                set: self,
                expire: None,
            }),
            known => {
                self.id.clear();
                self.starts_at_ms = self.starts_at_ms.max(Some(now_ms));
                let expire = known.and_then(|known| known.expired(now_ms));
                Ok(SilenceChange { set: self, expire })
            }
        }
    }

    /// The same, over now; `None` where it is over already.
    #[must_use]
    pub fn expired(mut self, now_ms: i64) -> Option<Self> {
        match self.state(now_ms) {
            SilenceState::Expired => return None,
            SilenceState::Active => {}
            SilenceState::Pending => self.starts_at_ms = Some(now_ms),
        }
        self.ends_at_ms = Some(now_ms);
        self.updated_at_ms = now_ms;
        Some(self)
    }
}

/// The silences that hold at a moment.
#[derive(Clone, Debug, Default)]
pub struct Silencer {
    active: Vec<(String, Vec<Matchers>)>,
}

impl Silencer {
    /// Of all silences, those that are active; one that does not compile silences nothing.
    #[must_use]
    pub fn new<'a>(silences: impl IntoIterator<Item = &'a Silence>, now_ms: i64) -> Self {
        let mut active: Vec<(String, Vec<Matchers>)> = silences
            .into_iter()
            .filter(|silence| silence.state(now_ms) == SilenceState::Active)
            .filter_map(|silence| Some((silence.id.clone(), silence.compile().ok()?)))
            .collect();
        active.sort_by(|a, b| a.0.cmp(&b.0));
        Self { active }
    }

    /// The ids of the silences that match an alert of these labels, in order.
    #[must_use]
    pub fn silenced_by(&self, labels: &Labels) -> Vec<&str> {
        self.active
            .iter()
            .filter(|(_, sets)| sets.iter().any(|set| set.matches(labels)))
            .map(|(id, _)| id.as_str())
            .collect()
    }
}
