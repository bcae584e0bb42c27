//! Writes a tree as Prometheus does: `Display` on one line, [`pretty`] over several.

mod pretty;

pub use pretty::{pretty, pretty_within};

use crate::ast::{
    Aggregate, AtModifier, Binary, BinaryOp, Cardinality, DurationExpr, DurationKind, DurationValue, Expr, Extension,
    MatrixSelector, NumberLiteral, Subquery, VectorMatching, VectorSelector,
};
use parapet_model::{METRIC_NAME, MatchOp, format_duration_ms, format_float, is_legacy_label_name, quote};
use std::fmt::{Display, Formatter, Result, Write};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Aggregate(node) => {
                write_aggregate_head(f, node)?;
                f.write_char('(')?;
                if let Some(param) = &node.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", node.expr)
            }
            Self::Binary(node) => {
                write!(f, "{} ", node.lhs)?;
                write_operator(f, node)?;
                write!(f, " {}", node.rhs)
            }
            Self::Call(node) => {
                write!(f, "{}(", node.function.name)?;
                for (at, arg) in node.args.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    write!(f, "{arg}")?;
                }
                f.write_char(')')
            }
            Self::Matrix(node) => node.fmt(f),
            Self::Number(node) => node.fmt(f),
            Self::Paren(node) => write!(f, "({})", node.expr),
            Self::String(node) => match &node.invalid {
                Some(quoted) => f.write_str(quoted),
                None => f.write_str(&quote(&node.value)),
            },
            Self::Subquery(node) => {
                write!(f, "{}", node.expr)?;
                write_subquery_tail(f, node)
            }
            Self::Unary(node) => write!(f, "{}{}", BinaryOp::sign(node.negative).as_str(), node.expr),
            Self::Vector(node) => {
                write_selector(f, node)?;
                write_at(f, node.time.at)?;
                write_extension(f, node.extension)?;
                write_offset(f, node.time.offset.as_ref())
            }
        }
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write_selector(f, &self.selector)?;
        write!(f, "[{}]", self.range)?;
        write_extension(f, self.selector.extension)?;
        write_at(f, self.selector.time.at)?;
        write_offset(f, self.selector.time.offset.as_ref())
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if !self.duration {
            return f.write_str(&format_float(self.value));
        }
        #[allow(clippy::cast_possible_truncation)] // Saturates.
        let ms = (self.value * 1e9) as i64 / 1_000_000;
        // Only a number below zero has a sign, however little of it there is.
        if self.value < 0.0 && ms == 0 {
            f.write_str("-0s")
        } else {
            f.write_str(&format_duration_ms(ms))
        }
    }
}

impl Display for DurationValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Literal(ms) => f.write_str(&format_duration_ms(*ms)),
            Self::Expr(expr) => expr.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.wrapped {
            f.write_char('(')?;
        }
        match &self.kind {
            DurationKind::Number(literal) => literal.fmt(f)?,
            DurationKind::Step => f.write_str("step()")?,
            DurationKind::Range => f.write_str("range()")?,
            DurationKind::MinOf(left, right) => write!(f, "min_of({left}, {right})")?,
            DurationKind::MaxOf(left, right) => write!(f, "max_of({left}, {right})")?,
            DurationKind::Negate(operand) => write!(f, "-{operand}")?,
            DurationKind::Plus(operand) => operand.fmt(f)?,
            DurationKind::Binary(op, left, right) => write!(f, "{left} {} {right}", op.as_str())?,
        }
        if self.wrapped { f.write_char(')') } else { Ok(()) }
    }
}

/// An aggregation's operator and grouping.
fn write_aggregate_head(f: &mut impl Write, node: &Aggregate) -> Result {
    f.write_str(node.op.as_str())?;
    if node.without || !node.grouping.is_empty() {
        f.write_str(if node.without { " without (" } else { " by (" })?;
        write_labels(f, &node.grouping)?;
        f.write_str(") ")?;
    }
    Ok(())
}

/// A binary operator with its modifiers.
fn write_operator(f: &mut impl Write, node: &Binary) -> Result {
    f.write_str(node.op.as_str())?;
    if node.return_bool {
        f.write_str(" bool")?;
    }
    node.matching
        .as_ref()
        .map_or(Ok(()), |matching| write_matching(f, matching))
}

fn write_matching(f: &mut impl Write, matching: &VectorMatching) -> Result {
    let group = match matching.cardinality {
        Cardinality::ManyToOne => Some("left"),
        Cardinality::OneToMany => Some("right"),
        Cardinality::OneToOne | Cardinality::ManyToMany => None,
    };
    if !matching.labels.is_empty() || matching.on || group.is_some() {
        f.write_str(if matching.on { " on (" } else { " ignoring (" })?;
        write_labels(f, &matching.labels)?;
        f.write_char(')')?;
    }
    if let Some(side) = group {
        write!(f, " group_{side} (")?;
        write_labels(f, &matching.include)?;
        f.write_char(')')?;
    }
    match (matching.fill_left, matching.fill_right) {
        #[allow(clippy::float_cmp)]
        (Some(left), Some(right)) if left == right => write!(f, " fill ({})", general(left)),
        (left, right) => {
            if let Some(left) = left {
                write!(f, " fill_left ({})", general(left))?;
            }
            if let Some(right) = right {
                write!(f, " fill_right ({})", general(right))?;
            }
            Ok(())
        }
    }
}

fn write_labels(f: &mut impl Write, labels: &[String]) -> Result {
    for (at, label) in labels.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { ", " })?;
        if is_legacy_label_name(label) {
            f.write_str(label)?;
        } else {
            f.write_str(&quote(label))?;
        }
    }
    Ok(())
}

fn write_subquery_tail(f: &mut impl Write, node: &Subquery) -> Result {
    write!(f, "[{}:", node.range)?;
    if let Some(step) = &node.step {
        write!(f, "{step}")?;
    }
    f.write_char(']')?;
    write_at(f, node.time.at)?;
    write_offset(f, node.time.offset.as_ref())
}

/// Name and matchers, sorted as texts.
fn write_selector(f: &mut impl Write, node: &VectorSelector) -> Result {
    f.write_str(&node.name)?;
    let mut matchers: Vec<String> = node
        .matchers
        .iter()
        .filter(|matcher| {
            let says_the_name =
                matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal && matcher.value == node.name;
            !says_the_name || matcher.value.is_empty()
        })
        .map(ToString::to_string)
        .collect();
    // Prometheus prints the `{}` of `info(up, {})` as nothing, which is no expression any more.
    if matchers.is_empty() && !node.name.is_empty() {
        return Ok(());
    }
    matchers.sort_unstable();
    write!(f, "{{{}}}", matchers.join(","))
}

fn write_extension(f: &mut impl Write, extension: Option<Extension>) -> Result {
    f.write_str(match extension {
        Some(Extension::Anchored) => " anchored",
        Some(Extension::Smoothed) => " smoothed",
        None => "",
    })
}

fn write_at(f: &mut impl Write, at: Option<AtModifier>) -> Result {
    match at {
        #[allow(clippy::cast_precision_loss)]
        Some(AtModifier::Timestamp(ms)) => write!(f, " @ {:.3}", ms as f64 / 1000.0),
        Some(AtModifier::Start) => f.write_str(" @ start()"),
        Some(AtModifier::End) => f.write_str(" @ end()"),
        None => Ok(()),
    }
}

fn write_offset(f: &mut impl Write, offset: Option<&DurationValue>) -> Result {
    offset.map_or(Ok(()), |offset| write!(f, " offset {offset}"))
}

/// Go's `%v` of a float: shortest digits, an exponent below 1e-4 and from 1e6 on.
pub(crate) fn general(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() || magnitude == 0.0 || (1e-4..1e6).contains(&magnitude) {
        return format_float(value);
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::general;
    use crate::parse;

    #[test]
    fn floats_as_go() {
        for (value, want) in [
            (1e21, "1e+21"),
            (1e-5, "1e-05"),
            (0.5, "0.5"),
            (-1.5e-7, "-1.5e-07"),
            (999_999.5, "999999.5"),
        ] {
            assert_eq!(general(value), want);
        }
    }

    #[test]
    fn a_printed_query_prints_the_same() {
        for text in [
            "sum by (a, \"b.c\") (rate({\"x.y\", a=~\"b|c\"}[5m] anchored @ 1.000 offset -1m))",
            "a / on (b) group_left (c) fill (0) d",
            "x[(5m + step()) * 2:-(1m)] offset (1h - 5m)",
        ] {
            let once = parse(text).unwrap().to_string();
            assert_eq!(parse(&once).unwrap().to_string(), once);
        }
    }
}
