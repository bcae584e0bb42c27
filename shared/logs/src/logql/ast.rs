//! What LogQL texts mean.

use parapet_model::Matcher;

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Lines.
    Log(LogExpr),
    /// Numbers made of lines.
    Metric(MetricExpr),
}

/// Lines of streams, and what is done with each.
#[derive(Clone, Debug, PartialEq)]
pub struct LogExpr {
    /// Which streams.
    pub selector: Vec<Matcher>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

/// A stage of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// `|= "text"`.
    Line(LineFilter),
    /// `| json`, `| json a="b.c"`: labels with the paths that they are taken from.
    Json(Vec<(String, String)>),
    /// `| logfmt`.
    Logfmt {
        /// `--strict`: a fault in the line is an error.
        strict: bool,
        /// `--keep-empty`: keys without a value are labels.
        keep_empty: bool,
        /// Labels with the keys that they are taken from; all where there are none.
        labels: Vec<(String, String)>,
    },
    /// `| regexp "…"`.
    Regexp(String),
    /// `| pattern "…"`.
    Pattern(String),
    /// `| unpack`.
    Unpack,
    /// A filter of labels.
    Filter(LabelFilter),
    /// `| line_format "…"`.
    LineFormat(String),
    /// `| decolorize`.
    Decolorize,
    /// `| label_format a=b, c="…"`.
    LabelFormat(Vec<(String, LabelSource)>),
    /// `| drop a, b="c"`.
    Drop(Vec<NamedMatcher>),
    /// `| keep a, b="c"`.
    Keep(Vec<NamedMatcher>),
}

/// What `label_format` makes a label of.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelSource {
    /// Another label, which is renamed.
    Label(String),
    /// A template.
    Template(String),
}

/// A label, or a label of a certain value.
#[derive(Clone, Debug, PartialEq)]
pub enum NamedMatcher {
    /// Any value.
    Name(String),
    /// A value that matches.
    Matcher(Matcher),
}

/// How a line filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Matches,
    /// `!~`
    NotMatches,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

impl LineOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Matches => "|~",
            Self::NotMatches => "!~",
            Self::Pattern => "|>",
            Self::NotPattern => "!>",
        }
    }

    /// Whether it keeps the lines that do not match.
    #[must_use]
    pub fn negated(self) -> bool {
        matches!(self, Self::NotContains | Self::NotMatches | Self::NotPattern)
    }
}

/// A filter of lines: one of the operands must hold, or none of them where the operator is negated.
#[derive(Clone, Debug, PartialEq)]
pub struct LineFilter {
    /// How it compares.
    pub op: LineOp,
    /// What it compares with.
    pub operands: Vec<LineOperand>,
}

/// What a line is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum LineOperand {
    /// A text, a regular expression, or a pattern.
    Text(String),
    /// `ip("10.0.0.0/8")`: an address, a range or a network.
    Ip(String),
}

/// How numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`, `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

impl Comparison {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }

    /// Whether it holds.
    #[must_use]
    #[allow(clippy::float_cmp)] // As PromQL and LogQL compare.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// Without one.
    Number(f64),
    /// A duration, nanoseconds.
    Duration(i64),
    /// A size, bytes.
    Bytes(f64),
}

/// A filter of labels.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    /// A text or a regular expression.
    Match(Matcher),
    /// `addr = ip("…")`.
    Ip {
        /// The label.
        name: String,
        /// `!=`.
        negated: bool,
        /// An address, a range or a network.
        pattern: String,
    },
    /// A number.
    Number {
        /// The label.
        name: String,
        /// How it compares.
        op: Comparison,
        /// With what.
        value: Quantity,
    },
    /// Both.
    And(Box<LabelFilter>, Box<LabelFilter>),
    /// One of them.
    Or(Box<LabelFilter>, Box<LabelFilter>),
}

/// `by (…)` and `without (…)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// Whether the labels are those that go.
    pub without: bool,
    /// The labels.
    pub labels: Vec<String>,
}

/// How `unwrap` reads a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// A number.
    Number,
    /// `bytes(…)`.
    Bytes,
    /// `duration(…)`, `duration_seconds(…)`: seconds.
    Duration,
}

/// `| unwrap label`.
#[derive(Clone, Debug, PartialEq)]
pub struct Unwrap {
    /// The label.
    pub label: String,
    /// How it is read.
    pub conversion: Conversion,
    /// Filters that follow it.
    pub filters: Vec<LabelFilter>,
}

/// An aggregation of lines over time, such as `rate`.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    /// Its name.
    pub function: String,
    /// The first argument of `quantile_over_time`.
    pub parameter: Option<f64>,
    /// The lines.
    pub log: LogExpr,
    /// The label whose number is taken.
    pub unwrap: Option<Unwrap>,
    /// How far back, nanoseconds.
    pub range_ns: i64,
    /// How far the whole is moved back, nanoseconds.
    pub offset_ns: i64,
    /// Labels of the series.
    pub grouping: Option<Grouping>,
}

/// How series of both sides of an operator find each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// `on (…)`; `ignoring (…)` where it is false.
    pub on: bool,
    /// The labels.
    pub labels: Vec<String>,
    /// `group_left`, or `group_right` where it is false.
    pub group_left: Option<bool>,
    /// Labels taken over from the one side.
    pub include: Vec<String>,
    /// Whether `on` or `ignoring` was written.
    pub written: bool,
}

/// Numbers made of lines.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricExpr {
    /// `rate({…}[5m])`.
    Range(Box<RangeAggregation>),
    /// `sum by (a) (…)`.
    Vector {
        /// Its name.
        function: String,
        /// The first argument of `topk` and its kin.
        parameter: Option<f64>,
        /// What is aggregated.
        inner: Box<MetricExpr>,
        /// Labels of the series.
        grouping: Option<Grouping>,
    },
    /// `a + b`.
    Binary {
        /// The operator.
        op: String,
        /// `bool`.
        return_bool: bool,
        /// How series find each other.
        matching: Matching,
        /// The left side.
        left: Box<MetricExpr>,
        /// The right side.
        right: Box<MetricExpr>,
    },
    /// A number.
    Literal(f64),
    /// `vector(1)`.
    Constant(f64),
    /// `label_replace(…)`.
    LabelReplace {
        /// What is changed.
        inner: Box<MetricExpr>,
        /// Destination, replacement, source, expression.
        arguments: [String; 4],
    },
}
