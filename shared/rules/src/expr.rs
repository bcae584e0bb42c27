//! [`RuleExpr`]: what a rule asks.

use std::fmt::{self, Display, Formatter};

/// The expression of a rule, in the language of its group.
#[derive(Clone, Debug)]
pub enum RuleExpr {
    /// Of metrics: PromQL.
    PromQl(parapet_promql::Expr),
    /// Of logs: a metric query in LogQL.
    LogQl(parapet_logs::logql::Expr),
}

/// As the languages print it.
impl Display for RuleExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::PromQl(expr) => expr.fmt(f),
            Self::LogQl(expr) => expr.fmt(f),
        }
    }
}

/// In which language the expressions of a group are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    PromQl,
    LogQl,
}

impl Language {
    /// What a group's `type` says.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "promql" | "prometheus" => Ok(Self::PromQl),
            "logql" | "loki" => Ok(Self::LogQl),
            other => Err(format!(
                "unknown type {}; write logql for rules over logs, or promql",
                parapet_model::quote(other)
            )),
        }
    }

    pub(crate) fn parse(self, text: &str) -> Result<RuleExpr, String> {
        match self {
            Self::PromQl => parapet_promql::parse(text)
                .map(RuleExpr::PromQl)
                .map_err(|error| error.to_string()),
            Self::LogQl => match parapet_logs::logql::parse(text) {
                Ok(expr @ parapet_logs::logql::Expr::Metric(_)) => Ok(RuleExpr::LogQl(expr)),
                Ok(parapet_logs::logql::Expr::Log(_)) => Err(
                    "a rule needs numbers, not lines; count them, as in sum(count_over_time({app=\"web\"}[5m]))"
                        .to_owned(),
                ),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}
