//! [`TemplateSet`]: named templates that call each other.

use crate::ast::Tree;
use crate::environment::Environment;
use crate::error::TemplateError;
use crate::exec::{self, Mode};
use crate::functions::Dialect;
use crate::value::Value;
use std::collections::HashMap;

/// Named templates that can call each other, as one Go `Template` with its associated templates.
#[derive(Clone, Debug)]
pub struct TemplateSet {
    dialect: Dialect,
    trees: HashMap<String, Tree>,
}

impl TemplateSet {
    /// A set without templates.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            trees: HashMap::new(),
        }
    }

    /// Parses a text as the template `name`, and adds its `define`s and `block`s. A later definition replaces an
    /// earlier one of the same name, unless it is empty.
    ///
    /// # Errors
    /// A text that does not parse, with Go's message; the set is unchanged then.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        let dialect = self.dialect;
        for tree in crate::parse::parse(name, text, &|name| dialect.function(name).is_some())? {
            let replaces = !tree.is_empty() || !self.trees.contains_key(&tree.name);
            if replaces {
                self.trees.insert(tree.name.clone(), tree);
            }
        }
        Ok(())
    }

    /// Whether there is a template of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    /// Executes the template `name` on `data`.
    ///
    /// # Errors
    /// With Go's message and position; also where a limit is passed.
    pub fn execute(
        &self,
        name: &str,
        data: &Value,
        environment: &mut Environment<'_>,
    ) -> Result<String, TemplateError> {
        let mode = if self.dialect == Dialect::PrometheusHtml {
            Mode::Html
        } else {
            Mode::Text
        };
        exec::execute(self, name, data, environment, mode)
    }

    /// Parses `text` as a nameless template beside those of the set and executes it: what Alertmanager does with
    /// each templated field of a receiver. The empty text gives the empty text.
    ///
    /// # Errors
    /// As [`TemplateSet::parse`] and [`TemplateSet::execute`].
    pub fn execute_text(
        &self,
        text: &str,
        data: &Value,
        environment: &mut Environment<'_>,
    ) -> Result<String, TemplateError> {
        self.execute_nameless(text, data, environment, Mode::Text)
    }

    /// As [`TemplateSet::execute_text`] with values escaped for where in an HTML document they stand.
    ///
    /// # Errors
    /// As [`TemplateSet::execute_text`].
    pub fn execute_html(
        &self,
        text: &str,
        data: &Value,
        environment: &mut Environment<'_>,
    ) -> Result<String, TemplateError> {
        self.execute_nameless(text, data, environment, Mode::Html)
    }

    fn execute_nameless(
        &self,
        text: &str,
        data: &Value,
        environment: &mut Environment<'_>,
        mode: Mode,
    ) -> Result<String, TemplateError> {
        // Most fields have no action at all.
        if !text.contains("{{") && mode == Mode::Text {
            return Ok(text.to_owned());
        }
        exec::execute(&self.with_nameless(text)?, "", data, environment, mode)
    }

    /// The set with `text` as its nameless template; trees are shared.
    pub(crate) fn with_nameless(&self, text: &str) -> Result<Self, TemplateError> {
        let mut set = self.clone();
        set.trees.remove("");
        set.parse("", text)?;
        Ok(set)
    }

    pub(crate) fn tree(&self, name: &str) -> Option<&Tree> {
        self.trees.get(name)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// Parses and executes one text as Prometheus does, with its messages: `error parsing template NAME: …` and
/// `error executing template NAME: …`.
///
/// # Errors
/// A text that does not parse or does not execute.
pub fn expand(
    dialect: Dialect,
    name: &str,
    text: &str,
    data: &Value,
    environment: &mut Environment<'_>,
) -> Result<String, TemplateError> {
    let mut set = TemplateSet::new(dialect);
    set.parse(name, text)
        .map_err(|error| error.prefixed(&format!("error parsing template {name}: ")))?;
    set.execute(name, data, environment)
        .map_err(|error| error.prefixed(&format!("error executing template {name}: ")))
}

/// Checks that a text parses, without executing it.
///
/// # Errors
/// With Go's message where it does not.
pub fn check(dialect: Dialect, name: &str, text: &str) -> Result<(), TemplateError> {
    TemplateSet::new(dialect).parse(name, text)
}
