//! `info`: adds the labels of metrics such as `target_info` to series of the same instance and job.

use super::instant::{Cursor, Found};
use super::{Computed, Evaluator, Result, Row, failure, in_braces};
use crate::plan::{InfoSource, Node};
use parapet_model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher, Series};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The labels by which series find the metrics about them.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The info series found at a step, by metric name and identity.
type Present<'a> = HashMap<(&'a str, [&'a str; 2]), (&'a Labels, i64)>;

fn identity(labels: &Labels) -> [&str; 2] {
    IDENTIFYING.map(|name| labels.get(name).unwrap_or_default())
}

impl Evaluator<'_> {
    pub(super) fn info(&self, arg: &Node, source: &InfoSource) -> Result<Vec<Row>> {
        let base = self.vector(arg)?;
        let named: Vec<&Matcher> = source
            .matchers
            .iter()
            .filter(|matcher| matcher.name == METRIC_NAME)
            .collect();
        let data: Vec<&Matcher> = source
            .matchers
            .iter()
            .filter(|matcher| matcher.name != METRIC_NAME)
            .collect();
        let ignored: Vec<bool> = base
            .iter()
            .map(|row| is_info_metric(row.metric_name(), &named))
            .collect();
        let identified = base
            .iter()
            .zip(&ignored)
            .any(|(row, ignored)| !ignored && identity(&row.labels) != ["", ""]);
        let fetched = if identified { self.fetched(source.source) } else { &[] };
        let mut values: [HashSet<&str>; 2] = Default::default();
        for (row, _) in base.iter().zip(&ignored).filter(|(_, ignored)| !**ignored) {
            self.check_interrupt()?;
            for (values, value) in values.iter_mut().zip(identity(&row.labels)) {
                values.extend(Some(value).filter(|value| !value.is_empty()));
            }
        }
        // A label without a value is no reason to leave an info series out of sight.
        let known = |label: usize, value: &str| values[label].is_empty() || values[label].contains(value);
        let series: Vec<&Series> = fetched
            .iter()
            .copied()
            .filter(|series| {
                let identity = identity(&series.labels);
                known(0, identity[0]) && known(1, identity[1])
            })
            .collect();
        let mut cursors: Vec<Cursor<'_>> = series
            .iter()
            .map(|series| Cursor::new(series, &series.histograms, self.options().lookback_delta_ms))
            .collect();
        let mut names: Vec<&str> = series.iter().filter_map(|series| series.labels.metric_name()).collect();
        names.sort_unstable();
        names.dedup();

        let steps = self.steps();
        let mut out: Vec<Row> = Vec::new();
        let mut index: HashMap<Labels, usize> = HashMap::new();
        for step in 0..steps {
            self.check_interrupt()?;
            if base.iter().all(|row| row.get(step).is_none()) {
                continue;
            }
            let time = source.at.unwrap_or(self.grid.time(step)).saturating_sub(source.offset);
            let present = present_at(&series, &mut cursors, time)?;
            for (row, ignored) in base.iter().zip(&ignored) {
                let Some(value) = row.get(step).map(Computed::from) else {
                    continue;
                };
                let labels = if *ignored {
                    Some(row.labels.clone())
                } else {
                    enrich(&row.labels, &names, &present, &data)?
                };
                let Some(labels) = labels else { continue };
                let at = *index.entry(labels).or_insert_with_key(|labels| {
                    out.push(Row::new(labels.clone(), row.drop_name, steps));
                    out.len() - 1
                });
                if out[at].get(step).is_some() {
                    return failure(super::merge::SAME_LABELS);
                }
                out[at].set(step, value);
            }
        }
        Ok(out)
    }
}

/// Whether a series is itself one of the metrics that labels are taken from; it is then left as it is.
fn is_info_metric(name: &str, named: &[&Matcher]) -> bool {
    if named.is_empty() {
        return name == "target_info";
    }
    let positive = named
        .iter()
        .any(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Regex));
    named.iter().all(|matcher| matcher.matches(name)) && (positive || (name.ends_with("_info") && name.len() > 5))
}

/// The latest info series of each name and identity.
fn present_at<'a>(series: &[&'a Series], cursors: &mut [Cursor<'a>], time: i64) -> Result<Present<'a>> {
    let mut present: Present<'a> = HashMap::new();
    for (series, cursor) in series.iter().zip(cursors) {
        let at = match cursor.seek(time) {
            Some(Found::Float(at, ..)) => at,
            Some(Found::Histogram(..)) => {
                return failure(format!(
                    "this should be an info metric, with float samples: {}",
                    in_braces(&series.labels)
                ));
            }
            None => continue,
        };
        let key = (
            series.labels.metric_name().unwrap_or_default(),
            identity(&series.labels),
        );
        match present.get(&key) {
            Some((_, other)) if *other > at => {}
            Some((existing, other)) if *other == at => {
                return failure(format!(
                    "found duplicate series for info metric: existing {} @ {other}, new {} @ {at}",
                    in_braces(existing),
                    in_braces(&series.labels)
                ));
            }
            _ => {
                present.insert(key, (&series.labels, at));
            }
        }
    }
    Ok(present)
}

/// The labels with those of the info series; `None` where the matchers want labels that are not there.
fn enrich(base: &Labels, names: &[&str], present: &Present<'_>, data: &[&Matcher]) -> Result<Option<Labels>> {
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = false;
    for name in names {
        let Some((info, _)) = present.get(&(*name, identity(base))) else {
            continue;
        };
        found = true;
        for (label, value) in *info {
            let wanted = data.is_empty() || data.iter().any(|matcher| matcher.name == label);
            if label == METRIC_NAME || !wanted {
                continue;
            }
            if added.get(label).is_some_and(|other| *other != value) {
                return failure(format!("conflicting label: {label}"));
            }
            if base.get(label).is_none() {
                added.insert(label, value);
            }
        }
    }
    if !found && !data.iter().all(|matcher| matcher.matches("")) {
        return Ok(None);
    }
    if added.is_empty() {
        return Ok(Some(base.clone()));
    }
    let mut builder = LabelsBuilder::from(base);
    added.into_iter().for_each(|(label, value)| builder.set(label, value));
    Ok(Some(builder.build()))
}
