//! From the syntax tree to the plan.

use super::duration::Scope;
use super::fetch::{Around, Context};
use super::{InfoSource, Instant, Kind, Node, Plan, Range, Subquery, Text};
use crate::ast::{AtModifier, Call, Expr, TimeModifiers, VectorSelector};
use crate::error::EvaluationError;
use crate::query::{Options, QueryRange, Selector};
use parapet_model::{METRIC_NAME, MatchOp, Matcher};

/// Functions whose answer depends on the time of evaluation even where their arguments do not.
fn depends_on_time(function: &str) -> bool {
    matches!(
        function,
        "days_in_month"
            | "day_of_month"
            | "day_of_week"
            | "day_of_year"
            | "end"
            | "hour"
            | "minute"
            | "month"
            | "year"
            | "predict_linear"
            | "range"
            | "start"
            | "step"
            | "time"
            | "timestamp"
    )
}

/// A node, and what its parent must know.
struct Built {
    node: Node,
    /// Whether it is the same at each step.
    invariant: bool,
    /// Whether it is then to be evaluated once: not so for literals, which cost nothing, nor for range selectors,
    /// which only a function evaluates.
    wrap: bool,
}

impl Built {
    fn once(self) -> Node {
        if self.wrap { wrap(self.node) } else { self.node }
    }
}

fn wrap(node: Node) -> Node {
    let (value_type, position) = (node.value_type, node.position);
    Node {
        kind: Kind::Once(Box::new(node)),
        value_type,
        position,
    }
}

pub(super) struct Builder<'a> {
    query: QueryRange,
    options: &'a Options,
    scope: Scope,
    selectors: Vec<Selector>,
    path: Vec<Around>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(query: QueryRange, options: &'a Options) -> Self {
        let scope = Scope {
            step: query.step_ms,
            range: query.end_ms.saturating_sub(query.start_ms),
        };
        Self {
            query,
            options,
            scope,
            selectors: Vec::new(),
            path: Vec::new(),
        }
    }

    pub(super) fn plan(mut self, expr: &Expr) -> Result<Plan, EvaluationError> {
        let root = self.build(expr)?.once();
        Ok(Plan {
            root,
            selectors: self.selectors,
        })
    }

    fn within<T>(
        &mut self,
        around: Around,
        build: impl FnOnce(&mut Self) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        self.path.push(around);
        let built = build(self);
        self.path.pop();
        built
    }

    fn build(&mut self, expr: &Expr) -> Result<Built, EvaluationError> {
        let value_type = expr.value_type();
        let position = expr.position();
        let built = |kind, invariant, wrap| Built {
            node: Node {
                kind,
                value_type,
                position,
            },
            invariant,
            wrap,
        };
        Ok(match expr {
            Expr::Number(literal) => built(Kind::Number(literal.value), true, false),
            Expr::String(literal) => built(
                Kind::Text(Text {
                    value: literal.value.clone(),
                    invalid: literal.invalid.clone(),
                }),
                true,
                false,
            ),
            Expr::Vector(selector) => {
                let instant = self.instant(selector, 0)?;
                let fixed = instant.at.is_some();
                built(Kind::Instant(instant), fixed, fixed)
            }
            Expr::Matrix(matrix) => {
                let range = self.scope.resolve(&matrix.range, false)?;
                let selector = self.instant(&matrix.selector, range)?;
                let fixed = selector.at.is_some();
                built(Kind::Range(Range { selector, range }), fixed, false)
            }
            Expr::Subquery(subquery) => {
                let offset = self.offset(&subquery.time)?;
                let step = subquery
                    .step
                    .as_ref()
                    .map(|step| self.scope.resolve(step, false))
                    .transpose()?;
                // A step below a millisecond is none at all.
                let step = step
                    .filter(|step| *step > 0)
                    .unwrap_or(self.options.default_subquery_step_ms)
                    .max(1);
                let range = self.scope.resolve(&subquery.range, false)?;
                let at = self.at(subquery.time.at);
                let inner = self.within(
                    Around::Subquery {
                        offset,
                        range,
                        step,
                        at,
                    },
                    |builder| builder.build(&subquery.expr),
                )?;
                let expr = if inner.invariant { wrap(inner.node) } else { inner.node };
                let subquery = Subquery {
                    expr,
                    at,
                    offset,
                    range,
                    step,
                };
                built(Kind::Subquery(Box::new(subquery)), at.is_some(), false)
            }
            Expr::Paren(paren) => self.within(Around::Other, |builder| builder.build(&paren.expr))?,
            Expr::Unary(unary) => {
                let inner = self.within(Around::Other, |builder| builder.build(&unary.expr))?;
                let kind = if unary.negative {
                    Kind::Negate(Box::new(inner.node))
                } else {
                    inner.node.kind
                };
                built(kind, inner.invariant, inner.wrap)
            }
            Expr::Aggregate(aggregate) => {
                let mut grouping = aggregate.grouping.clone();
                let around = Around::Aggregate {
                    name: aggregate.op.as_str(),
                    by: !aggregate.without,
                    grouping: grouping.clone(),
                };
                grouping.sort_unstable();
                grouping.dedup();
                let (inner, param) = self.within(around, |builder| {
                    let inner = builder.build(aggregate.expr.unwrapped())?;
                    let param = match &aggregate.param {
                        Some(param) => Some(Box::new(builder.build(param.unwrapped())?)),
                        None => None,
                    };
                    Ok((inner, param))
                })?;
                // Prometheus asks the vector alone.
                let (invariant, wrap) = (inner.invariant, inner.wrap);
                let kind = Kind::Aggregate {
                    op: aggregate.op,
                    expr: Box::new(inner.node),
                    param: param.map(|param| Box::new(param.node)),
                    grouping,
                    without: aggregate.without,
                };
                built(kind, invariant, wrap)
            }
            Expr::Binary(binary) => {
                let (lhs, rhs) = self.within(Around::Binary(binary.op), |builder| {
                    Ok((builder.build(&binary.lhs)?, builder.build(&binary.rhs)?))
                })?;
                let invariant = lhs.invariant && rhs.invariant;
                let side = |side: Built| Box::new(if invariant { side.node } else { side.once() });
                let kind = Kind::Binary {
                    op: binary.op,
                    lhs: side(lhs),
                    rhs: side(rhs),
                    matching: binary.matching.clone(),
                    return_bool: binary.return_bool,
                };
                built(kind, invariant, invariant)
            }
            Expr::Call(call) => self.call(call)?,
        })
    }

    fn call(&mut self, call: &Call) -> Result<Built, EvaluationError> {
        let name = call.function.name;
        let position = call.position;
        let node = |kind| Node {
            kind,
            value_type: call.function.returns,
            position,
        };
        if let Some(value) = self.query_time(name) {
            return Ok(Built {
                node: node(Kind::Number(value)),
                invariant: true,
                wrap: false,
            });
        }
        let info = if name == "info" { Some(self.info(call)?) } else { None };
        // What `info` selects is no argument to evaluate.
        let evaluated = if info.is_some() {
            &call.args[..1]
        } else {
            &call.args[..]
        };
        let args: Vec<Built> = self.within(Around::Call(name), |builder| {
            evaluated.iter().map(|arg| builder.build(arg.unwrapped())).collect()
        })?;
        let all_invariant = args.iter().all(|arg| arg.invariant);
        let plain_selectors = args.iter().all(|arg| matches!(arg.node.kind, Kind::Instant(_)));
        let timestamp_of_fixed = name == "timestamp" && all_invariant && plain_selectors;
        let invariant = (all_invariant && !depends_on_time(name)) || timestamp_of_fixed;
        let args = args
            .into_iter()
            .map(|arg| if invariant { arg.node } else { arg.once() })
            .collect();
        let kind = Kind::Call {
            function: call.function,
            args,
            info,
        };
        Ok(Built {
            node: node(kind),
            invariant,
            wrap: invariant,
        })
    }

    /// The value of `start()` and the like, which the query alone decides.
    #[allow(clippy::cast_precision_loss)]
    fn query_time(&self, function: &str) -> Option<f64> {
        let ms = match function {
            "start" => self.query.start_ms,
            "end" => self.query.end_ms,
            "range" => self.scope.range,
            "step" if self.query.start_ms == self.query.end_ms => 0,
            "step" => self.query.step_ms,
            _ => return None,
        };
        Some(ms as f64 / 1000.0)
    }

    fn at(&self, at: Option<AtModifier>) -> Option<i64> {
        at.map(|at| match at {
            AtModifier::Timestamp(ms) => ms,
            AtModifier::Start => self.query.start_ms,
            AtModifier::End => self.query.end_ms,
        })
    }

    fn offset(&self, time: &TimeModifiers) -> Result<i64, EvaluationError> {
        time.offset
            .as_ref()
            .map_or(Ok(0), |offset| self.scope.resolve(offset, true))
    }

    fn context(&self) -> Context<'_> {
        Context {
            query: self.query,
            lookback: self.options.lookback_delta_ms,
            use_start_timestamps: self.options.use_start_timestamps,
            path: &self.path,
        }
    }

    fn instant(&mut self, selector: &VectorSelector, range: i64) -> Result<Instant, EvaluationError> {
        let instant = Instant {
            source: self.selectors.len(),
            at: self.at(selector.time.at),
            offset: self.offset(&selector.time)?,
            extension: selector.extension,
            statistics: self.context().wants_statistics(),
            matchers: selector.matchers.clone(),
        };
        let fetch = self.context().selector(&instant, range);
        self.selectors.push(fetch);
        Ok(instant)
    }

    /// Plans the selection of the metrics whose labels `info` adds.
    fn info(&mut self, call: &Call) -> Result<InfoSource, EvaluationError> {
        let (at, offset) = match first_selector(&call.args[0]) {
            Some(path) => self.info_time(&path)?,
            None => (None, 0),
        };
        let matchers = match call.args.get(1).map(Expr::unwrapped) {
            Some(Expr::Vector(selector)) => selector.matchers.clone(),
            _ => vec![Matcher::equal(METRIC_NAME, "target_info")],
        };
        let named: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name == METRIC_NAME).collect();
        let mut fetched = matchers.clone();
        if named.is_empty() {
            fetched.push(Matcher::equal(METRIC_NAME, "target_info"));
        } else if !named
            .iter()
            .any(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Regex))
        {
            fetched.extend(Matcher::new(METRIC_NAME, MatchOp::Regex, ".+_info"));
        }
        let fetch = self.context().info_selector(fetched, at, offset);
        let source = self.selectors.len();
        self.selectors.push(fetch);
        Ok(InfoSource {
            source,
            at,
            offset,
            matchers,
        })
    }

    /// The time that the first selector of `info`'s argument looks at.
    fn info_time(&self, path: &[&Expr]) -> Result<(Option<i64>, i64), EvaluationError> {
        let (mut at, mut offset) = (None, 0i64);
        for expr in path.iter().rev() {
            let time = match expr {
                Expr::Vector(selector) => &selector.time,
                Expr::Matrix(matrix) => &matrix.selector.time,
                Expr::Subquery(subquery) if at.is_none() => &subquery.time,
                _ => continue,
            };
            offset = offset.saturating_add(self.offset(time)?);
            at = self.at(time.at);
        }
        Ok((at, offset))
    }
}

/// The way to the first selector of an expression.
fn first_selector(expr: &Expr) -> Option<Vec<&Expr>> {
    if matches!(expr, Expr::Vector(_) | Expr::Matrix(_)) {
        return Some(vec![expr]);
    }
    expr.children().into_iter().find_map(|child| {
        let mut path = first_selector(child)?;
        path.insert(0, expr);
        Some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_need_the_times_that_prometheus_asks_for() {
        let range = QueryRange {
            start_ms: 1_000_000,
            end_ms: 2_000_000,
            step_ms: 60_000,
        };
        for (text, start_ms, end_ms) in [
            ("x", 700_001, 2_000_000),
            ("rate(x[1m])", 940_001, 2_000_000),
            ("x offset 1m", 640_001, 1_940_000),
            ("x @ 500", 200_001, 500_000),
            ("rate(x[1m] anchored)", 640_001, 2_000_000),
            ("rate(x[1m] smoothed)", 640_001, 2_300_000),
            ("max_over_time(rate(x[1m])[10m:] offset 2m)", 220_001, 1_880_000),
            ("max_over_time(x[10m:1m] @ 900)", 1, 900_000),
        ] {
            let expr = crate::parse(text).unwrap();
            let plan = Plan::new(&expr, &range, &Options::default()).unwrap();
            assert_eq!(
                (plan.selectors[0].start_ms, plan.selectors[0].end_ms),
                (start_ms, end_ms),
                "{text}"
            );
        }
    }

    #[test]
    fn hints_say_what_is_around() {
        let expr = crate::parse("sum by (a) (x) + max_over_time(rate(y[1m])[1h:30s])").unwrap();
        let plan = Plan::new(&expr, &QueryRange::instant(0), &Options::default()).unwrap();
        let hints: Vec<_> = plan.selectors.iter().map(|selector| &selector.hints).collect();
        assert_eq!(hints[0].function.as_deref(), Some("sum"));
        assert_eq!(
            (hints[0].by, hints[0].grouping.as_slice()),
            (true, ["a".to_owned()].as_slice())
        );
        assert_eq!(
            (hints[1].function.as_deref(), hints[1].range_ms, hints[1].step_ms),
            (Some("rate"), 60_000, 30_000)
        );
    }

    #[test]
    fn a_duration_that_comes_to_nothing_is_refused() {
        let expr = crate::parse("rate(x[step()])").unwrap();
        let error = Plan::new(&expr, &QueryRange::instant(0), &Options::default()).err();
        assert_eq!(
            error,
            Some(EvaluationError::Invalid(
                "7:13: duration must be greater than 0".to_owned()
            ))
        );
    }
}
