//! Regular expressions in Go's syntax (RE2), compiled by the `regex` crate.
//!
//! The two agree on most. Where they do not, the pattern is rewritten: Go's `\d`, `\w`, `\s` and `\b` mean ASCII, a
//! brace that opens no repetition stands for itself, `[` in a class too, and `\Q…\E` quotes.

mod fault;

use crate::MatcherError;
use regex::{Captures, Regex, RegexBuilder};

/// The most memory that a compiled pattern may take, bytes.
const SIZE_LIMIT: usize = 64 << 20;

/// Compiles a pattern that must match a whole text; `.` also matches a newline. This is how Prometheus reads the
/// regular expressions of matchers and of `label_replace`.
///
/// # Errors
/// [`MatcherError`] where the pattern does not compile.
pub fn anchored_regex(pattern: &str) -> Result<Regex, MatcherError> {
    let pattern = checked(pattern)?;
    compile(&format!("^(?s:{pattern})$"))
}

/// [`anchored_regex`], or `None`.
#[must_use]
pub fn compile_anchored(pattern: &str) -> Option<Regex> {
    anchored_regex(pattern).ok()
}

/// Compiles a pattern of Go's syntax as it is, not anchored.
///
/// # Errors
/// [`MatcherError`] where the pattern does not compile.
pub fn go_regex(pattern: &str) -> Result<Regex, MatcherError> {
    compile(&checked(pattern)?)
}

/// The pattern in the `regex` crate's syntax, if Go takes it.
fn checked(pattern: &str) -> Result<String, MatcherError> {
    let pattern = rust_syntax(pattern);
    match fault::find(&pattern) {
        None => Ok(pattern),
        Some(reason) => Err(MatcherError { reason }),
    }
}

fn compile(pattern: &str) -> Result<Regex, MatcherError> {
    RegexBuilder::new(pattern)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "expression too large".to_owned(),
            error => error.to_string(),
        })
        .map_err(|reason| MatcherError { reason })
}

/// Rewrites a pattern of Go's syntax to the `regex` crate's.
fn rust_syntax(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = escape(rest, &mut out, false),
            '[' => rest = class(rest, &mut out),
            '{' => match repetition(rest) {
                Some(length) => {
                    out.push('{');
                    out.push_str(&rest[..length]);
                    rest = &rest[length..];
                }
                None => out.push_str(r"\{"),
            },
            '}' => out.push_str(r"\}"),
            c => out.push(c),
        }
    }
    out
}

/// The length of `2,3}` at the start of `rest`, if that is what stands there.
fn repetition(rest: &str) -> Option<usize> {
    let (inside, _) = rest.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!least.is_empty() && digits(least) && digits(most)).then_some(inside.len() + 1)
}

/// Rewrites an escape sequence, whose backslash is read; answers what follows it.
fn escape<'a>(rest: &'a str, out: &mut String, in_class: bool) -> &'a str {
    let Some(c) = rest.chars().next() else {
        out.push('\\');
        return rest;
    };
    let after = &rest[c.len_utf8()..];
    let set = match c.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => r"\t\n\f\r ",
        _ => "",
    };
    match c {
        'd' | 'w' | 's' if in_class => out.push_str(set),
        'd' | 'w' | 's' => out.extend(["[", set, "]"]),
        'D' | 'W' | 'S' => out.extend(["[^", set, "]"]),
        'b' | 'B' if !in_class => out.extend([r"(?-u:\", if c == 'b' { "b" } else { "B" }, ")"]),
        'C' if !in_class => out.push_str("(?s:.)"),
        'Q' if !in_class => {
            let (quoted, after) = after.split_once(r"\E").unwrap_or((after, ""));
            out.push_str(&regex::escape(quoted));
            return after;
        }
        // One digit alone would refer to a group, which RE2 does not.
        '0'..='7' if c == '0' || after.starts_with(|next: char| next.is_digit(8)) => {
            let digits = rest
                .bytes()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte))
                .count();
            let value = u32::from_str_radix(&rest[..digits], 8).unwrap_or_default();
            out.push_str(&format!(r"\x{{{value:x}}}"));
            return &rest[digits..];
        }
        c if c.is_ascii_punctuation() => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        c => {
            out.push('\\');
            out.push(c);
            // What stands in braces belongs to it: `\x{10}`, `\p{Greek}`.
            if matches!(c, 'x' | 'p' | 'P')
                && let Some(length) = after.starts_with('{').then(|| after.find('}')).flatten()
            {
                out.push_str(&after[..=length]);
                return &after[length + 1..];
            }
        }
    }
    after
}

/// Rewrites a character class, whose bracket is read; answers what follows it.
fn class<'a>(mut rest: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            ']' if !first => {
                out.push(']');
                return after;
            }
            '[' if after.starts_with(':') && after.contains(":]") => {
                let end = after.find(":]").unwrap_or_default() + 2;
                out.push('[');
                out.push_str(&after[..end]);
                rest = &after[end..];
                first = false;
                continue;
            }
            '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => {
                rest = escape(after, out, true);
                first = false;
                continue;
            }
            c => out.push(c),
        }
        first = false;
        rest = after;
    }
    rest
}

/// Puts what a pattern's groups captured into a template: `$1`, `${1}`, `$name`, `$$`; what names no group is empty.
///
/// Source: `regexp.Regexp.ExpandString`.
#[must_use]
pub fn expand_go(template: &str, regex: &Regex, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let word = |text: &str| {
            text.find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(text.len())
        };
        let (name, after) = match rest.strip_prefix('{') {
            Some(braced) => {
                let length = word(braced);
                match braced[length..].strip_prefix('}') {
                    Some(after) => (&braced[..length], after),
                    None => ("", rest),
                }
            }
            None => rest.split_at(word(rest)),
        };
        if name.is_empty() {
            // No reference: the sign stands for itself.
            out.push('$');
            continue;
        }
        let group = if name.bytes().all(|byte| byte.is_ascii_digit()) {
            name.parse().ok().and_then(|number: usize| captures.get(number))
        } else {
            let known = regex.capture_names().flatten().any(|known| known == name);
            known.then(|| captures.name(name)).flatten()
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_syntax() {
        for (pattern, text, want) in [
            ("a.c", "a\nc", true),
            ("/api/{id}", "/api/{id}", true),
            ("a{2}", "aa", true),
            ("a{,2}", "a{,2}", true),
            (r"\d+", "٣", false),
            (r"\w", "é", false),
            (r"[\w-]+", "a-b", true),
            (r"[^\d]", "a", true),
            (r"[\D]", "a", true),
            ("[[a]", "[", true),
            ("[]a]", "]", true),
            ("[a&&b]", "&", true),
            ("[[:alpha:]_]+", "a_b", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\<", "<", true),
            (r"\101\x{42}", "AB", true),
            (r"\bfoo\b", "foo", true),
            ("(?i)foo", "FOO", true),
            ("a|b", "b", true),
            ("", "", true),
            ("é{", "é{", true),
        ] {
            let regex = anchored_regex(pattern).unwrap();
            assert_eq!(regex.is_match(text), want, "{pattern:?} {text:?}");
        }
        for pattern in ["(", "[a", r"\8", "a{2,1}", r"(?=a)", r"\"] {
            assert!(anchored_regex(pattern).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn expands_as_go() {
        let regex = Regex::new("(?P<a>.)(.)").unwrap();
        let captures = regex.captures("xy").unwrap();
        for (template, want) in [
            ("$1-$2", "x-y"),
            ("${1}0", "x0"),
            ("$10", ""),
            ("$a$b", "x"),
            ("$$1", "$1"),
            ("${", "${"),
            ("€$", "€$"),
        ] {
            assert_eq!(expand_go(template, &regex, &captures), want, "{template}");
        }
    }
}
