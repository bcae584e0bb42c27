//! What a query needs to be given.

use super::ast::{Expr, LabelFilter, LineFilter, LineOp, LineOperand, LogExpr, MetricExpr, RangeAggregation, Stage};
use super::evaluation::Parameters;
use super::hints::named;
use super::pattern::Pattern;
use crate::discover::{DETECTED_LEVEL, SERVICE_NAME};
use crate::{Need, Steps};
use parapet_model::{MatchOp, Matcher};
use std::collections::BTreeSet;

/// Records that a query needs. More may be given: the evaluation looks itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Which streams.
    pub matchers: Vec<Matcher>,
    /// The first nanosecond that counts.
    pub start_ns: i64,
    /// The last nanosecond that counts.
    pub end_ns: i64,
    /// Words that blocks of lines must have for any line to matter.
    pub need: Need,
    /// Labels that a record's own fields, or its stream's labels, must have: what a column or an index may be asked. The
    /// names are those of labels: `trace_id`, `service_name`, `http_status` for the attribute `http.status`.
    pub fields: Vec<(String, String)>,
    /// Whether the line itself is looked at; where it is not, records may come without.
    pub line: bool,
    /// Where only the number of records matters that are of one of these steps and alike in stream, service, host and
    /// level: fields of records, traces and lines are not looked at.
    pub steps: Option<Steps>,
}

/// What a query needs, in the order in which [`super::Evaluation::push`] counts.
#[must_use]
pub fn plan(expr: &Expr, parameters: &Parameters) -> Vec<Selection> {
    match expr {
        Expr::Log(log) => vec![selection(
            log,
            parameters.start_ns,
            // The end of a range of lines is not part of it.
            if parameters.step_ns == 0 && parameters.start_ns == parameters.end_ns {
                parameters.end_ns
            } else {
                parameters.end_ns.saturating_sub(1)
            },
        )],
        Expr::Metric(metric) => {
            let named = named(metric);
            let of_range = |range: &RangeAggregation| {
                let back = range.range_ns.saturating_add(range.offset_ns);
                let selection = selection(
                    &range.log,
                    parameters.start_ns.saturating_sub(back).saturating_add(1),
                    parameters.end_ns.saturating_sub(range.offset_ns),
                );
                Selection {
                    line: range.function.starts_with("bytes_") || range.log.stages.iter().any(needs_line),
                    steps: counts_alone(range, &named).then(|| steps(range, parameters)),
                    ..selection
                }
            };
            ranges(metric).into_iter().map(of_range).collect()
        }
    }
}

/// Whether an aggregation counts records by what their stream, service, host and level tell. A label that the query
/// names may be a field of the record, unless there is always one of that name before fields are looked at.
fn counts_alone(range: &RangeAggregation, named: &BTreeSet<String>) -> bool {
    let has_always = |name: &String| {
        let required = |matcher: &Matcher| matcher.name == *name && !matcher.matches("");
        matches!(name.as_str(), SERVICE_NAME | DETECTED_LEVEL) || range.log.selector.iter().any(required)
    };
    matches!(range.function.as_str(), "count_over_time" | "rate" | "absent_over_time")
        && range.unwrap.is_none()
        && !range.log.stages.iter().any(needs_line)
        && named.iter().all(has_always)
}

/// The pieces of time between the ends of an aggregation's windows, which are open on the left.
fn steps(range: &RangeAggregation, parameters: &Parameters) -> Steps {
    let last = parameters.start_ns.saturating_sub(range.offset_ns);
    let begins = [last, last.saturating_sub(range.range_ns)].map(|end| end.saturating_add(1));
    match parameters.step_ns {
        0 => Steps::new(1, Vec::new()),
        step_ns => Steps::new(step_ns, begins.to_vec()),
    }
}

/// The aggregations over time of a query, in the order in which they stand.
pub(super) fn ranges(expr: &MetricExpr) -> Vec<&RangeAggregation> {
    match expr {
        MetricExpr::Range(range) => vec![range],
        MetricExpr::Vector { inner, .. } | MetricExpr::LabelReplace { inner, .. } => ranges(inner),
        MetricExpr::Binary { left, right, .. } => {
            let mut all = ranges(left);
            all.extend(ranges(right));
            all
        }
        MetricExpr::Literal(_) | MetricExpr::Constant(_) => Vec::new(),
    }
}

fn selection(log: &LogExpr, start_ns: i64, end_ns: i64) -> Selection {
    let mut needs = Vec::new();
    let mut fields = Vec::new();
    let mut labels_as_stored = true;
    for stage in &log.stages {
        match stage {
            Stage::Line(filter) => needs.push(need(filter)),
            Stage::Filter(filter) if labels_as_stored => equalities(filter, &mut fields),
            Stage::Filter(_) => {}
            // From here on the line is another.
            Stage::LineFormat(_) | Stage::Unpack | Stage::Decolorize => break,
            // Parsed labels may have the names of stored ones.
            _ => labels_as_stored = false,
        }
    }
    Selection {
        matchers: log.selector.clone(),
        start_ns,
        end_ns,
        need: Need::all(needs),
        fields,
        line: true,
        steps: None,
    }
}

/// Whether a stage looks at the line.
fn needs_line(stage: &Stage) -> bool {
    !matches!(stage, Stage::Filter(_) | Stage::Drop(_) | Stage::Keep(_))
}

fn need(filter: &LineFilter) -> Need {
    let one = |operand: &LineOperand| match (filter.op, operand) {
        (LineOp::Contains, LineOperand::Text(text)) => Need::substring(text),
        (LineOp::Pattern, LineOperand::Text(text)) => match Pattern::parse(text, false) {
            Ok(pattern) => Need::all(pattern.literals().map(Need::substring)),
            Err(_) => Need::Nothing,
        },
        _ => Need::Nothing,
    };
    Need::any(filter.operands.iter().map(one))
}

fn equalities(filter: &LabelFilter, fields: &mut Vec<(String, String)>) {
    match filter {
        LabelFilter::Match(matcher) if matcher.op == MatchOp::Equal && !matcher.value.is_empty() => {
            fields.push((matcher.name.clone(), matcher.value.clone()));
        }
        LabelFilter::And(left, right) => {
            equalities(left, fields);
            equalities(right, fields);
        }
        _ => {}
    }
}
