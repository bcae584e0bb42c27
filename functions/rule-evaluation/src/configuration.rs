//! The rule groups in force: parsed once per version of the configuration.

use crate::plan::GroupName;
use parapet_model::{Labels, METRIC_NAME, MatchOp, Matcher};
use parapet_ports::{Error, Kind, Ports};
use parapet_promql::{Options, QueryRange};
use parapet_rules::{RuleExpr, RuleGroup};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Every rule group with what evaluation needs to know beside it.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<RuleGroup>,
    pub(crate) evaluation_interval_ms: i64,
    pub(crate) query_offset_ms: i64,
    pub(crate) external_labels: Labels,
    places: HashMap<GroupName, usize>,
    /// For each group the groups whose recorded series it may read.
    sources: Vec<Vec<usize>>,
}

impl Groups {
    fn new(groups: Vec<RuleGroup>, config: &parapet_config::Config) -> Self {
        let places = groups.iter().map(name_of).zip(0..).collect();
        Self {
            sources: sources(&groups),
            places,
            groups,
            evaluation_interval_ms: config.evaluation_interval_ms,
            query_offset_ms: config.rule_query_offset_ms,
            external_labels: config.external_labels.clone(),
        }
    }

    /// The interval of a group, its own or the global one.
    pub(crate) fn interval_ms(&self, group: &RuleGroup) -> i64 {
        group.interval_ms.unwrap_or(self.evaluation_interval_ms)
    }

    pub(crate) fn find(&self, name: &GroupName) -> Option<&RuleGroup> {
        self.places.get(name).and_then(|place| self.groups.get(*place))
    }

    /// The groups whose recorded series a group may read, itself perhaps among them.
    pub(crate) fn sources(&self, name: &GroupName) -> impl Iterator<Item = &RuleGroup> {
        let sources = self.places.get(name).and_then(|place| self.sources.get(*place));
        sources.into_iter().flatten().map(|place| &self.groups[*place])
    }
}

pub(crate) fn name_of(group: &RuleGroup) -> GroupName {
    GroupName {
        file: group.file.clone(),
        name: group.name.clone(),
    }
}

/// Which group reads what which group records, by the metric names in their expressions.
fn sources(groups: &[RuleGroup]) -> Vec<Vec<usize>> {
    let mut recorders: HashMap<&str, BTreeSet<usize>> = HashMap::new();
    for (place, group) in groups.iter().enumerate() {
        for rule in &group.rules {
            let names: &[&str] = match rule.alerting {
                Some(_) => &["ALERTS", "ALERTS_FOR_STATE"],
                None => &[rule.name.as_str()],
            };
            for name in names {
                recorders.entry(*name).or_default().insert(place);
            }
        }
    }
    let read_by = |group: &RuleGroup| {
        let mut found = BTreeSet::new();
        for rule in &group.rules {
            // Rules over logs read nothing that is recorded.
            let RuleExpr::PromQl(expr) = &rule.expr else { continue };
            for selector in parapet_promql::selectors(expr, &QueryRange::instant(0), &Options::default()) {
                let names: Vec<&Matcher> = selector.matchers.iter().filter(|m| m.name == METRIC_NAME).collect();
                let exact = names.iter().find(|matcher| matcher.op == MatchOp::Equal);
                match exact {
                    Some(name) => found.extend(recorders.get(name.value.as_str()).into_iter().flatten()),
                    None => found.extend(
                        recorders
                            .iter()
                            .filter(|(metric, _)| names.iter().all(|name| name.matches(metric)))
                            .flat_map(|(_, places)| places),
                    ),
                }
            }
        }
        found.into_iter().collect()
    };
    groups.iter().map(read_by).collect()
}

/// The last configuration that was read.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    cached: Mutex<Option<(String, Arc<Groups>)>>,
}

impl Configuration {
    /// The groups as they are now.
    ///
    /// A configuration that does not read does not replace one that did: alerts go on as before, and the log says so.
    pub(crate) async fn current(&self, ports: &Ports) -> Result<Arc<Groups>, Error> {
        let files = ports.config.current().await?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, groups)) = &*cached
            && *version == files.version
        {
            return Ok(groups.clone());
        }
        match (parse(&files), &*cached) {
            (Ok(groups), _) => {
                let groups = Arc::new(groups);
                *cached = Some((files.version.clone(), groups.clone()));
                Ok(groups)
            }
            (Err(error), Some((_, last))) => {
                tracing::error!(%error, "the rules do not read: the last good ones stay in use");
                Ok(last.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn parse(files: &parapet_ports::ConfigFiles) -> Result<Groups, Error> {
    let invalid = |text: String| Error::new(Kind::Invalid, text);
    let config = parapet_store::configuration::prometheus(files).map_err(|e| invalid(e.to_string()))?;
    let mut groups = Vec::new();
    for file in &files.rules {
        groups.extend(parapet_rules::parse(&file.path, &file.text).map_err(|error| invalid(error.to_string()))?);
    }
    Ok(Groups::new(groups, &config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_who_reads_whom() {
        let text = "
groups:
- {name: a, rules: [{record: x, expr: up}, {alert: X, expr: x > 1}]}
- {name: b, rules: [{record: y, expr: sum(x) + 1}]}
- {name: c, rules: [{record: z, expr: 'count({__name__=~\"x|y\"})'}]}
- {name: d, rules: [{record: w, expr: 'count(ALERTS)'}]}
- {name: e, rules: [{record: v, expr: vector(1)}]}
";
        let groups = parapet_rules::parse("r.yml", text).unwrap();
        let sources = sources(&groups);
        assert_eq!(sources, [vec![0], vec![0], vec![0, 1], vec![0], vec![]]);
    }
}
