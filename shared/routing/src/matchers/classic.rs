//! The classic grammar (`pkg/labels.ParseMatchers` of Alertmanager): tolerant, label names of the old character set.

use super::{Matcher, Matchers, MatchersError};
use parapet_model::{MatchOp, is_legacy_metric_name};

/// Reads matchers in the classic grammar.
///
/// # Errors
/// [`MatchersError`] where a part has no name, no operator, or a stray double quote.
pub fn parse_classic_matchers(text: &str) -> Result<Matchers, MatchersError> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let mut parts = Vec::new();
    let (mut part, mut quoted, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            ',' if !quoted => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            // An escaped comma outside quotes does not end an escape either: only these two arms touch it.
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part.trim().to_owned());
    }
    parts
        .iter()
        .map(|part| parse_one(part))
        .collect::<Result<_, _>>()
        .map(Matchers)
}

fn parse_one(text: &str) -> Result<Matcher, MatchersError> {
    let bad = || MatchersError(format!("bad matcher format: {text}"));
    let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
    let rest = text.trim_start_matches(space);
    let name_end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(name_end);
    if !is_legacy_metric_name(name) {
        return Err(bad());
    }
    let rest = rest.trim_start_matches(space);
    let operators = [
        ("=~", MatchOp::Regex),
        ("=", MatchOp::Equal),
        ("!=", MatchOp::NotEqual),
        ("!~", MatchOp::NotRegex),
    ];
    let (op, rest) = operators
        .iter()
        .find_map(|(sign, op)| rest.strip_prefix(sign).map(|rest| (*op, rest)))
        .ok_or_else(bad)?;
    Matcher::new(name, op, unescape(rest.trim_matches(space))?)
}

/// Undoes OpenMetrics escapes; an escape that is none stands for itself.
fn unescape(raw: &str) -> Result<String, MatchersError> {
    let stray = || MatchersError(format!("matcher value contains unescaped double quote: {raw}"));
    let (text, mut expect_quote) = match raw.strip_prefix('"') {
        Some(text) => (text, true),
        None => (raw, false),
    };
    let mut out = String::with_capacity(text.len());
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        let last = index == text.len() - 1;
        match (escaped, c) {
            (true, _) => {
                escaped = false;
                match c {
                    'n' => out.push('\n'),
                    '"' | '\\' => out.push(c),
                    _ => {
                        out.push('\\');
                        out.push(c);
                    }
                }
            }
            (false, '\\') if !last => escaped = true,
            (false, '"') if expect_quote && last => expect_quote = false,
            (false, '"') => return Err(stray()),
            (false, _) => out.push(c),
        }
    }
    if expect_quote { Err(stray()) } else { Ok(out) }
}
