//! [`RuleGroup`]: a group as the evaluation needs it, checked and parsed.

use crate::expr::RuleExpr;
use parapet_model::Labels;

/// Rules that are evaluated together, in order.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    /// The file that it stands in.
    pub file: String,
    /// Its name, unique in its file.
    pub name: String,
    /// Milliseconds between evaluations; `None` for the global `evaluation_interval`.
    pub interval_ms: Option<i64>,
    /// How far in the past queries are asked, milliseconds; `None` for the global `rule_query_offset`.
    pub query_offset_ms: Option<i64>,
    /// The most series or alerts that one rule may give; 0 for no limit.
    pub limit: usize,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A recording or an alerting rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of the recorded metric, or of the alert.
    pub name: String,
    /// The expression.
    pub expr: RuleExpr,
    /// The rule's labels over the group's. Of an alert they are templates.
    pub labels: Labels,
    /// What only alerts have; `None` for a recording rule.
    pub alerting: Option<Alerting>,
    /// The line of the file on which the rule begins.
    pub line: u64,
}

/// What an alerting rule has beyond a recording one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerting {
    /// How long the expression must hold before the alert fires, milliseconds.
    pub for_ms: i64,
    /// How long the alert goes on firing after the expression ceased to hold, milliseconds.
    pub keep_firing_for_ms: i64,
    /// Templates, in order of name.
    pub annotations: Vec<(String, String)>,
}

impl RuleGroup {
    /// `file;name`, which tells it from every other group (`GroupKey` of Prometheus).
    #[must_use]
    pub fn key(&self) -> String {
        format!("{};{}", self.file, self.name)
    }

    /// Where in each interval the group is evaluated, milliseconds: where Prometheus has it, down to the whole second
    /// (`Group.EvalTimestamp`), so that groups spread over the interval and each stays at its place.
    #[must_use]
    pub fn slot_offset_ms(&self, interval_ms: i64) -> i64 {
        let interval_ns = interval_ms.max(1).unsigned_abs() * 1_000_000;
        let unit_ns = if interval_ms >= 1000 { 1_000_000_000 } else { 1_000_000 };
        let offset_ns = self.hash() % interval_ns / unit_ns * unit_ns;
        i64::try_from(offset_ns / 1_000_000).unwrap_or(0)
    }

    /// `Labels.Hash` of Prometheus over file and name: texts with their lengths before them.
    fn hash(&self) -> u64 {
        let mut bytes = Vec::new();
        for text in ["file", &self.file, "name", &self.name] {
            match u8::try_from(text.len()) {
                Ok(length) if length < u8::MAX => bytes.push(length),
                _ => {
                    bytes.push(u8::MAX);
                    bytes.extend(&(text.len() as u64).to_le_bytes()[..3]);
                }
            }
            bytes.extend(text.as_bytes());
        }
        xxhash_rust::xxh64::xxh64(&bytes, 0)
    }

    /// The evaluation times in `from_ms..to_ms`.
    pub fn slots(&self, interval_ms: i64, from_ms: i64, to_ms: i64) -> impl Iterator<Item = i64> + use<> {
        let interval_ms = interval_ms.max(1);
        let offset_ms = self.slot_offset_ms(interval_ms);
        let past = (from_ms - offset_ms).rem_euclid(interval_ms);
        let first = if past == 0 {
            from_ms
        } else {
            from_ms - past + interval_ms
        };
        std::iter::successors(Some(first), move |slot| slot.checked_add(interval_ms))
            .take_while(move |slot| *slot < to_ms)
    }
}

/// The rules that another rule has the same name and labels as, each once, in order of name and labels: what
/// promtool's lint `duplicate-rules` complains about.
#[must_use]
pub fn duplicates(groups: &[RuleGroup]) -> Vec<&Rule> {
    let mut rules: Vec<&Rule> = groups.iter().flat_map(|group| &group.rules).collect();
    let key = |rule: &Rule| (rule.name.clone(), rule.labels.clone());
    rules.sort_by_cached_key(|rule| key(rule));
    let mut repeated: Vec<&Rule> = rules
        .windows(2)
        .filter(|pair| key(pair[0]) == key(pair[1]))
        .map(|pair| pair[1])
        .collect();
    repeated.dedup_by_key(|rule| key(rule));
    repeated
}

impl Rule {
    /// Name and labels: what a rule is known by when the configuration changes.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}{}", self.name, self.labels)
    }

    /// Whether it is an alerting rule.
    #[must_use]
    pub fn is_alerting(&self) -> bool {
        self.alerting.is_some()
    }
}
