//! What parsers have to find: a metric query that groups needs few labels, and Loki's parsers read no further in a line
//! than those, so that a fault behind them is none (`pkg/logql/log/parser_hints.go`).

use super::ast::{Grouping, LabelFilter, LabelSource, MetricExpr, NamedMatcher, RangeAggregation, Stage};
use super::row::ERROR;
use std::collections::BTreeSet;

const EXTRACTED: &str = "_extracted";

/// The labels that parsers are to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    /// `None` for all.
    pub(super) wanted: Option<Vec<String>>,
}

/// Of a query of lines, which shows all.
pub(super) const ALL: Hints = Hints { wanted: None };

impl Hints {
    /// Those of an aggregation over time.
    pub(super) fn of(range: &RangeAggregation) -> Self {
        let groups = match &range.grouping {
            _ if range.function == "absent_over_time" => &[],
            Some(grouping) if !grouping.without => grouping.labels.as_slice(),
            _ => return ALL,
        };
        let mut wanted = groups.to_vec();
        for stage in &range.log.stages {
            match stage {
                Stage::Filter(filter) => names(filter, &mut wanted),
                Stage::LabelFormat(formats) => {
                    for (_, source) in formats {
                        match source {
                            LabelSource::Label(name) => wanted.push(name.clone()),
                            LabelSource::Template(_) => return ALL,
                        }
                    }
                }
                // What a template reads is not known.
                Stage::LineFormat(_) => return ALL,
                _ => {}
            }
        }
        if let Some(unwrap) = &range.unwrap {
            wanted.push(unwrap.label.clone());
            unwrap.filters.iter().for_each(|filter| names(filter, &mut wanted));
        }
        // Before a line is read it is not known whether the name is another label's too.
        let plain: Vec<String> = wanted
            .iter()
            .filter_map(|name| name.strip_suffix(EXTRACTED).map(str::to_owned))
            .collect();
        wanted.extend(plain);
        Self { wanted: Some(wanted) }
    }

    pub(super) fn want(&self, name: &str) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| wanted.iter().any(|other| other == name))
    }

    /// Whether faults of parsers are asked for by name: they are no fault of the query then.
    pub(super) fn want_errors(&self) -> bool {
        self.wanted.is_some() && self.want(ERROR)
    }
}

/// The labels that a query names, wherever in it: those that its series are to have, if there are such.
pub(super) fn named(expr: &MetricExpr) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    collect(expr, &mut out);
    out
}

fn collect(expr: &MetricExpr, out: &mut BTreeSet<String>) {
    match expr {
        MetricExpr::Range(range) => {
            out.extend(labels_of(range.grouping.as_ref()));
            out.extend(range.log.selector.iter().map(|matcher| matcher.name.clone()));
            for stage in &range.log.stages {
                match stage {
                    Stage::Filter(filter) => names(filter, out),
                    Stage::Keep(kept) => out.extend(kept.iter().map(|kept| match kept {
                        NamedMatcher::Name(name) => name.clone(),
                        NamedMatcher::Matcher(matcher) => matcher.name.clone(),
                    })),
                    _ => {}
                }
            }
            let filters = range.unwrap.iter().flat_map(|unwrap| &unwrap.filters);
            filters.for_each(|filter| names(filter, out));
        }
        MetricExpr::Vector { inner, grouping, .. } => {
            out.extend(labels_of(grouping.as_ref()));
            collect(inner, out);
        }
        MetricExpr::Binary {
            matching, left, right, ..
        } => {
            out.extend(matching.labels.iter().chain(&matching.include).cloned());
            collect(left, out);
            collect(right, out);
        }
        MetricExpr::LabelReplace { inner, arguments } => {
            let [_, _, source, _] = arguments;
            out.insert(source.clone());
            collect(inner, out);
        }
        MetricExpr::Literal(_) | MetricExpr::Constant(_) => {}
    }
}

fn labels_of(grouping: Option<&Grouping>) -> Vec<String> {
    grouping.map(|grouping| grouping.labels.clone()).unwrap_or_default()
}

fn names(filter: &LabelFilter, out: &mut impl Extend<String>) {
    match filter {
        LabelFilter::Match(matcher) => out.extend([matcher.name.clone()]),
        LabelFilter::Ip { name, .. } | LabelFilter::Number { name, .. } => out.extend([name.clone()]),
        LabelFilter::And(left, right) | LabelFilter::Or(left, right) => {
            names(left, out);
            names(right, out);
        }
    }
}
