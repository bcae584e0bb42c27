//! Stages compiled: regular expressions, patterns, templates and addresses read once.

use super::ast::{
    Comparison, Expr, LabelFilter, LabelSource, LineFilter, LineOp, LineOperand, LogExpr, MetricExpr, NamedMatcher,
    Quantity, Stage,
};
use super::ip::IpRange;
use super::path::{self, Step};
use super::pattern::Pattern;
use parapet_gotemplate::{Dialect, TemplateSet};
use parapet_model::{Matcher, go_regex, is_legacy_label_name};
use regex::Regex;

/// A compiled stage.
#[derive(Clone, Debug)]
pub(super) enum Compiled {
    Line {
        negated: bool,
        tests: Vec<LineTest>,
    },
    Json(Vec<(String, Vec<Step>)>),
    Logfmt {
        strict: bool,
        keep_empty: bool,
        labels: Vec<(String, String)>,
    },
    Regexp(Regex),
    Pattern(Pattern),
    Unpack,
    Filter(CompiledFilter),
    LineFormat(TemplateSet),
    Decolorize(Regex),
    LabelFormat(Vec<(String, CompiledSource)>),
    Drop(Vec<NamedMatcher>),
    Keep(Vec<NamedMatcher>),
}

#[derive(Clone, Debug)]
pub(super) enum LineTest {
    Contains(Box<memchr::memmem::Finder<'static>>),
    Matches(Regex),
    Pattern(Pattern),
    Ip(IpRange),
}

#[derive(Clone, Debug)]
pub(super) enum CompiledSource {
    Label(String),
    Template(TemplateSet),
}

#[derive(Clone, Debug)]
pub(super) enum CompiledFilter {
    Match(Matcher),
    Ip {
        name: String,
        negated: bool,
        range: IpRange,
    },
    Number {
        name: String,
        op: Comparison,
        value: Quantity,
    },
    And(Box<CompiledFilter>, Box<CompiledFilter>),
    Or(Box<CompiledFilter>, Box<CompiledFilter>),
}

/// Finds what the grammar cannot: expressions, templates and patterns that do not compile.
pub(super) fn check(expr: &Expr) -> Result<(), String> {
    match expr {
        Expr::Log(log) => stages(log).map(|_| ()),
        Expr::Metric(metric) => check_metric(metric),
    }
}

fn check_metric(expr: &MetricExpr) -> Result<(), String> {
    match expr {
        MetricExpr::Range(range) => {
            stages(&range.log)?;
            for one in range.unwrap.iter().flat_map(|unwrap| &unwrap.filters) {
                filter(one)?;
            }
            Ok(())
        }
        MetricExpr::Vector { inner, .. } | MetricExpr::LabelReplace { inner, .. } => check_metric(inner),
        MetricExpr::Binary { left, right, .. } => check_metric(left).and_then(|()| check_metric(right)),
        MetricExpr::Literal(_) | MetricExpr::Constant(_) => Ok(()),
    }
}

/// Compiles the stages of a query.
pub(super) fn stages(log: &LogExpr) -> Result<Vec<Compiled>, String> {
    log.stages.iter().map(stage).collect()
}

fn stage(stage: &Stage) -> Result<Compiled, String> {
    Ok(match stage {
        Stage::Line(filter) => line(filter)?,
        Stage::Json(labels) => {
            let read = |(label, text): &(String, String)| Ok((label.clone(), path::parse(text)?));
            Compiled::Json(labels.iter().map(read).collect::<Result<_, String>>()?)
        }
        Stage::Logfmt {
            strict,
            keep_empty,
            labels,
        } => {
            if let Some((_, key)) = labels.iter().find(|(_, key)| !is_legacy_label_name(key)) {
                return Err(format!(
                    "cannot parse expression [{key}]; write a key as labels have it, user_name for user.name"
                ));
            }
            Compiled::Logfmt {
                strict: *strict,
                keep_empty: *keep_empty,
                labels: labels.clone(),
            }
        }
        Stage::Regexp(pattern) => {
            let regex = go_regex(pattern).map_err(|error| error.to_string())?;
            if regex.capture_names().flatten().next().is_none() {
                return Err("at least one named capture must be supplied; write (?P<name>…)".to_owned());
            }
            Compiled::Regexp(regex)
        }
        Stage::Pattern(pattern) => Compiled::Pattern(Pattern::parse(pattern, true)?),
        Stage::Unpack => Compiled::Unpack,
        Stage::Filter(one) => Compiled::Filter(filter(one)?),
        Stage::LineFormat(text) => Compiled::LineFormat(template("line", text)?),
        Stage::Decolorize => {
            // ANSI's escape sequences.
            let regex = Regex::new("\x1b\\[[0-?]*[ -/]*[@-~]|\u{9b}[0-?]*[ -/]*[@-~]|\x1b\\][^\x07]*\x07");
            Compiled::Decolorize(regex.map_err(|error| error.to_string())?)
        }
        Stage::LabelFormat(formats) => {
            let read = |(label, source): &(String, LabelSource)| {
                let source = match source {
                    LabelSource::Label(name) => CompiledSource::Label(name.clone()),
                    LabelSource::Template(text) => CompiledSource::Template(template("label", text)?),
                };
                Ok((label.clone(), source))
            };
            Compiled::LabelFormat(formats.iter().map(read).collect::<Result<_, String>>()?)
        }
        Stage::Drop(matchers) => Compiled::Drop(matchers.clone()),
        Stage::Keep(matchers) => Compiled::Keep(matchers.clone()),
    })
}

fn template(name: &str, text: &str) -> Result<TemplateSet, String> {
    let mut set = TemplateSet::new(Dialect::Loki);
    set.parse(name, text)
        .map_err(|error| format!("invalid {name} template: {error}"))?;
    Ok(set)
}

fn line(filter: &LineFilter) -> Result<Compiled, String> {
    let read = |operand: &LineOperand| {
        Ok(match (filter.op, operand) {
            (_, LineOperand::Ip(pattern)) => LineTest::Ip(IpRange::parse(pattern)?),
            (LineOp::Contains | LineOp::NotContains, LineOperand::Text(text)) => {
                LineTest::Contains(Box::new(memchr::memmem::Finder::new(text.as_bytes()).into_owned()))
            }
            (LineOp::Matches | LineOp::NotMatches, LineOperand::Text(text)) => {
                // As Loki's: a point matches a line break too.
                let pattern = format!("(?s){text}");
                LineTest::Matches(go_regex(&pattern).map_err(|error| error.to_string())?)
            }
            (LineOp::Pattern | LineOp::NotPattern, LineOperand::Text(text)) => {
                LineTest::Pattern(Pattern::parse(text, false)?)
            }
        })
    };
    Ok(Compiled::Line {
        negated: filter.op.negated(),
        tests: filter.operands.iter().map(read).collect::<Result<_, String>>()?,
    })
}

pub(super) fn filter(one: &LabelFilter) -> Result<CompiledFilter, String> {
    Ok(match one {
        LabelFilter::Match(matcher) => CompiledFilter::Match(matcher.clone()),
        LabelFilter::Ip { name, negated, pattern } => CompiledFilter::Ip {
            name: name.clone(),
            negated: *negated,
            range: IpRange::parse(pattern)?,
        },
        LabelFilter::Number { name, op, value } => CompiledFilter::Number {
            name: name.clone(),
            op: *op,
            value: *value,
        },
        LabelFilter::And(left, right) => CompiledFilter::And(Box::new(filter(left)?), Box::new(filter(right)?)),
        LabelFilter::Or(left, right) => CompiledFilter::Or(Box::new(filter(left)?), Box::new(filter(right)?)),
    })
}
