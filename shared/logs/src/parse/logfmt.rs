//! logfmt: `level=info msg="a text" ok`.

use std::borrow::Cow;

/// What stands in a line, pair by pair; a key alone has no value.
pub(crate) struct Pairs<'a> {
    text: &'a str,
    at: usize,
}

/// Not logfmt: what is wrong, and the byte at which that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotLogfmt {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// Reads a line.
pub(crate) fn pairs(text: &str) -> Pairs<'_> {
    Pairs { text, at: 0 }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a str, Option<Cow<'a, str>>), NotLogfmt>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(|byte| *byte <= b' ') {
            self.at += 1;
        }
        let start = self.at;
        while bytes
            .get(self.at)
            .is_some_and(|byte| *byte > b' ' && !matches!(byte, b'=' | b'"'))
        {
            self.at += 1;
        }
        let key = &self.text[start..self.at];
        match bytes.get(self.at) {
            None if key.is_empty() => None,
            Some(b'=') if !key.is_empty() => Some(self.value().map(|value| (key, Some(value)))),
            Some(b'=') => Some(self.fault("unexpected '='")),
            Some(b'"') => Some(self.fault("unexpected '\"'")),
            _ => Some(Ok((key, None))),
        }
    }
}

impl<'a> Pairs<'a> {
    /// An error, after which reading goes on with the next word.
    fn fault<T>(&mut self, what: &'static str) -> Result<T, NotLogfmt> {
        let at = self.at;
        let rest = &self.text.as_bytes()[at..];
        self.at += rest.iter().position(|byte| *byte <= b' ').unwrap_or(rest.len());
        Err(NotLogfmt { at, what })
    }

    /// What follows the `=` that stands here.
    fn value(&mut self) -> Result<Cow<'a, str>, NotLogfmt> {
        self.at += 1;
        let text = self.text;
        let rest = &text.as_bytes()[self.at..];
        if rest.first() != Some(&b'"') {
            let length = rest.iter().position(|byte| *byte <= b' ').unwrap_or(rest.len());
            let value = &text[self.at..self.at + length];
            if let Some(at) = value.find(['=', '"']) {
                self.at += at;
                return self.fault(if value[at..].starts_with('=') {
                    "unexpected '='"
                } else {
                    "unexpected '\"'"
                });
            }
            self.at += length;
            return Ok(Cow::Borrowed(value));
        }
        let start = self.at + 1;
        let mut escaped = false;
        let mut any = false;
        for (index, byte) in text.bytes().enumerate().skip(start) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => (escaped, any) = (true, true),
                b'"' => {
                    self.at = index + 1;
                    let inside = &text[start..index];
                    return Ok(if any {
                        Cow::Owned(unescape(inside))
                    } else {
                        Cow::Borrowed(inside)
                    });
                }
                _ => {}
            }
        }
        self.at = text.len();
        Err(NotLogfmt {
            at: text.len(),
            what: "unterminated quoted value",
        })
    }
}

fn unescape(inside: &str) -> String {
    // A quoted value is a text of JSON.
    match super::json::value(&format!("\"{inside}\"")) {
        Ok(value) => value.into_text().into_owned(),
        Err(_) => inside.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        let line = r#"level=info msg="a \"b\"\n" dur=1.5s ok empty= url=/x?a é="ü""#;
        let found: Vec<_> = pairs(line)
            .filter_map(Result::ok)
            .map(|(k, v)| (k, v.map(Cow::into_owned)))
            .collect();
        let want = [
            ("level", Some("info")),
            ("msg", Some("a \"b\"\n")),
            ("dur", Some("1.5s")),
            ("ok", None),
            ("empty", Some("")),
            ("url", Some("/x?a")),
            ("é", Some("ü")),
        ];
        assert_eq!(found, want.map(|(k, v)| (k, v.map(str::to_owned))));
    }

    #[test]
    fn goes_on_after_a_fault() {
        for (line, at, left) in [
            ("a=b=c d=1", 3, 1),
            ("=x d=1", 0, 1),
            ("a=\"open d=1", 11, 0),
            ("\"x\" d=1", 0, 1),
        ] {
            let found: Vec<_> = pairs(line).collect();
            assert_eq!(
                found.iter().find_map(|pair| pair.clone().err()).map(|fault| fault.at),
                Some(at),
                "{line}"
            );
            assert_eq!(found.iter().filter(|pair| pair.is_ok()).count(), left, "{line}");
        }
    }
}
