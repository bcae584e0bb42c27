//! Writes queries, in Loki's form: what is written reads as the same query.

use super::ast::{
    Conversion, Expr, Grouping, LabelFilter, LabelSource, LineOperand, LogExpr, Matching, MetricExpr, NamedMatcher,
    Quantity, RangeAggregation, Stage, Unwrap,
};
use parapet_model::{format_duration_ms, format_float, quote};
use std::fmt::{self, Display, Formatter};

/// A list with a separator.
fn list<T: Display>(f: &mut Formatter<'_>, items: impl IntoIterator<Item = T>, separator: &str) -> fmt::Result {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// Milliseconds as Prometheus writes them; what is shorter as Go does.
fn duration(nanos: i64) -> String {
    if nanos % 1_000_000 == 0 {
        return format_duration_ms(nanos / 1_000_000);
    }
    format!("{nanos}ns")
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(log) => log.fmt(f),
            Self::Metric(metric) => metric.fmt(f),
        }
    }
}

impl Display for LogExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        list(f, &self.selector, ", ")?;
        f.write_str("}")?;
        for stage in &self.stages {
            write!(f, " {stage}")?;
        }
        Ok(())
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pairs = |f: &mut Formatter<'_>, labels: &[(String, String)]| {
            let written = labels
                .iter()
                .map(|(label, source)| format!("{label}={}", quote(source)));
            let separator = if labels.is_empty() { "" } else { " " };
            f.write_str(separator)?;
            list(f, written, ",")
        };
        match self {
            Self::Line(filter) => {
                write!(f, "{} ", filter.op.as_str())?;
                let written = filter.operands.iter().map(|operand| match operand {
                    LineOperand::Text(text) => quote(text),
                    LineOperand::Ip(pattern) => format!("ip({})", quote(pattern)),
                });
                list(f, written, " or ")
            }
            Self::Json(labels) => {
                f.write_str("| json")?;
                pairs(f, labels)
            }
            Self::Logfmt {
                strict,
                keep_empty,
                labels,
            } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                f.write_str(if *keep_empty { " --keep-empty" } else { "" })?;
                pairs(f, labels)
            }
            Self::Regexp(pattern) => write!(f, "| regexp {}", quote(pattern)),
            Self::Pattern(pattern) => write!(f, "| pattern {}", quote(pattern)),
            Self::Unpack => f.write_str("| unpack"),
            Self::Filter(filter) => write!(f, "| {filter}"),
            Self::LineFormat(text) => write!(f, "| line_format {}", quote(text)),
            Self::Decolorize => f.write_str("| decolorize"),
            Self::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                let written = formats.iter().map(|(label, source)| match source {
                    LabelSource::Label(name) => format!("{label}={name}"),
                    LabelSource::Template(text) => format!("{label}={}", quote(text)),
                });
                list(f, written, ",")
            }
            Self::Drop(matchers) => {
                f.write_str("| drop ")?;
                list(f, matchers, ",")
            }
            Self::Keep(matchers) => {
                f.write_str("| keep ")?;
                list(f, matchers, ",")
            }
        }
    }
}

impl Display for NamedMatcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Matcher(matcher) => matcher.fmt(f),
        }
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match(matcher) => matcher.fmt(f),
            Self::Ip { name, negated, pattern } => {
                let op = if *negated { "!=" } else { "=" };
                write!(f, "{name}{op}ip({})", quote(pattern))
            }
            Self::Number { name, op, value } => {
                let value = match value {
                    Quantity::Number(number) => format_float(*number),
                    Quantity::Duration(nanos) => duration(*nanos),
                    Quantity::Bytes(bytes) => format!("{}B", format_float(*bytes)),
                };
                write!(f, "{name}{}{value}", op.as_str())
            }
            Self::And(left, right) => write!(f, "( {left} , {right} )"),
            Self::Or(left, right) => write!(f, "( {left} or {right} )"),
        }
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.without { "without (" } else { "by (" })?;
        list(f, &self.labels, ",")?;
        f.write_str(")")
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.conversion {
            Conversion::Number => write!(f, "| unwrap {}", self.label)?,
            Conversion::Bytes => write!(f, "| unwrap bytes({})", self.label)?,
            Conversion::Duration => write!(f, "| unwrap duration({})", self.label)?,
        }
        for filter in &self.filters {
            write!(f, " | {filter}")?;
        }
        Ok(())
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        if let Some(parameter) = self.parameter {
            write!(f, "{},", format_float(parameter))?;
        }
        write!(f, "{}", self.log)?;
        if let Some(unwrap) = &self.unwrap {
            write!(f, " {unwrap}")?;
        }
        write!(f, "[{}]", duration(self.range_ns))?;
        if self.offset_ns != 0 {
            write!(f, " offset {}", duration(self.offset_ns))?;
        }
        f.write_str(")")?;
        self.grouping
            .as_ref()
            .map_or(Ok(()), |grouping| write!(f, " {grouping}"))
    }
}

impl Display for Matching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.written {
            return Ok(());
        }
        f.write_str(if self.on { " on (" } else { " ignoring (" })?;
        list(f, &self.labels, ",")?;
        f.write_str(")")?;
        if let Some(left) = self.group_left {
            f.write_str(if left { " group_left (" } else { " group_right (" })?;
            list(f, &self.include, ",")?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Display for MetricExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Vector {
                function,
                parameter,
                inner,
                grouping,
            } => {
                f.write_str(function)?;
                if let Some(grouping) = grouping {
                    write!(f, " {grouping} ")?;
                }
                f.write_str("(")?;
                if let Some(parameter) = parameter {
                    write!(f, "{},", format_float(*parameter))?;
                }
                write!(f, "{inner})")
            }
            Self::Binary {
                op,
                return_bool,
                matching,
                left,
                right,
            } => {
                let modifier = if *return_bool { " bool" } else { "" };
                write!(f, "({left} {op}{modifier}{matching} {right})")
            }
            Self::Literal(number) => f.write_str(&format_float(*number)),
            Self::Constant(number) => write!(f, "vector({})", format_float(*number)),
            Self::LabelReplace { inner, arguments } => {
                write!(f, "label_replace({inner},")?;
                list(f, arguments.iter().map(|argument| quote(argument)), ",")?;
                f.write_str(")")
            }
        }
    }
}
