//! Metric queries.

use super::super::ast::{Conversion, Expr, Grouping, LogExpr, Matching, MetricExpr, RangeAggregation, Unwrap};
use super::super::lex::Kind;
use super::{Parser, Result};

/// Aggregations over time; whether they need `unwrap`, may have it, or must not.
const RANGE_FUNCTIONS: [(&str, Wrapped); 15] = [
    ("count_over_time", Wrapped::Never),
    ("rate", Wrapped::May),
    ("rate_counter", Wrapped::Must),
    ("bytes_over_time", Wrapped::Never),
    ("bytes_rate", Wrapped::Never),
    ("avg_over_time", Wrapped::Must),
    ("sum_over_time", Wrapped::Must),
    ("min_over_time", Wrapped::Must),
    ("max_over_time", Wrapped::Must),
    ("stdvar_over_time", Wrapped::Must),
    ("stddev_over_time", Wrapped::Must),
    ("quantile_over_time", Wrapped::Must),
    ("first_over_time", Wrapped::Must),
    ("last_over_time", Wrapped::Must),
    ("absent_over_time", Wrapped::May),
];

/// Aggregations of series.
const VECTOR_FUNCTIONS: [&str; 12] = [
    "sum",
    "avg",
    "count",
    "max",
    "min",
    "stddev",
    "stdvar",
    "bottomk",
    "topk",
    "sort",
    "sort_desc",
    "approx_topk",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrapped {
    Never,
    May,
    Must,
}

/// Operators with how tight they bind; `^` goes to the right.
fn binding(kind: &Kind) -> Option<(&'static str, u8)> {
    Some(match kind {
        Kind::Word(word) if word.eq_ignore_ascii_case("or") => ("or", 1),
        Kind::Word(word) if word.eq_ignore_ascii_case("and") => ("and", 2),
        Kind::Word(word) if word.eq_ignore_ascii_case("unless") => ("unless", 2),
        Kind::Sign(sign @ ("==" | "!=" | ">" | ">=" | "<" | "<=")) => (sign, 3),
        Kind::Sign(sign @ ("+" | "-")) => (sign, 4),
        Kind::Sign(sign @ ("*" | "/" | "%")) => (sign, 5),
        Kind::Sign("^") => ("^", 6),
        _ => return None,
    })
}

impl Parser<'_> {
    /// An expression whose operators bind at least as tight as `least`.
    pub(super) fn expr(&mut self, least: u8) -> Result<Expr> {
        self.deeper()?;
        let mut left = self.operand()?;
        while let Some((op, tightness)) = binding(self.peek())
            && tightness >= least
        {
            let Expr::Metric(metric) = left else {
                return Err(self.fail(format!(
                    "unexpected type for left leg of binary operation ({op}): a log query; aggregate it, for example with \
                     count_over_time"
                )));
            };
            self.at += 1;
            let (return_bool, matching) = self.modifier(op)?;
            let place = self.at;
            let right = self.expr(if op == "^" { tightness } else { tightness + 1 })?;
            let Expr::Metric(right) = right else {
                self.at = place;
                return Err(self.fail(format!(
                    "unexpected type for right leg of binary operation ({op}): a log query"
                )));
            };
            let is_set = matches!(op, "and" | "or" | "unless");
            let literal = [&metric, &right]
                .into_iter()
                .any(|side| matches!(side, MetricExpr::Literal(_)));
            if is_set && literal {
                self.at = place;
                return Err(self.fail(format!(
                    "unexpected literal for a leg of logical/set binary operation ({op})"
                )));
            }
            left = Expr::Metric(MetricExpr::Binary {
                op: op.to_owned(),
                return_bool,
                matching,
                left: Box::new(metric),
                right: Box::new(right),
            });
        }
        self.depth -= 1;
        Ok(left)
    }

    /// `bool`, `on (…)`, `ignoring (…)`, `group_left (…)`.
    fn modifier(&mut self, op: &str) -> Result<(bool, Matching)> {
        let return_bool = self.take_word("bool");
        if return_bool && !matches!(op, "==" | "!=" | ">" | ">=" | "<" | "<=") {
            return Err(self.fail("bool modifier can only be used on comparison operators"));
        }
        let mut matching = Matching::default();
        if self.is_word("on") || self.is_word("ignoring") {
            matching.on = self.is_word("on");
            matching.written = true;
            self.at += 1;
            matching.labels = self.names()?;
            if self.is_word("group_left") || self.is_word("group_right") {
                matching.group_left = Some(self.is_word("group_left"));
                self.at += 1;
                if self.is("(") && matches!(self.peek_after(1), Kind::Word(_) | Kind::Sign(")")) && !self.calls() {
                    matching.include = self.names()?;
                }
                if matches!(op, "and" | "or" | "unless") {
                    return Err(self.fail(format!(
                        "no grouping allowed for {} operation",
                        parapet_model::quote(op)
                    )));
                }
            }
        }
        Ok((return_bool, matching))
    }

    /// Whether what stands in the parentheses here is an expression, not a list of names.
    fn calls(&self) -> bool {
        matches!(self.peek_after(2), Kind::Sign("(" | "{"))
            || matches!(self.peek_after(2), Kind::Word(word) if matches!(word.as_str(), "by" | "without"))
    }

    fn names(&mut self) -> Result<Vec<String>> {
        self.expect("(")?;
        let mut names = Vec::new();
        while !self.is(")") {
            names.push(self.word()?);
            if !self.take(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(names)
    }

    fn operand(&mut self) -> Result<Expr> {
        match self.peek().clone() {
            Kind::Sign("{") => Ok(Expr::Log(self.log()?)),
            Kind::Sign("(") => {
                self.at += 1;
                let inner = self.expr(0)?;
                self.expect(")")?;
                match inner {
                    // Stages may follow a selector in parentheses only within a range: `({a="b"})[5m]`.
                    Expr::Log(_) | Expr::Metric(_) => Ok(inner),
                }
            }
            Kind::Number(_) | Kind::Sign("+" | "-") => Ok(Expr::Metric(MetricExpr::Literal(self.number()?))),
            Kind::Word(word) => Ok(Expr::Metric(self.call(&word.to_ascii_lowercase())?)),
            _ => Err(self.unexpected("a stream selector, a number or a function")),
        }
    }

    fn call(&mut self, name: &str) -> Result<MetricExpr> {
        let place = self.at;
        self.at += 1;
        if let Some((_, wrapped)) = RANGE_FUNCTIONS.iter().find(|(other, _)| *other == name) {
            return self.range_aggregation(name, *wrapped, place);
        }
        if VECTOR_FUNCTIONS.contains(&name) {
            return self.vector_aggregation(name);
        }
        match name {
            "vector" => {
                self.expect("(")?;
                let number = self.unsigned("NUMBER")?;
                self.expect(")")?;
                Ok(MetricExpr::Constant(number))
            }
            "label_replace" => {
                self.expect("(")?;
                let inner = Box::new(self.metric()?);
                let mut arguments = Vec::new();
                for _ in 0..4 {
                    self.expect(",")?;
                    arguments.push(self.string()?);
                }
                self.expect(")")?;
                let arguments: [String; 4] = arguments.try_into().map_err(|_| self.unexpected("STRING"))?;
                parapet_model::anchored_regex(&arguments[3]).map_err(|error| self.fail(error.to_string()))?;
                Ok(MetricExpr::LabelReplace { inner, arguments })
            }
            _ => {
                self.at = place;
                Err(self.fail(format!(
                    "there is no function {}; functions are {}, {}, label_replace and vector",
                    parapet_model::quote(name),
                    RANGE_FUNCTIONS.map(|(name, _)| name).join(", "),
                    VECTOR_FUNCTIONS.join(", ")
                )))
            }
        }
    }

    fn metric(&mut self) -> Result<MetricExpr> {
        let place = self.at;
        match self.expr(0)? {
            Expr::Metric(metric) => Ok(metric),
            Expr::Log(_) => {
                self.at = place;
                Err(self.fail("a log query where numbers are needed; aggregate it, for example with rate({…}[5m])"))
            }
        }
    }

    fn vector_aggregation(&mut self, name: &str) -> Result<MetricExpr> {
        let mut grouping = self.grouping()?;
        self.expect("(")?;
        let needs_parameter = matches!(name, "topk" | "bottomk" | "approx_topk");
        let mut parameter = None;
        if matches!(self.peek(), Kind::Number(_)) && *self.peek_after(1) == Kind::Sign(",") {
            parameter = Some(self.number()?);
            self.at += 1;
        }
        match parameter {
            None if needs_parameter => {
                return Err(self.fail(format!("parameter required for operation {name}; write {name}(10, …)")));
            }
            Some(_) if !needs_parameter => return Err(self.fail(format!("unsupported parameter for operation {name}"))),
            Some(count) if count < 1.0 || count.fract() != 0.0 => {
                return Err(self.fail(format!("invalid parameter (must be greater than 0) {name}({count}")));
            }
            _ => {}
        }
        let inner = Box::new(self.metric()?);
        self.expect(")")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        if grouping.is_some() && matches!(name, "sort" | "sort_desc" | "approx_topk") {
            return Err(self.fail(format!("grouping not allowed for {name} aggregation")));
        }
        Ok(MetricExpr::Vector {
            function: name.to_owned(),
            parameter,
            inner,
            grouping,
        })
    }

    fn grouping(&mut self) -> Result<Option<Grouping>> {
        let without = self.is_word("without");
        if !without && !self.is_word("by") {
            return Ok(None);
        }
        self.at += 1;
        Ok(Some(Grouping {
            without,
            labels: self.names()?,
        }))
    }

    fn range_aggregation(&mut self, name: &str, wrapped: Wrapped, place: usize) -> Result<MetricExpr> {
        self.expect("(")?;
        let mut parameter = None;
        if !self.is("{") && !self.is("(") {
            parameter = Some(self.unsigned("NUMBER or { or (")?);
            self.expect(",")?;
        }
        let mut range = self.log_range()?;
        self.expect(")")?;
        range.grouping = self.grouping()?;
        range.function = name.to_owned();
        range.parameter = parameter;
        let complaint = match (wrapped, &range.unwrap) {
            (Wrapped::Never, Some(_)) => Some(format!("invalid aggregation {name} with unwrap")),
            (Wrapped::Must, None) => Some(format!("invalid aggregation {name} without unwrap")),
            _ if parameter.is_some() && name != "quantile_over_time" => Some(format!(
                "parameter {} not supported for operation {name}",
                parameter.unwrap_or_default()
            )),
            _ if parameter.is_none() && name == "quantile_over_time" => {
                Some("parameter required for operation quantile_over_time".to_owned())
            }
            _ if range.grouping.is_some()
                && !matches!(
                    name,
                    "avg_over_time"
                        | "stddev_over_time"
                        | "stdvar_over_time"
                        | "quantile_over_time"
                        | "max_over_time"
                        | "min_over_time"
                        | "first_over_time"
                        | "last_over_time"
                ) =>
            {
                Some(format!("grouping not allowed for {name} aggregation"))
            }
            _ => None,
        };
        if let Some(complaint) = complaint {
            self.at = place;
            return Err(self.fail(complaint));
        }
        self.check_selector(&range.log)?;
        Ok(MetricExpr::Range(Box::new(range)))
    }

    /// A selector with its range; stages and `unwrap` may stand on either side of the range.
    fn log_range(&mut self) -> Result<RangeAggregation> {
        self.deeper()?;
        let mut range = RangeAggregation {
            function: String::new(),
            parameter: None,
            log: LogExpr {
                selector: Vec::new(),
                stages: Vec::new(),
            },
            unwrap: None,
            range_ns: 0,
            offset_ns: 0,
            grouping: None,
        };
        if self.take("(") {
            // Either the whole range stands in parentheses, or the lines alone.
            let start = self.at;
            let inner = self.log_range();
            match inner {
                Ok(inner) if self.is(")") => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(inner);
                }
                _ => {
                    self.at = start;
                    range.log = self.log()?;
                    range.unwrap = self.unwrap()?;
                    self.expect(")")?;
                }
            }
        } else {
            range.log = self.log()?;
            range.unwrap = self.unwrap()?;
        }
        let Kind::Range(nanos) = *self.peek() else {
            return Err(self.unexpected("RANGE such as [5m]"));
        };
        self.at += 1;
        range.range_ns = nanos;
        if self.take_word("offset") {
            let Kind::Duration(nanos) = *self.peek() else {
                return Err(self.unexpected("DURATION"));
            };
            self.at += 1;
            range.offset_ns = nanos;
        }
        if range.unwrap.is_none() {
            self.stages(&mut range.log.stages)?;
            range.unwrap = self.unwrap()?;
        }
        self.depth -= 1;
        Ok(range)
    }

    fn unwrap(&mut self) -> Result<Option<Unwrap>> {
        if !self.unwraps() {
            return Ok(None);
        }
        self.at += 2;
        let name = self.word()?;
        let conversion = match name.to_ascii_lowercase().as_str() {
            "bytes" if self.is("(") => Conversion::Bytes,
            "duration" | "duration_seconds" if self.is("(") => Conversion::Duration,
            _ => Conversion::Number,
        };
        let label = if conversion == Conversion::Number {
            name
        } else {
            self.expect("(")?;
            let label = self.word()?;
            self.expect(")")?;
            label
        };
        let mut filters = Vec::new();
        while self.take("|") {
            filters.push(self.label_filter()?);
        }
        Ok(Some(Unwrap {
            label,
            conversion,
            filters,
        }))
    }
}
