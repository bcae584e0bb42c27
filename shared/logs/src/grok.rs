//! Grok: named patterns that extract fields from a line, as Logstash has them.
//!
//! `%{SYNTAX:name}` stands for the pattern `SYNTAX`, whose match becomes the field `name`. The standard library is
//! Logstash's legacy one (`patterns/`). Everything is compiled once to one program; a pattern is a regular expression
//! in the strict sense, without look-around.

mod expand;
mod program;
mod run;
mod steps;

use program::Program;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::BTreeMap;

pub(crate) use run::Scratch;

/// The most memory that a compiled pattern may take, bytes.
const SIZE_LIMIT: usize = 32 << 20;

/// A compiled pattern whose named groups are fields.
#[derive(Clone, Debug)]
pub(crate) struct Extractor {
    /// The fields in order of their groups, each with the group that captures it. A name may come more than once.
    fields: Vec<(String, usize)>,
    /// The quick way, where the pattern has one.
    program: Option<Program>,
    /// The sure way.
    regex: Regex,
}

impl Extractor {
    /// Compiles a grok pattern, with patterns of one's own before those of the library.
    ///
    /// # Errors
    /// What is wrong with the pattern, and what to write.
    pub(crate) fn grok(pattern: &str, own: &BTreeMap<String, String>) -> Result<Self, String> {
        let (pattern, names) = expand::expand(pattern, own)?;
        Self::compile(&pattern, |group| {
            let number = group.strip_prefix("grok_field_")?.parse::<usize>().ok()?;
            names.get(number).cloned()
        })
    }

    /// Compiles a regular expression; `(?P<name>…)` and `(?<name>…)` are its fields.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn regex(pattern: &str) -> Result<Self, String> {
        let extractor = Self::compile(pattern, |_| None)?;
        if extractor.fields.is_empty() {
            return Err(
                "the regular expression has no named group; write (?P<name>…) around what is to be a field".into(),
            );
        }
        Ok(extractor)
    }

    fn compile(pattern: &str, name_of: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let regex = RegexBuilder::new(pattern)
            .unicode(false)
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| explain(&error))?;
        let fields = regex
            .capture_names()
            .enumerate()
            .filter_map(|(group, name)| {
                Some((
                    name_of(name?).unwrap_or_else(|| name.unwrap_or_default().to_owned()),
                    group,
                ))
            })
            .collect();
        Ok(Self {
            fields,
            program: Program::compile(pattern),
            regex,
        })
    }

    /// Calls `emit` with each field that the first match captures; answers whether there is a match.
    pub(crate) fn extract<'p, 't>(
        &'p self,
        text: &'t str,
        scratch: &mut Scratch,
        mut emit: impl FnMut(&'p str, &'t str),
    ) -> bool {
        let found = self
            .program
            .as_ref()
            .and_then(|program| run::run(program, text.as_bytes(), scratch));
        let found = found.unwrap_or_else(|| self.slowly(text, scratch));
        if found {
            for (name, group) in &self.fields {
                if let Some(value) = scratch.group(*group).and_then(|range| text.get(range)) {
                    emit(name, value);
                }
            }
        }
        found
    }

    /// As the regular expression library finds it.
    fn slowly(&self, text: &str, scratch: &mut Scratch) -> bool {
        let mut locations = self.regex.capture_locations();
        let found = self.regex.captures_read(&mut locations, text.as_bytes()).is_some();
        if found {
            scratch.set((0..locations.len()).map(|group| locations.get(group)));
        }
        found
    }
}

fn explain(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "the expression is too large".to_owned(),
        error => {
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let hint = if reason.contains("look-around") {
                "; write what may stand there instead, such as a class [^x]*"
            } else {
                ""
            };
            format!("invalid regular expression: {reason}{hint}")
        }
    }
}

#[cfg(test)]
mod tests;
