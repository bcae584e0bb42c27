//! Queries with a window to be filled in.

use parapet_promql::Expr;

/// What stands for the window, as in Sloth.
const PLACEHOLDER: &str = "{{.window}}";

/// A query of an indicator: it has `{{.window}}` for the range, or is a counter's selector alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query(String);

impl Query {
    /// Checks a query.
    ///
    /// # Errors
    /// What is wrong with it and what to write.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        // `{{ .window }}` is the same to the template language.
        let text = text.trim().replace("{{ .window }}", PLACEHOLDER);
        let is_counter = |text: &str| matches!(parapet_promql::parse(text), Ok(Expr::Vector(_)));
        let text = match text.contains(PLACEHOLDER) {
            true => text,
            false if is_counter(&text) => format!("sum(rate({text}[{PLACEHOLDER}]))"),
            false => {
                return Err(format!(
                    "the query says no window; write {PLACEHOLDER} for the range, as in sum(rate(errors_total[{PLACEHOLDER}]))"
                ));
            }
        };
        Self::checked(text)
    }

    /// A query that is its own measure at a time: a ratio or a threshold, with or without a window.
    pub(super) fn instant(text: &str) -> Result<Self, String> {
        Self::checked(text.trim().replace("{{ .window }}", PLACEHOLDER))
    }

    fn checked(text: String) -> Result<Self, String> {
        let query = Self(text);
        match parapet_promql::parse(&query.over("5m")) {
            Ok(_) => Ok(query),
            Err(error) => Err(format!("could not parse expression: {error}")),
        }
    }

    /// The query over a window such as `5m`.
    pub(super) fn over(&self, window: &str) -> String {
        self.0.replace(PLACEHOLDER, window)
    }

    /// Around the query another text, with `%` for the query.
    pub(super) fn within(&self, text: &str) -> Self {
        Self(text.replace('%', &self.0))
    }
}
