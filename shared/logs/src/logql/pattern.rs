//! Patterns of `| pattern` and `|>`: texts with captures between them, `<ip> - - [<_>] "<method> <_>"`.

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A capture, without a name for `<_>`.
    Capture(Option<String>),
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

impl Pattern {
    /// Compiles a pattern. For a line filter captures must have no names, for a parser one at least must have.
    pub(super) fn parse(text: &str, parser: bool) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some((name, after)) = capture(rest) {
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                if matches!(parts.last(), Some(Part::Capture(_))) {
                    return Err("found consecutive capture, which cannot be told apart; put a text between".to_owned());
                }
                if name != "_"
                    && parts
                        .iter()
                        .any(|part| matches!(part, Part::Capture(Some(other)) if other == name))
                {
                    return Err(format!("duplicate capture name ({name})"));
                }
                parts.push(Part::Capture((name != "_").then(|| name.to_owned())));
                rest = after;
            } else {
                literal.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let named = parts.iter().any(|part| matches!(part, Part::Capture(Some(_))));
        if parser && !named {
            return Err("at least one capture is required; write <name>".to_owned());
        }
        if !parser && named {
            return Err("named captures are not allowed in a line filter; write <_>".to_owned());
        }
        Ok(Self { parts })
    }

    /// What the named captures hold; those after the first text that is not there are missing.
    pub(super) fn captures<'a>(&self, line: &'a str) -> Vec<(&str, &'a str)> {
        let mut found = Vec::new();
        let mut rest = line;
        let mut parts = self.parts.as_slice();
        if let [Part::Literal(first), after @ ..] = parts {
            let Some(after_first) = rest.strip_prefix(first.as_str()) else {
                return found;
            };
            (rest, parts) = (after_first, after);
        }
        while let [Part::Capture(name), after @ ..] = parts {
            let (value, next, ended) = match after.first() {
                Some(Part::Literal(literal)) => match rest.split_once(literal.as_str()) {
                    Some((value, next)) => (value, next, false),
                    None => (rest, "", true),
                },
                _ => (rest, "", true),
            };
            if let Some(name) = name {
                found.push((name.as_str(), value));
            }
            if ended || line.is_empty() {
                break;
            }
            (rest, parts) = (next, &after[1..]);
        }
        found
    }

    /// Whether a line has the form of the pattern: captures are not empty.
    pub(super) fn matches(&self, line: &str) -> bool {
        if line.is_empty() || self.parts.is_empty() {
            return line.is_empty() && self.parts.is_empty();
        }
        let mut rest = line;
        for (index, part) in self.parts.iter().enumerate() {
            let Part::Literal(literal) = part else { continue };
            let Some(at) = rest.find(literal.as_str()) else {
                return false;
            };
            if (index == 0) != (at == 0) {
                return false;
            }
            rest = &rest[at + literal.len()..];
        }
        matches!(self.parts.last(), Some(Part::Capture(_))) != rest.is_empty()
    }

    /// The texts between captures.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(literal) => Some(literal.as_str()),
            Part::Capture(_) => None,
        })
    }
}

/// `<name>` at the start of a text, and what follows it.
fn capture(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('<')?.split_once('>')?;
    (name == "_" || parapet_model::is_legacy_label_name(name)).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_and_matches() {
        let line = r#"1.2.3.4 - - [x] "GET /a HTTP/1.1" 200"#;
        for (pattern, want) in [
            (
                r#"<ip> - - <_> "<method> <uri> <_>" <status>"#,
                vec![("ip", "1.2.3.4"), ("method", "GET"), ("uri", "/a"), ("status", "200")],
            ),
            ("<ip> -", vec![("ip", "1.2.3.4")]),
            ("<ip> nope <x>", vec![("ip", line)]),
            ("nope <x>", vec![]),
        ] {
            assert_eq!(Pattern::parse(pattern, true).unwrap().captures(line), want, "{pattern}");
        }
        for (pattern, line, want) in [
            ("<_> refused <_>", "it refused me", true),
            ("<_> refused <_>", " refused me", false),
            ("refused <_>", "refused me", true),
            ("refused <_>", "it refused me", false),
            ("<_> me", "it refused me", true),
            ("<_> me", "it refused me now", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern, false).unwrap().matches(line),
                want,
                "{pattern} {line}"
            );
        }
        for (pattern, parser) in [("<a><b>", true), ("<a> <a>", true), ("x", true), ("<a> x", false)] {
            assert!(Pattern::parse(pattern, parser).is_err(), "{pattern}");
        }
    }
}
