//! Function calls.

mod histograms;
mod labels;
mod sort;

use super::instant::seconds;
use super::{Evaluated, Evaluator, Point, Result, Row, failure, go_max, go_min, is_absent};
use crate::ast::PositionRange;
use crate::functions::{Function, date::Date, math};
use crate::plan::{InfoSource, Kind, Node};
use parapet_model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

impl Evaluator<'_> {
    pub(super) fn call(
        &self,
        function: &'static Function,
        args: &[Node],
        info: Option<&InfoSource>,
        position: PositionRange,
    ) -> Result<Evaluated> {
        let name = function.name;
        if let Some(matrix) = args
            .iter()
            .position(|arg| matches!(bare(arg).kind, Kind::Range(_) | Kind::Subquery(_)))
        {
            return self.call_range(name, args, matrix, position).map(Evaluated::Vector);
        }
        match name {
            "time" => {
                return Ok(Evaluated::Scalar(
                    (0..self.steps()).map(|step| seconds(self.grid.time(step))).collect(),
                ));
            }
            "pi" => return Ok(Evaluated::Scalar(vec![std::f64::consts::PI; self.steps()])),
            "max_of" | "min_of" => {
                let (mut left, right) = (self.scalar(&args[0])?, self.scalar(&args[1])?);
                let choose = if name == "max_of" { go_max } else { go_min };
                left.iter_mut()
                    .zip(right)
                    .for_each(|(left, right)| *left = choose(*left, right));
                return Ok(Evaluated::Scalar(left));
            }
            "scalar" => {
                return self
                    .vector(&args[0])
                    .and_then(|rows| self.scalars_of(&rows).map(Evaluated::Scalar));
            }
            _ => {}
        }
        self.call_vector(name, args, info, position).map(Evaluated::Vector)
    }

    fn call_vector(
        &self,
        name: &'static str,
        args: &[Node],
        info: Option<&InfoSource>,
        position: PositionRange,
    ) -> Result<Vec<Row>> {
        if let Some(function) = math::unary(name) {
            let rows = self.vector(&args[0])?;
            return self.map_floats(rows, |_, value| function(value));
        }
        if let Some(function) = math::calendar(name) {
            return self.calendar(args, function);
        }
        match name {
            "absent" => {
                let rows = self.vector(&args[0])?;
                self.absent_rows(&rows, &args[0])
            }
            "clamp" | "clamp_max" | "clamp_min" => self.clamp(name, args),
            "round" => self.round(args),
            "vector" => {
                let floats = self.scalar(&args[0])?;
                Ok(vec![Row {
                    floats,
                    ..Row::new(Labels::empty(), false, 0)
                }])
            }
            "timestamp" | "start_timestamp" => self.timestamp(name, &args[0]),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => self.sort_vector(name, args, position),
            "label_replace" => self.label_replace(args),
            "label_join" => self.label_join(args),
            "info" => match info {
                Some(source) => self.info(&args[0], source),
                None => failure("info without a source"),
            },
            "histogram_quantile" => self.histogram_quantile(args),
            "histogram_quantiles" => self.histogram_quantiles(args),
            "histogram_fraction" => self.histogram_fraction(args),
            "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev" | "histogram_stdvar" => {
                self.histogram_statistic(name, args)
            }
            _ => failure(format!("unexpected function {name}")),
        }
    }

    /// Applies a function to floats; histograms are left out. The name goes.
    fn map_floats(&self, mut rows: Vec<Row>, function: impl Fn(usize, f64) -> f64) -> Result<Vec<Row>> {
        for row in &mut rows {
            self.check_interrupt()?;
            row.histograms = Vec::new();
            for (step, value) in row.floats.iter_mut().enumerate() {
                if !is_absent(*value) {
                    *value = function(step, *value);
                }
            }
            self.drop_name(row);
        }
        rows.retain(|row| !row.is_empty());
        self.merge_results(rows)
    }

    fn calendar(&self, args: &[Node], function: fn(Date) -> i64) -> Result<Vec<Row>> {
        #[allow(clippy::cast_precision_loss)]
        let of = |seconds: i64| function(Date::of(seconds)) as f64;
        let Some(arg) = args.first() else {
            let floats = (0..self.steps())
                .map(|step| of(self.grid.time(step).div_euclid(1000)))
                .collect();
            return Ok(vec![Row {
                floats,
                ..Row::new(Labels::empty(), false, 0)
            }]);
        };
        // What no time is comes out as the last one, as Go's conversion and its calendar make it.
        #[allow(clippy::cast_possible_truncation)]
        let of_value = |_: usize, value: f64| match value {
            value if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) => of(value as i64),
            _ => of(i64::MAX),
        };
        self.map_floats(self.vector(arg)?, of_value)
    }

    fn clamp(&self, name: &str, args: &[Node]) -> Result<Vec<Row>> {
        let rows = self.vector(&args[0])?;
        let steps = self.steps();
        let bound = self.scalar(&args[1])?;
        let (least, most) = match name {
            "clamp" => (bound, self.scalar(&args[2])?),
            "clamp_max" => (vec![f64::NEG_INFINITY; steps], bound),
            _ => (bound, vec![f64::INFINITY; steps]),
        };
        self.map_floats(rows, |step, value| {
            if most[step] < least[step] {
                super::ABSENT
            } else {
                go_max(least[step], go_min(most[step], value))
            }
        })
    }

    fn round(&self, args: &[Node]) -> Result<Vec<Row>> {
        let rows = self.vector(&args[0])?;
        let nearest = match args.get(1) {
            Some(arg) => self.scalar(arg)?,
            None => vec![1.0; self.steps()],
        };
        self.map_floats(rows, |step, value| {
            // The inverse causes fewer errors of rounding, as Prometheus found.
            let inverse = 1.0 / nearest[step];
            (value * inverse + 0.5).floor() / inverse
        })
    }

    fn scalars_of(&self, rows: &[Row]) -> Result<Vec<f64>> {
        (0..self.steps())
            .map(|step| {
                self.check_interrupt()?;
                let mut floats = rows
                    .iter()
                    .map(|row| row.floats[step])
                    .filter(|value| !is_absent(*value));
                Ok(match (floats.next(), floats.next()) {
                    (Some(value), None) => value,
                    _ => f64::NAN,
                })
            })
            .collect()
    }

    fn timestamp(&self, name: &str, arg: &Node) -> Result<Vec<Row>> {
        let mut rows = match (&arg.kind, name) {
            (Kind::Instant(instant), "timestamp") => self.select_timestamps(instant)?,
            (Kind::Instant(instant), _) => self.select_start_timestamps(instant)?,
            (_, "timestamp") => {
                let mut rows = self.vector(arg)?;
                for row in &mut rows {
                    self.check_interrupt()?;
                    for step in 0..self.steps() {
                        if row.get(step).is_some() {
                            row.floats[step] = seconds(self.grid.time(step));
                        }
                    }
                    row.histograms = Vec::new();
                }
                rows
            }
            // Start timestamps are those of samples, which only a selector has.
            _ => {
                self.vector(arg)?;
                Vec::new()
            }
        };
        rows.iter_mut().for_each(|row| self.drop_name(row));
        self.merge_results(rows)
    }

    /// One where no row has a value: the answer of `absent`.
    pub(super) fn absent_rows(&self, rows: &[Row], arg: &Node) -> Result<Vec<Row>> {
        let arg = bare(arg);
        let matchers = match &arg.kind {
            Kind::Instant(instant) => &instant.matchers[..],
            Kind::Range(range) => &range.selector.matchers[..],
            _ => &[],
        };
        let mut row = Row::new(
            labels_of_absent(matchers),
            matches!(arg.kind, Kind::Range(_) | Kind::Subquery(_)),
            self.steps(),
        );
        for step in 0..self.steps() {
            self.check_interrupt()?;
            if !rows.iter().any(|row| row.get(step).is_some()) {
                row.floats[step] = 1.0;
            }
        }
        Ok(if row.is_empty() { Vec::new() } else { vec![row] })
    }

    fn histogram_statistic(&self, name: &str, args: &[Node]) -> Result<Vec<Row>> {
        let mut rows = self.vector(&args[0])?;
        rows.retain(Row::has_histograms);
        for row in &mut rows {
            for step in 0..self.steps() {
                self.check_interrupt()?;
                let value = match row.get(step) {
                    Some(Point::Histogram(histogram)) => match name {
                        "histogram_count" => histogram.count,
                        "histogram_sum" => histogram.sum,
                        "histogram_avg" => histogram.sum / histogram.count,
                        "histogram_stdvar" => crate::histogram::variance(histogram),
                        _ => crate::histogram::variance(histogram).sqrt(),
                    },
                    _ => super::ABSENT,
                };
                row.floats[step] = value;
            }
            row.histograms = Vec::new();
            self.drop_name(row);
        }
        rows.retain(|row| !row.is_empty());
        self.merge_results(rows)
    }
}

/// The node without what makes it be evaluated once.
pub(super) fn bare(node: &Node) -> &Node {
    match &node.kind {
        Kind::Once(inner) => bare(inner),
        _ => node,
    }
}

/// A text argument.
fn text(node: &Node) -> &str {
    match &bare(node).kind {
        Kind::Text(text) => &text.value,
        _ => "",
    }
}

/// Whether a text argument may be a label's name.
fn is_label_name(node: &Node) -> bool {
    matches!(&bare(node).kind, Kind::Text(text) if text.is_label_name())
}

/// The labels that a selector states by equality, each once.
fn labels_of_absent(matchers: &[Matcher]) -> Labels {
    let mut labels = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    // Prometheus' storage leaves the matchers in this order: those that take series away come last.
    let takes_away = |matcher: &&Matcher| {
        let needed = matchers
            .iter()
            .any(|other| other.name == matcher.name && !other.matches(""));
        !needed || (matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRegex) && matcher.matches(""))
    };
    let (last, first): (Vec<&Matcher>, Vec<&Matcher>) = matchers
        .iter()
        .filter(|matcher| matcher.name != METRIC_NAME)
        .partition(takes_away);
    for matcher in first.into_iter().chain(last) {
        if matcher.op == MatchOp::Equal && !seen.contains(&matcher.name.as_str()) {
            labels.set(matcher.name.as_str(), matcher.value.as_str());
            seen.push(&matcher.name);
        } else {
            labels.remove(&matcher.name);
        }
    }
    labels.build()
}
