//! Reading fields of a section: known ones, ones not supported yet, and the unknown with a suggestion.

use crate::error::{Fault, Position};
use crate::yaml::{Node, Value};
use parapet_model::{Labels, parse_duration_ms, quote};

/// A section of the file whose field names have been checked.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    /// Where the section stands.
    pub(crate) at: Position,
    pairs: &'a [(Node, Node)],
}

impl<'a> Fields<'a> {
    /// Checks the names in a section called `section`. A field in `unsupported` may stand there empty.
    pub(crate) fn read(node: &'a Node, section: &str, supported: &[&str], unsupported: &[&str]) -> Result<Self, Fault> {
        let pairs = match &node.value {
            Value::Null => &[],
            Value::Mapping(pairs) => pairs.as_slice(),
            _ => {
                return Err(Fault::new(
                    node.at,
                    format!("{section} must be a mapping of fields, this is {}", node.kind()),
                ));
            }
        };
        for (key, value) in pairs {
            let name = key.text()?;
            if supported.contains(&name) {
                continue;
            }
            if !unsupported.contains(&name) {
                return Err(unknown_field(key.at, name, section, supported, unsupported));
            }
            if !value.is_empty() {
                return Err(Fault::new(
                    key.at,
                    format!("{} in {section} is not supported yet; remove it", quote(name)),
                ));
            }
        }
        Ok(Self { at: node.at, pairs })
    }

    /// The value of a field; `None` where it is absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Node> {
        self.pairs
            .iter()
            .find(|(key, _)| matches!(&key.value, Value::Scalar(text) if text == name))
            .map(|(_, value)| value)
            .filter(|value| !matches!(value.value, Value::Null))
    }

    /// Where a field's name stands; the section where it is absent.
    pub(crate) fn position(&self, name: &str) -> Position {
        self.pairs
            .iter()
            .find(|(key, _)| matches!(&key.value, Value::Scalar(text) if text == name))
            .map_or(self.at, |(key, _)| key.at)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        self.get(name).map(Node::text).transpose()
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.get(name).map(|node| node.boolean(name)).transpose()
    }

    pub(crate) fn unsigned(&self, name: &str) -> Result<Option<u64>, Fault> {
        self.get(name).map(|node| node.unsigned(name)).transpose()
    }

    /// The number of a port.
    pub(crate) fn port(&self, name: &str) -> Result<Option<u16>, Fault> {
        let Some(number) = self.unsigned(name)? else {
            return Ok(None);
        };
        let port = u16::try_from(number).map_err(|_| {
            let what = format!("{name} must be a number from 0 to 65535, not {number}");
            Fault::new(self.position(name), what)
        });
        port.map(Some)
    }

    /// A number of 0 or more.
    pub(crate) fn float(&self, name: &str) -> Result<Option<f64>, Fault> {
        let Some(node) = self.get(name) else { return Ok(None) };
        let text = node.text()?;
        match text.parse::<f64>() {
            Ok(number) if number >= 0.0 && number.is_finite() => Ok(Some(number)),
            _ => Err(Fault::new(
                node.at,
                format!("{name} must be a number from 0 up, not {}", quote(text)),
            )),
        }
    }

    /// A duration in milliseconds.
    pub(crate) fn duration_ms(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.get(name).map(Node::duration_ms).transpose()
    }

    /// A size in bytes.
    pub(crate) fn size_bytes(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.get(name).map(Node::size_bytes).transpose()
    }

    /// The elements of a list; none where the field is absent.
    pub(crate) fn list(&self, name: &str) -> Result<&'a [Node], Fault> {
        self.get(name).map_or(Ok(&[]), |node| node.list(name))
    }
}

impl Node {
    /// What the node is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar(text) => text.is_empty(),
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(pairs) => pairs.is_empty(),
        }
    }

    /// A single value as text; null is the empty text.
    pub(crate) fn text(&self) -> Result<&str, Fault> {
        match &self.value {
            Value::Scalar(text) => Ok(text),
            Value::Null => Ok(""),
            _ => Err(Fault::new(
                self.at,
                format!("expected a single value, this is {}", self.kind()),
            )),
        }
    }

    pub(crate) fn list(&self, name: &str) -> Result<&[Self], Fault> {
        match &self.value {
            Value::Null => Ok(&[]),
            Value::Sequence(items) => Ok(items),
            _ => Err(Fault::new(
                self.at,
                format!(
                    "{name} must be a list, this is {}; begin each element with \"- \"",
                    self.kind()
                ),
            )),
        }
    }

    fn boolean(&self, name: &str) -> Result<bool, Fault> {
        let text = self.text()?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Ok(true),
            "false" | "no" | "off" | "n" => Ok(false),
            _ => Err(Fault::new(
                self.at,
                format!("{name} must be true or false, not {}", quote(text)),
            )),
        }
    }

    fn unsigned(&self, name: &str) -> Result<u64, Fault> {
        let text = self.text()?;
        text.parse().map_err(|_| {
            Fault::new(
                self.at,
                format!("{name} must be a whole number from 0 up, not {}", quote(text)),
            )
        })
    }

    pub(crate) fn duration_ms(&self) -> Result<i64, Fault> {
        let text = self.text()?;
        parse_duration_ms(text).map_err(|error| Fault::new(self.at, format!("{error}; write it as 30s, 5m or 1h30m")))
    }

    /// `units.ParseBase2Bytes`: a number and a unit, of which both `KB` and `KiB` are 1024 bytes.
    pub(crate) fn size_bytes(&self) -> Result<i64, Fault> {
        let text = self.text()?;
        let hint = "write it as 512KB, 100MB or 1GB";
        if text == "0" {
            return Ok(0);
        }
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(magnitude) => (true, magnitude),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let digits = magnitude
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let (number, unit) = magnitude.split_at(digits);
        let number: f64 = number
            .parse()
            .map_err(|_| Fault::new(self.at, format!("units: invalid {text}; {hint}")))?;
        let power = match unit {
            "B" => 0,
            "KB" | "KiB" => 1,
            "MB" | "MiB" => 2,
            "GB" | "GiB" => 3,
            "TB" | "TiB" => 4,
            "PB" | "PiB" => 5,
            "EB" | "EiB" => 6,
            _ => {
                return Err(Fault::new(
                    self.at,
                    format!("units: unknown unit {unit} in {text}; {hint}"),
                ));
            }
        };
        let bytes = number * 1024f64.powi(power);
        if bytes >= i64::MAX as f64 {
            return Err(Fault::new(self.at, format!("units: {text} is out of range; {hint}")));
        }
        let bytes = bytes as i64;
        Ok(if negative { -bytes } else { bytes })
    }

    /// A mapping of label names to values.
    pub(crate) fn labels(&self, name: &str) -> Result<Labels, Fault> {
        let pairs = match &self.value {
            Value::Null => return Ok(Labels::empty()),
            Value::Mapping(pairs) => pairs,
            _ => {
                return Err(Fault::new(
                    self.at,
                    format!(
                        "{name} must be a mapping of label names to values, this is {}",
                        self.kind()
                    ),
                ));
            }
        };
        let mut out = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let name = key.text()?;
            if name.is_empty() {
                return Err(Fault::new(key.at, "\"\" is not a valid label name"));
            }
            out.push((name, value.text()?));
        }
        Ok(Labels::from_pairs(out))
    }
}

fn unknown_field(at: Position, name: &str, section: &str, supported: &[&str], unsupported: &[&str]) -> Fault {
    let close = |candidates: &[&str]| {
        candidates
            .iter()
            .map(|candidate| (edit_distance(name, candidate), (*candidate).to_owned()))
            .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
            .min()
    };
    let best = [close(supported), close(unsupported)].into_iter().flatten().min();
    let hint = match best {
        Some((_, candidate)) => format!("; did you mean {}?", quote(&candidate)),
        None => format!("; known fields are {}", supported.join(", ")),
    };
    Fault::new(at, format!("unknown field {} in {section}{hint}", quote(name)))
}

/// Insertions, deletions and substitutions between two names.
fn edit_distance(a: &str, b: &str) -> usize {
    // Beyond this it is no slip of the finger.
    if a.len().abs_diff(b.len()) > 20 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "abc", 3),
            ("scrape_intervall", "scrape_interval", 1),
            ("job", "job", 0),
            ("jbo", "job", 2),
        ] {
            assert_eq!(edit_distance(a, b), want);
        }
    }

    #[test]
    fn sizes() {
        let size = |text: &str| {
            crate::yaml::parse(text)
                .unwrap()
                .size_bytes()
                .map_err(|fault| fault.message)
        };
        for (text, want) in [
            ("0", 0),
            ("1KB", 1024),
            ("1.5MiB", 1_572_864),
            ("100B", 100),
            ("-1GB", -1_073_741_824),
        ] {
            assert_eq!(size(text), Ok(want), "{text}");
        }
        for text in ["100", "KB", "1 KB", "1kb", "9999999EB", "1..5KB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
