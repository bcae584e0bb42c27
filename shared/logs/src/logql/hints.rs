//! What parsers have to find: a metric query that groups needs few labels, and Loki's parsers read no further in a line
//! than those, so that a fault behind them is none (`pkg/logql/log/parser_hints.go`).

use super::ast::{LabelFilter, LabelSource, RangeAggregation, Stage};
use super::row::ERROR;

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

fn names(filter: &LabelFilter, out: &mut Vec<String>) {
    match filter {
        LabelFilter::Match(matcher) => out.push(matcher.name.clone()),
        LabelFilter::Ip { name, .. } | LabelFilter::Number { name, .. } => out.push(name.clone()),
        LabelFilter::And(left, right) | LabelFilter::Or(left, right) => {
            names(left, out);
            names(right, out);
        }
    }
}
