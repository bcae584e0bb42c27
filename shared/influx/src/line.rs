//! Lines: `measurement[,tag=value…] field=value[,field=value…] [timestamp]`.

use parapet_model::parse_float;

/// The most tags of a line: as many labels as a scraped series may have.
pub const MAX_TAGS: usize = 1_000;

/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineFault {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A number, of whichever of the protocol's three kinds.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A text, escapes resolved.
    Text(String),
}

/// A line of a body: points of one measurement, tags and time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// The measurement.
    pub measurement: String,
    /// Tags by name, in the order in which they stand.
    pub tags: Vec<(String, String)>,
    /// Fields by name.
    pub fields: Vec<(String, Field)>,
    /// The timestamp, in the unit that the request says.
    pub timestamp: Option<i64>,
}

/// The lines of a body; empty ones and comments are passed over.
pub fn lines(body: &[u8]) -> impl Iterator<Item = Result<Line, LineFault>> {
    let mut rest = body;
    let mut next = 1;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (line, newlines) = cut(rest);
            rest = rest.get(line.len() + 1..).unwrap_or_default();
            let number = next;
            next += newlines + 1;
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let fault = |reason: String| LineFault { line: number, reason };
            let parsed = match std::str::from_utf8(line) {
                Ok(text) => parse(text),
                Err(error) => Err(format!("is not UTF-8: {error}")),
            };
            return Some(parsed.map(|line| Line { number, ..line }).map_err(fault));
        }
        None
    })
}

/// The first line, and how many newlines it has within texts.
fn cut(body: &[u8]) -> (&[u8], usize) {
    let is_comment = body.trim_ascii_start().starts_with(b"#");
    let (mut at, mut in_text, mut in_fields, mut newlines) = (0, false, false, 0);
    while let Some(byte) = body.get(at) {
        match byte {
            // What follows a backslash is no end of anything, a newline outside of texts excepted.
            b'\\' if !is_comment && body.get(at + 1) != Some(&b'\n') => at += 1,
            b'"' if in_fields && !is_comment => in_text = !in_text,
            b' ' if at > 0 => in_fields = true,
            b'\n' if in_text => newlines += 1,
            b'\n' => return (&body[..at], newlines),
            _ => {}
        }
        at += 1;
    }
    // A text that does not end would take the lines after it along: then the first line is the faulty one.
    if in_text && let Some(end) = body.iter().position(|byte| *byte == b'\n') {
        return (&body[..end], 0);
    }
    (body, newlines)
}

fn parse(text: &str) -> Result<Line, String> {
    let (measurement, after) = take(text, &[',', ' ']);
    let mut line = Line {
        measurement,
        ..Line::default()
    };
    if line.measurement.is_empty() {
        return Err("missing measurement".to_owned());
    }
    let mut rest = after;
    while let Some(tag) = rest.strip_prefix(',') {
        let (name, after) = take(tag, &['=', ',', ' ']);
        let Some(value) = after.strip_prefix('=') else {
            return Err(format!("missing tag value of {name:?}"));
        };
        if name.is_empty() {
            return Err("missing tag key".to_owned());
        }
        if line.tags.len() == MAX_TAGS {
            return Err(format!("more than {MAX_TAGS} tags"));
        }
        let (value, after) = take(value, &[',', ' ', '=']);
        if after.starts_with('=') {
            return Err(format!("invalid tag format at {name:?}: escape = as \\="));
        }
        line.tags.push((name, value));
        rest = after;
    }
    let mut fields = rest.trim_start_matches(' ');
    loop {
        let (name, after) = take(fields, &['=', ',', ' ']);
        let Some(value) = after.strip_prefix('=') else {
            return Err(match name.is_empty() {
                true => "missing fields".to_owned(),
                false => format!("missing field value of {name:?}"),
            });
        };
        if name.is_empty() {
            return Err("missing field key".to_owned());
        }
        let (value, after) = field(value).map_err(|reason| format!("field {name:?}: {reason}"))?;
        line.fields.push((name, value));
        match after.strip_prefix(',') {
            Some(next) => fields = next,
            None => {
                rest = after;
                break;
            }
        }
    }
    let time = rest.trim();
    if !time.is_empty() {
        let read = time
            .parse()
            .map_err(|_| format!("bad timestamp {time:?}: write a whole number"));
        line.timestamp = Some(read?);
    }
    Ok(line)
}

/// A name or a tag's value up to an end, and what follows. A backslash escapes comma, equals sign, space and itself;
/// before anything else it is a backslash.
fn take<'t>(text: &'t str, ends: &[char]) -> (String, &'t str) {
    let mut out = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.peek() {
                Some((_, next @ (',' | '=' | ' ' | '\\'))) => {
                    out.push(*next);
                    chars.next();
                }
                _ => out.push('\\'),
            },
            c if ends.contains(&c) => return (out, &text[at..]),
            c => out.push(c),
        }
    }
    (out, "")
}

fn field(text: &str) -> Result<(Field, &str), String> {
    if let Some(inner) = text.strip_prefix('"') {
        let mut out = String::new();
        let mut chars = inner.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let after = &inner[at + 1..];
                    return match after.chars().next() {
                        None | Some(',' | ' ') => Ok((Field::Text(out), after)),
                        Some(_) => Err("something stands after the closing quote".to_owned()),
                    };
                }
                '\\' => match inner[at + 1..].chars().next() {
                    Some(next @ ('"' | '\\')) => {
                        out.push(next);
                        chars.next();
                    }
                    _ => out.push('\\'),
                },
                c => out.push(c),
            }
        }
        return Err("unbalanced quotes".to_owned());
    }
    let end = text.find([',', ' ']).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    let whole = |digits: &str| digits.parse::<i64>().map(|number| Field::Number(number as f64)).ok();
    let unsigned = |digits: &str| digits.parse::<u64>().map(|number| Field::Number(number as f64)).ok();
    let value = match word {
        "t" | "T" | "true" | "True" | "TRUE" => Some(Field::Bool(true)),
        "f" | "F" | "false" | "False" | "FALSE" => Some(Field::Bool(false)),
        _ => match (word.strip_suffix('i'), word.strip_suffix('u')) {
            (Some(digits), _) => whole(digits),
            (_, Some(digits)) => unsigned(digits),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                parse_float(word).map(Field::Number)
            }
            _ => None,
        },
    };
    let value =
        value.ok_or_else(|| format!("invalid value {word:?}: a text stands in quotes, a whole number ends in i"))?;
    Ok((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Line, String> {
        let mut found = lines(text.as_bytes());
        let first = found.next().unwrap().map_err(|fault| fault.reason);
        assert!(found.next().is_none(), "{text}");
        first
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn escapes_kinds_and_times() {
        let line = one(r#"my\ m\,x,t\=1=a\ b,t2=c\\d\e f\ 1=1.5e3,i=-3i,u=18446744073709551615u,b=T,s="a\"b\\c, d=1 e" -1700000000"#).unwrap();
        assert_eq!(line.measurement, "my m,x");
        assert_eq!(line.tags, pairs(&[("t=1", "a b"), ("t2", "c\\d\\e")]));
        let names: Vec<&str> = line.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["f 1", "i", "u", "b", "s"]);
        let values: Vec<Field> = line.fields.into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                Field::Number(1500.0),
                Field::Number(-3.0),
                Field::Number(18_446_744_073_709_551_615.0),
                Field::Bool(true),
                Field::Text("a\"b\\c, d=1 e".to_owned()),
            ]
        );
        assert_eq!(line.timestamp, Some(-1_700_000_000));
        assert_eq!(one("m  f=1  7 ").unwrap().timestamp, Some(7));
        assert_eq!(one("m,a= f=1").unwrap().tags, pairs(&[("a", "")]));
        assert_eq!(one("größe,ä=ö ü=1").unwrap().measurement, "größe");
    }

    #[test]
    fn faults_are_told_with_their_lines() {
        for (text, want) in [
            (",a=b f=1", "missing measurement"),
            ("m", "missing fields"),
            ("m,a f=1", "missing tag value"),
            ("m,=a f=1", "missing tag key"),
            ("m,a=b=c f=1", "invalid tag format"),
            ("m f", "missing field value"),
            ("m =1", "missing field key"),
            ("m f=", "invalid value"),
            ("m f=x", "invalid value"),
            ("m f=1ii", "invalid value"),
            ("m f=NaN", "invalid value"),
            ("m f=1,", "missing fields"),
            ("m f=\"a", "unbalanced quotes"),
            ("m f=\"a\"b", "after the closing quote"),
            ("m f=1 x", "bad timestamp"),
            ("m f=1 1 2", "bad timestamp"),
            ("m f=99999999999999999999i", "invalid value"),
        ] {
            let reason = one(text).unwrap_err();
            assert!(reason.contains(want), "{text}: {reason}");
        }
        let tags = |count| (0..count).map(|at| format!(",t{at}=x")).collect::<String>();
        assert_eq!(one(&format!("m{} f=1", tags(MAX_TAGS))).unwrap().tags.len(), MAX_TAGS);
        assert_eq!(
            one(&format!("m{} f=1", tags(MAX_TAGS + 1))).unwrap_err(),
            "more than 1000 tags"
        );
        let body = b"# comment \"\na v=1\n\nb x\nc v=\"two\nlines\"\n\xff v=1\nd v=\"open\ne v=2\r\n";
        let numbers: Vec<Result<usize, usize>> = lines(body)
            .map(|line| line.map(|line| line.number).map_err(|fault| fault.line))
            .collect();
        assert_eq!(numbers, [Ok(2), Err(4), Ok(5), Err(7), Err(8), Ok(9)]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::sample::select(b"ma,= \\\"\n#1i.\xc3".to_vec()), 0..60)) {
            for line in lines(&body) {
                let _ = line.map(|line| line.samples(crate::Precision::Hours, 0, Some("d")));
            }
        }
    }
}
