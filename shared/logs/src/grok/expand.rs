//! Replaces `%{SYNTAX:name}` by what it stands for.

use parapet_model::quote;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// How deep patterns may refer to each other.
const MAX_DEPTH: usize = 32;
/// How long an expanded pattern may be, bytes.
const MAX_BYTES: usize = 256 << 10;

/// Logstash's legacy definitions, by name.
static LIBRARY: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    [
        include_str!("../../patterns/grok-patterns"),
        include_str!("../../patterns/aws"),
        include_str!("../../patterns/bacula"),
        include_str!("../../patterns/bind"),
        include_str!("../../patterns/bro"),
        include_str!("../../patterns/exim"),
        include_str!("../../patterns/firewalls"),
        include_str!("../../patterns/haproxy"),
        include_str!("../../patterns/httpd"),
        include_str!("../../patterns/java"),
        include_str!("../../patterns/junos"),
        include_str!("../../patterns/linux-syslog"),
        include_str!("../../patterns/maven"),
        include_str!("../../patterns/mcollective"),
        include_str!("../../patterns/mongodb"),
        include_str!("../../patterns/nagios"),
        include_str!("../../patterns/postgresql"),
        include_str!("../../patterns/rails"),
        include_str!("../../patterns/redis"),
        include_str!("../../patterns/ruby"),
        include_str!("../../patterns/squid"),
    ]
    .into_iter()
    .flat_map(str::lines)
    .filter_map(|line| line.trim().split_once(char::is_whitespace))
    .filter(|(name, _)| !name.starts_with('#'))
    .map(|(name, pattern)| (name, pattern.trim_start()))
    .collect()
});

/// The names of the library's patterns.
#[cfg(test)]
pub(super) fn library() -> impl Iterator<Item = &'static str> {
    LIBRARY.keys().copied()
}

/// The regular expression of a grok pattern. Its groups `grok_field_N` are the fields whose names are answered.
pub(super) fn expand(pattern: &str, own: &BTreeMap<String, String>) -> Result<(String, Vec<String>), String> {
    let mut expansion = Expansion {
        own,
        out: String::new(),
        names: Vec::new(),
        depth: 0,
    };
    expansion.pattern(pattern)?;
    Ok((expansion.out, expansion.names))
}

struct Expansion<'a> {
    own: &'a BTreeMap<String, String>,
    out: String,
    names: Vec<String>,
    depth: usize,
}

impl Expansion<'_> {
    fn pattern(&mut self, pattern: &str) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("patterns that refer to each other in a circle".to_owned());
        }
        let mut rest = pattern;
        while let Some(start) = rest.find("%{") {
            self.plain(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                return Err(format!(
                    "{} is not closed; write %{{SYNTAX:name}}",
                    quote(&rest[start..])
                ));
            };
            self.reference(&rest[start + 2..start + length])?;
            rest = &rest[start + length + 1..];
        }
        self.plain(rest);
        self.depth -= 1;
        Ok(())
    }

    /// Text between references. Atomic groups only forbid going back, which a strict regular expression never needs.
    fn plain(&mut self, text: &str) {
        let text = text
            .replace("(?>", "(?:")
            .replace(r"\Z", r"\z")
            .replace(r"\h", "[0-9A-Fa-f]");
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            let named = rest.strip_prefix("(?<").or_else(|| rest.strip_prefix("(?P<"));
            if let Some((name, after)) = named.and_then(|named| named.split_once('>')) {
                self.open_field(name);
                rest = after;
                continue;
            }
            if c == '\\' {
                length += rest[1..].chars().next().map_or(0, char::len_utf8);
                let braced = rest[length..].starts_with('{') && matches!(&rest[1..length], "x" | "p" | "P");
                length += if braced {
                    rest[length..].find('}').map_or(0, |end| end + 1)
                } else {
                    0
                };
            } else if c == '{' && !rest[1..].starts_with(|next: char| next.is_ascii_digit()) {
                // A brace that opens no repetition stands for itself.
                self.out.push('\\');
            }
            self.out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }

    fn open_field(&mut self, name: &str) {
        self.out.push_str(&format!("(?P<grok_field_{}>", self.names.len()));
        self.names.push(name.to_owned());
    }

    fn reference(&mut self, inside: &str) -> Result<(), String> {
        let mut parts = inside.splitn(3, ':');
        let syntax = parts.next().unwrap_or_default();
        let own = self.own;
        let Some(definition) = own
            .get(syntax)
            .map(String::as_str)
            .or_else(|| LIBRARY.get(syntax).copied())
        else {
            return Err(format!(
                "there is no pattern {}; define it under patterns, or take one of Logstash's",
                quote(syntax)
            ));
        };
        match parts.next() {
            Some(name) if !name.is_empty() => {
                if let Some(kind) = parts.next()
                    && !matches!(kind, "int" | "float" | "string" | "long" | "double" | "boolean")
                {
                    return Err(format!(
                        "{} is no type; write int or float, or leave it out",
                        quote(kind)
                    ));
                }
                // `[http][status]` is Logstash's way to write `http.status`.
                let name = name.trim_matches(['[', ']']).replace("][", ".");
                self.open_field(&name);
            }
            _ => self.out.push_str("(?:"),
        }
        if self.out.len() > MAX_BYTES {
            return Err(format!("the expanded pattern is longer than {MAX_BYTES} bytes"));
        }
        self.pattern(definition)?;
        self.out.push(')');
        Ok(())
    }
}
