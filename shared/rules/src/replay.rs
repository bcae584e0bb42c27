//! [`replay`]: rule groups over stored history, as if they had been evaluated then.
//!
//! Every group is evaluated at each of its slots from a time to another, all groups in order of time, over a
//! [`Source`] of history. What they record they see; series of the same names that history has from that time on are
//! not seen, for they are of another run of the rules. What comes of it is told as it happens, so that a caller can
//! pass alerts on to routing, or gather [`Episode`]s.

use crate::answer::{Answerer, Source, cut};
use crate::group::RuleGroup;
use crate::memory::MemorySeries;
use crate::state::{AlertState, GroupState};
use crate::step::{Context, StepOutcome, step};
use parapet_model::{Labels, METRIC_NAME, Matcher, Series};
use parapet_promql::Options;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

/// How much of the time to come is fetched with what is asked for.
const FETCH_AHEAD_MS: i64 = 2 * 3_600_000;

/// Which times are replayed, milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub from_ms: i64,
    /// The last.
    pub to_ms: i64,
}

/// One evaluation of one group.
#[derive(Debug)]
pub struct Evaluated<'a> {
    /// The group.
    pub group: &'a RuleGroup,
    /// Its place among the groups.
    pub place: usize,
    /// The time.
    pub at_ms: i64,
    /// What came of it. Its alerts are what would have been sent.
    pub outcome: &'a StepOutcome,
}

/// Evaluates groups over history, and tells of each evaluation.
pub fn replay<S: Source>(
    groups: &[RuleGroup],
    span: Span,
    context: &Context,
    options: Options,
    history: S,
    tell: &mut dyn FnMut(Evaluated<'_>),
) {
    let layered = Layered {
        history: Ahead {
            source: history,
            to_ms: span.to_ms,
            fetched: HashMap::new(),
        },
        own: MemorySeries::default(),
        from_ms: span.from_ms,
        recorded: recorded_names(groups),
    };
    let mut answerer = Answerer::new(layered, options);
    let mut states = vec![GroupState::default(); groups.len()];
    let interval_ms = |group: &RuleGroup| group.interval_ms.unwrap_or(context.default_interval_ms).max(1);
    let mut due: BinaryHeap<Reverse<(i64, usize)>> = groups
        .iter()
        .enumerate()
        .filter_map(|(place, group)| {
            let first = group.slots(interval_ms(group), span.from_ms, i64::MAX).next()?;
            Some(Reverse((first, place)))
        })
        .collect();
    while let Some(Reverse((at_ms, place))) = due.pop() {
        if at_ms > span.to_ms {
            break;
        }
        let group = &groups[place];
        let before = std::mem::take(&mut states[place]);
        let outcome = step(group, before, at_ms, context, &mut |query| answerer.answer(query));
        for series in &outcome.samples {
            for sample in &series.samples {
                let own = &mut answerer.source().own;
                own.push(&series.labels, sample.timestamp_ms, &sample.value);
            }
        }
        tell(Evaluated {
            group,
            place,
            at_ms,
            outcome: &outcome,
        });
        states[place] = outcome.state;
        due.push(Reverse((at_ms + interval_ms(group), place)));
    }
}

fn recorded_names(groups: &[RuleGroup]) -> HashSet<String> {
    let rules = groups.iter().flat_map(|group| &group.rules);
    let recording = rules.filter(|rule| !rule.is_alerting()).map(|rule| rule.name.clone());
    let states = ["ALERTS", "ALERTS_FOR_STATE"].map(str::to_owned);
    recording.chain(states).collect()
}

/// History, and over it what the replay has recorded.
struct Layered<S> {
    history: Ahead<S>,
    own: MemorySeries,
    from_ms: i64,
    recorded: HashSet<String>,
}

impl<S: Source> Source for Layered<S> {
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let mut found: BTreeMap<Labels, Series> = BTreeMap::new();
        for series in self.history.select(matchers, start_ms, end_ms)? {
            let is_recorded = series
                .labels
                .get(METRIC_NAME)
                .is_some_and(|name| self.recorded.contains(name));
            let kept = match is_recorded {
                true => cut(&series, start_ms, self.from_ms - 1),
                false => Some(series),
            };
            found.extend(kept.map(|series| (series.labels.clone(), series)));
        }
        for mut own in self.own.select(matchers, start_ms, end_ms)? {
            match found.get_mut(&own.labels) {
                Some(series) => {
                    series.timestamps.append(&mut own.timestamps);
                    series.values.append(&mut own.values);
                    series.histograms.append(&mut own.histograms);
                }
                None => {
                    found.insert(own.labels.clone(), own);
                }
            }
        }
        Ok(found.into_values().collect())
    }
}

/// Fetches more than is asked for: time goes on, and the same is asked for again.
struct Ahead<S> {
    source: S,
    to_ms: i64,
    fetched: HashMap<String, (i64, i64, Vec<Series>)>,
}

impl<S: Source> Source for Ahead<S> {
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let key = crate::answer::key(matchers);
        let is_there = |(from_ms, to_ms, _): &(i64, i64, Vec<Series>)| *from_ms <= start_ms && end_ms <= *to_ms;
        if !self.fetched.get(&key).is_some_and(is_there) {
            let ahead_ms = end_ms.saturating_add(FETCH_AHEAD_MS).min(self.to_ms.max(end_ms));
            let series = self.source.select(matchers, start_ms, ahead_ms)?;
            self.fetched.insert(key.clone(), (start_ms, ahead_ms, series));
        }
        let all = self.fetched.get(&key).into_iter().flat_map(|(.., series)| series);
        Ok(all.filter_map(|series| cut(series, start_ms, end_ms)).collect())
    }
}

/// A time for which an alert fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// The rule file.
    pub file: String,
    /// The group.
    pub group: String,
    /// Labels, `alertname` included.
    pub labels: Labels,
    /// Annotations as they were last.
    pub annotations: Labels,
    /// Since when the expression held.
    pub active_at_ms: i64,
    /// Since when it fired.
    pub fired_at_ms: i64,
    /// When it was over; `None` where it fires to the end.
    pub resolved_at_ms: Option<i64>,
    /// The value of the expression when it last held.
    pub value: f64,
}

/// Gathers episodes and errors from evaluations.
#[derive(Debug, Default)]
pub struct Timeline {
    /// In the order in which they began to fire.
    pub episodes: Vec<Episode>,
    /// Failed evaluations by group, rule and message: how many.
    pub errors: BTreeMap<(String, String, String), u64>,
    /// Evaluations of groups.
    pub evaluations: u64,
    open: HashMap<(usize, usize, Labels), usize>,
}

impl Timeline {
    /// Takes note of an evaluation.
    pub fn note(&mut self, evaluated: &Evaluated<'_>) {
        self.evaluations += 1;
        let Evaluated { group, place, .. } = *evaluated;
        for (number, (rule, state)) in group.rules.iter().zip(&evaluated.outcome.state.rules).enumerate() {
            if let Some(error) = &state.last_error {
                let key = (group.name.clone(), rule.name.clone(), error.clone());
                *self.errors.entry(key).or_default() += 1;
            }
            for alert in &state.alerts {
                let key = (place, number, alert.labels.clone());
                match (alert.state, self.open.get(&key)) {
                    (AlertState::Firing, Some(at)) => {
                        let episode = &mut self.episodes[*at];
                        episode.value = alert.value;
                        episode.annotations = alert.annotations.clone();
                    }
                    (AlertState::Firing, None) => {
                        self.open.insert(key, self.episodes.len());
                        self.episodes.push(Episode {
                            file: group.file.clone(),
                            group: group.name.clone(),
                            labels: alert.labels.clone(),
                            annotations: alert.annotations.clone(),
                            active_at_ms: alert.active_at_ms,
                            fired_at_ms: alert.fired_at_ms.unwrap_or(evaluated.at_ms),
                            resolved_at_ms: None,
                            value: alert.value,
                        });
                    }
                    (AlertState::Inactive, Some(at)) => {
                        self.episodes[*at].resolved_at_ms = alert.resolved_at_ms;
                        self.open.remove(&key);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Value;

    #[test]
    fn tells_when_alerts_would_have_fired_and_sees_what_it_records() {
        let text = "
groups:
- {name: a, interval: 1m, rules: [{record: level, expr: sum(up)}]}
- {name: b, interval: 1m, rules: [{alert: Low, expr: level < 1, for: 2m}]}
";
        let groups = crate::parse("r.yml", text).unwrap();
        let mut history = MemorySeries::default();
        let up = Labels::from_pairs([("__name__", "up")]);
        // The rules of that time recorded otherwise: that is not looked at.
        let old = Labels::from_pairs([("__name__", "level")]);
        for minute in 0..60 {
            let is_up = !(20..30).contains(&minute);
            history.push(&up, minute * 60_000, &Value::Float(f64::from(u8::from(is_up))));
            history.push(&old, minute * 60_000, &Value::Float(0.0));
        }
        let mut timeline = Timeline::default();
        let span = Span {
            from_ms: 600_000,
            to_ms: 3_600_000,
        };
        replay(
            &groups,
            span,
            &Context::default(),
            Options::default(),
            history,
            &mut |evaluated| {
                timeline.note(&evaluated);
            },
        );
        assert_eq!((timeline.episodes.len(), timeline.evaluations), (1, 100));
        let episode = &timeline.episodes[0];
        assert_eq!(episode.fired_at_ms - episode.active_at_ms, 120_000);
        let minutes = |at_ms: i64| at_ms / 60_000;
        assert!((20..=21).contains(&minutes(episode.active_at_ms)), "{episode:?}");
        assert!(
            (30..=31).contains(&minutes(episode.resolved_at_ms.unwrap())),
            "{episode:?}"
        );
        assert!(timeline.errors.is_empty());
    }
}
