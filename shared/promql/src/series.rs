//! Series descriptions, the notation of unit tests: `up{job="x"} 1 2+3x2 _ stale {{schema:1 count:2 buckets:[2]}}`.

mod histogram;

use crate::ast::PositionRange;
use crate::error::ParseError;
use crate::parser::parse_selector;
use parapet_model::{Histogram, Labels, LabelsBuilder, MatchOp, parse_float, stale_nan};
use std::sync::Arc;

/// The most values that a description may stand for.
const MAX_VALUES: usize = 1_000_000;

/// A value of a [`SeriesDescription`].
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceValue {
    /// `_`: no sample.
    Omitted,
    /// A float; `stale` is the staleness marker.
    Float(f64),
    /// A native histogram, and whether its counter reset hint was written down.
    Histogram(Arc<Histogram>, bool),
}

/// A series and its values, one for each interval.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesDescription {
    /// The labels.
    pub labels: Labels,
    /// The values.
    pub values: Vec<SequenceValue>,
}

/// Reads a series description, as in `input_series` of rule unit tests (`parser.ParseSeriesDesc` of Prometheus).
///
/// # Errors
/// [`ParseError`] where the text is none.
///
/// ```
/// use parapet_promql::{SequenceValue, parse_series_description};
/// let series = parse_series_description(r#"up{job="x"} 1+1x2 _"#).unwrap();
/// assert_eq!(series.labels.to_string(), r#"up{job="x"}"#);
/// assert_eq!(series.values[2], SequenceValue::Float(3.0));
/// assert_eq!(series.values[3], SequenceValue::Omitted);
/// ```
pub fn parse_series_description(text: &str) -> Result<SeriesDescription, ParseError> {
    let metric = metric_length(text);
    let labels = parse_labels(&text[..metric])?;
    let mut values = Vec::new();
    let mut rest = Scanner { text, at: metric };
    loop {
        let spaces = rest.skip_spaces();
        if rest.rest().is_empty() {
            return Ok(SeriesDescription { labels, values });
        }
        if !spaces {
            return Err(rest.fail("unexpected character in series values"));
        }
        rest.item(&mut values)?;
        if values.len() > MAX_VALUES {
            return Err(rest.fail("series description stands for too many values"));
        }
    }
}

/// How much of the text is name and braces.
fn metric_length(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(open) => {
                escaped = c == '\\' && open != '`';
                if c == open {
                    quote = None;
                }
            }
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None if c == '}' => return at + 1,
            None if c.is_ascii_whitespace() && !text[..at].contains('{') => {
                // Blanks may stand between name and braces.
                let blank = text[at..].len() - text[at..].trim_start().len();
                let opens = text[at + blank..].starts_with('{') && !text[at + blank..].starts_with("{{");
                if !opens {
                    return at;
                }
            }
            None => {}
        }
    }
    text.len()
}

fn parse_labels(metric: &str) -> Result<Labels, ParseError> {
    let mut labels = LabelsBuilder::default();
    for matcher in parse_selector(metric)? {
        if matcher.op != MatchOp::Equal {
            let message = format!("unexpected <op:{}> in label set, expected \"=\"", matcher.op.as_str());
            return Err(ParseError {
                position: PositionRange::at(metric, 0),
                message,
            });
        }
        labels.set(matcher.name, matcher.value);
    }
    Ok(labels.build())
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fail(&self, message: impl Into<String>) -> ParseError {
        ParseError {
            position: PositionRange::at(self.text, self.at),
            message: message.into(),
        }
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn skip_spaces(&mut self) -> bool {
        let length = self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at += length;
        length > 0
    }

    /// `x4`, if it is there.
    fn repetitions(&mut self) -> Result<Option<usize>, ParseError> {
        if !self.take("x") {
            return Ok(None);
        }
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let count = self.rest()[..digits].parse().ok().filter(|count| *count < MAX_VALUES);
        let Some(count) = count else {
            return Err(self.fail("invalid repetition in series values"));
        };
        self.at += digits;
        Ok(Some(count))
    }

    fn item(&mut self, values: &mut Vec<SequenceValue>) -> Result<(), ParseError> {
        if self.take("_") {
            let count = self.repetitions()?.unwrap_or(1);
            values.extend(std::iter::repeat_n(SequenceValue::Omitted, count));
            return Ok(());
        }
        if self.rest().starts_with("{{") {
            return self.histogram_item(values);
        }
        if self.take("stale") {
            let count = self.repetitions()?.map_or(1, |count| count + 1);
            values.extend(std::iter::repeat_n(SequenceValue::Float(stale_nan()), count));
            return Ok(());
        }
        let mut value = self.number(true)?;
        let mut increment = 0.0;
        let has_increment = self.rest().starts_with(['+', '-']);
        if has_increment {
            increment = self.number(true)?;
        }
        // The first value is followed by as many more as it says.
        let count = match self.repetitions()? {
            Some(count) => count + 1,
            None if has_increment => return Err(self.fail("unexpected end of series values, expected \"x\"")),
            None => 1,
        };
        for _ in 0..count {
            values.push(SequenceValue::Float(value));
            value += increment;
        }
        Ok(())
    }

    fn number(&mut self, signed: bool) -> Result<f64, ParseError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut length = usize::from(signed && rest.starts_with(['+', '-']));
        let word = bytes[length..]
            .iter()
            .take(3)
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        if word == 3 {
            length += 3;
        } else {
            let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            length += digits(length);
            if bytes.get(length) == Some(&b'.') {
                length += 1;
                length += digits(length);
            }
            if matches!(bytes.get(length), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
                let exponent = digits(length + 1 + sign);
                if exponent > 0 {
                    length += 1 + sign + exponent;
                }
            }
        }
        let Some(value) = rest.get(..length).and_then(parse_float) else {
            return Err(self.fail("unexpected character in series values, expected number or \"stale\""));
        };
        self.at += length;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Vec<f64> {
        let series = parse_series_description(text).unwrap();
        series
            .values
            .iter()
            .map(|value| match value {
                SequenceValue::Float(value) => *value,
                _ => -0.5,
            })
            .collect()
    }

    #[test]
    fn expands_values() {
        assert_eq!(
            floats("{} 1 3-10x2 _x2 1e3 -1"),
            [1.0, 3.0, -7.0, -17.0, -0.5, -0.5, 1000.0, -1.0]
        );
        assert_eq!(floats("a {b='}'} 1x1"), [1.0, 1.0]);
        assert!(floats("a NaN")[0].is_nan());
    }

    #[test]
    fn refuses() {
        for text in [
            "{} 1+1",
            "a 1 _a4",
            "a -3-3 -3",
            "a 3+3x4-4",
            "a 1x99999999999",
            "a{b!=\"c\"} 1",
            "a {{schema:",
            "a 1é",
        ] {
            assert!(parse_series_description(text).is_err(), "{text}");
        }
    }
}
