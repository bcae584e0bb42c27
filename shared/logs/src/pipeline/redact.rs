//! Secrets and personal data, replaced before anything is stored.

use crate::LogRecord;
use parapet_model::{Labels, go_regex};
use regex::{Captures, Regex};
use std::borrow::Cow;

/// Finds secrets and replaces them by what they are: `[REDACTED:card]`.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    rules: Vec<Rule>,
}

/// One kind of secret.
#[derive(Clone, Debug)]
struct Rule {
    name: String,
    regex: Regex,
    replacement: String,
    check: Check,
}

/// What a match must be besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Nothing,
    /// The digits of a payment card: 13 to 19 of them, with Luhn's check digit.
    Card,
}

/// The kinds that are known by name, with their expressions. A group `secret` says which part is replaced.
const KINDS: [(&str, &str, Check); 7] = [
    (
        "card",
        r"(?-u:\b{start-half})[2-6][0-9](?:[ -]?[0-9]){11,17}(?-u:\b{end-half})",
        Check::Card,
    ),
    (
        "email",
        r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.[A-Za-z]{2,}",
        Check::Nothing,
    ),
    (
        "bearer",
        r"(?i)\b(?:bearer|basic|token)[ \t]+(?P<secret>[A-Za-z0-9._~+/-]{8,}=*)",
        Check::Nothing,
    ),
    (
        "token",
        concat!(
            r"(?-u:\b{start-half})(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}",
            r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|sk_(?:live|test)_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{35}",
            r"|npm_[A-Za-z0-9]{36}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
        ),
        Check::Nothing,
    ),
    (
        "aws_key",
        concat!(
            r"(?-u:\b{start-half})(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?-u:\b{end-half})",
            r#"|(?i:aws_?secret_?access_?key)["']?\s*[=:]\s*["']?(?P<secret>[A-Za-z0-9/+]{40})"#,
        ),
        Check::Nothing,
    ),
    (
        "password",
        r#"(?i)\b(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token)["']?\s*[=:]\s*(?:"(?P<secret>[^"]+)"|'[^']+'|[^\s,;&"'}\]]+)"#,
        Check::Nothing,
    ),
    (
        "private_key",
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        Check::Nothing,
    ),
];

impl Redactor {
    /// The names of the kinds that are known.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, _, _)| *name)
    }

    /// Adds a kind by its name.
    ///
    /// # Errors
    /// A name that is not known, with those that are.
    pub fn add_kind(&mut self, kind: &str) -> Result<(), String> {
        let Some((name, pattern, check)) = KINDS.iter().find(|(name, _, _)| *name == kind) else {
            let known: Vec<&str> = Self::kinds().collect();
            return Err(format!(
                "{} is no kind of secret; kinds are {}",
                parapet_model::quote(kind),
                known.join(", ")
            ));
        };
        let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
        self.rules.push(Rule {
            name: (*name).to_owned(),
            regex,
            replacement: format!("[REDACTED:{name}]"),
            check: *check,
        });
        Ok(())
    }

    /// Adds a rule of one's own: what the expression (Go's syntax) matches, or its group `secret`, is replaced.
    ///
    /// # Errors
    /// An expression that does not compile, or that matches nothing at all.
    pub fn add_rule(&mut self, name: &str, pattern: &str, replacement: Option<&str>) -> Result<(), String> {
        let regex = go_regex(pattern).map_err(|error| error.to_string())?;
        if regex.is_match("") {
            return Err("the expression matches the empty text; say what must be there".to_owned());
        }
        self.rules.push(Rule {
            name: name.to_owned(),
            regex,
            replacement: replacement.map_or_else(|| format!("[REDACTED:{name}]"), str::to_owned),
            check: Check::Nothing,
        });
        Ok(())
    }

    /// The rules of both, each once.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        let new = other.rules.iter().filter(|rule| {
            let same = |mine: &&Rule| mine.name == rule.name && mine.regex.as_str() == rule.regex.as_str();
            self.rules.iter().find(same).is_none()
        });
        self.rules.extend(new.cloned().collect::<Vec<_>>());
        self
    }

    /// Redacts everything that a record holds; answers how many secrets were replaced in its line, or, where there
    /// were none, in its fields.
    pub fn redact(&self, record: &mut LogRecord) -> u64 {
        if self.rules.is_empty() {
            return 0;
        }
        let mut in_line = 0;
        if let Cow::Owned(line) = self.text(&crate::record::lossy(&record.raw), &mut in_line)
            && in_line > 0
        {
            record.raw = line.into_bytes().into();
        }
        let mut in_fields = 0;
        for text in [
            &mut record.message,
            &mut record.service,
            &mut record.host,
            &mut record.trace_id,
            &mut record.route,
        ] {
            if let Cow::Owned(redacted) = self.text(text, &mut in_fields) {
                *text = redacted.into();
            }
        }
        for labels in [&mut record.attributes, &mut record.stream] {
            if let Some(redacted) = self.labels(labels, &mut in_fields) {
                *labels = redacted;
            }
        }
        if in_line > 0 { in_line } else { in_fields }
    }

    fn labels(&self, labels: &Labels, found: &mut u64) -> Option<Labels> {
        let mut changed = false;
        let pairs: Vec<_> = labels
            .iter()
            .map(|(name, value)| {
                // A name such as `password` makes its value a secret.
                let mut named = self.text(value, found);
                if !value.is_empty() && matches!(named, Cow::Borrowed(_)) {
                    let mut in_pair = 0;
                    let pair = format!("{name}=\"{}\"", value.replace('"', " "));
                    self.text(&pair, &mut in_pair);
                    if in_pair > 0 {
                        *found += in_pair;
                        named = Cow::Owned("[REDACTED]".to_owned());
                    }
                }
                changed |= matches!(named, Cow::Owned(_));
                (name, named)
            })
            .collect();
        changed.then(|| Labels::from_pairs(pairs.into_iter().map(|(name, value)| (name, value.into_owned()))))
    }

    /// Redacts a text; borrowed where there is nothing in it.
    pub fn text<'a>(&self, text: &'a str, found: &mut u64) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(text);
        for rule in &self.rules {
            let mut replaced = 0;
            if let Cow::Owned(redacted) = rule.regex.replace_all(&out, |captures: &Captures<'_>| {
                let whole = &captures[0];
                if rule.check == Check::Card && !is_card(whole) {
                    return whole.to_owned();
                }
                replaced += 1;
                match captures.name("secret") {
                    None => rule.replacement.clone(),
                    Some(secret) => {
                        let start = captures.get(0).map_or(0, |whole| whole.start());
                        let (from, to) = (secret.start() - start, secret.end() - start);
                        format!("{}{}{}", &whole[..from], rule.replacement, &whole[to..])
                    }
                }
            }) && replaced > 0
            {
                *found += replaced;
                out = Cow::Owned(redacted);
            }
        }
        out
    }
}

/// Luhn's check over the digits of a text, of which there must be 13 to 19.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}
