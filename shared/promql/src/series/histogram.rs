//! Histograms in series descriptions: `{{schema:1 sum:3 count:22 buckets:[5 10 7]}}`.

use super::{Scanner, SequenceValue};
use crate::error::ParseError;
use crate::histogram;
use parapet_model::{CounterReset, Histogram, Span};
use std::sync::Arc;

impl Scanner<'_> {
    pub(super) fn histogram_item(&mut self, values: &mut Vec<SequenceValue>) -> Result<(), ParseError> {
        let (base, mut hinted) = self.histogram()?;
        let mut change: Option<(Histogram, bool)> = None;
        for (sign, subtract) in [("+", false), ("-", true)] {
            if change.is_none() && self.take(sign) {
                let (increment, increment_hinted) = self.histogram()?;
                hinted = increment_hinted;
                change = Some((increment, subtract));
            }
        }
        let count = match self.repetitions()? {
            Some(count) => count + 1,
            None if change.is_some() => return Err(self.fail("unexpected end of series values, expected \"x\"")),
            None => 1,
        };
        let mut current = Arc::new(base);
        for at in 0..count {
            if let (Some((increment, subtract)), true) = (&change, at > 0) {
                let mut next = (*current).clone();
                let combine = if *subtract { histogram::subtract } else { histogram::add };
                if combine(&mut next, increment).is_err() || current.schema > increment.schema {
                    return Err(self.fail(format!(
                        "error combining histograms: cannot merge from schema {} to {}",
                        increment.schema, current.schema
                    )));
                }
                current = Arc::new(next);
            }
            values.push(SequenceValue::Histogram(Arc::clone(&current), hinted));
        }
        Ok(())
    }

    /// One histogram, and whether its hint was written down.
    fn histogram(&mut self) -> Result<(Histogram, bool), ParseError> {
        if !self.take("{{") {
            return Err(self.fail("unexpected character in series values, expected a histogram"));
        }
        let mut histogram = Histogram::default();
        let (mut offset, mut negative_offset, mut hinted) = (0, 0, false);
        loop {
            self.skip_spaces();
            if self.take("}}") {
                break;
            }
            let length = self
                .rest()
                .bytes()
                .take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
                .count();
            let key = self.rest()[..length].to_owned();
            self.at += length;
            if !self.take(":") {
                return Err(self.fail("missing `:` for histogram descriptor"));
            }
            match key.as_str() {
                "sum" => histogram.sum = self.number(true)?,
                "count" => histogram.count = self.number(true)?,
                "schema" => histogram.schema = self.integer()?,
                "offset" => offset = self.integer()?,
                "n_offset" => negative_offset = self.integer()?,
                "buckets" => histogram.positive_buckets = self.bucket_set()?,
                "n_buckets" => histogram.negative_buckets = self.bucket_set()?,
                "z_bucket" => histogram.zero_count = self.number(true)?,
                "z_bucket_w" => histogram.zero_threshold = self.number(true)?,
                "custom_values" => histogram.custom_values = self.bucket_set()?,
                "counter_reset_hint" => {
                    hinted = true;
                    histogram.counter_reset = self.hint()?;
                }
                _ => {
                    return Err(self.fail(format!(
                        "bad histogram descriptor found: {}",
                        parapet_model::quote(&key)
                    )));
                }
            }
        }
        let spans = |offset: i32, buckets: &[f64]| match u32::try_from(buckets.len()) {
            Ok(length) if length > 0 => vec![Span { offset, length }],
            _ => Vec::new(),
        };
        histogram.positive_spans = spans(offset, &histogram.positive_buckets);
        histogram.negative_spans = spans(negative_offset, &histogram.negative_buckets);
        Ok((histogram, hinted))
    }

    fn hint(&mut self) -> Result<CounterReset, ParseError> {
        for (word, hint) in [
            ("unknown", CounterReset::Unknown),
            ("reset", CounterReset::Reset),
            ("not_reset", CounterReset::NotReset),
            ("gauge", CounterReset::Gauge),
        ] {
            if self.take(word) {
                return Ok(hint);
            }
        }
        Err(self.fail("bad counter reset hint"))
    }

    fn integer(&mut self) -> Result<i32, ParseError> {
        let value = self.number(true)?;
        #[allow(clippy::cast_possible_truncation)]
        let integer = value as i32;
        #[allow(clippy::float_cmp)]
        if f64::from(integer) == value {
            Ok(integer)
        } else {
            Err(self.fail("expected an integer"))
        }
    }

    fn bucket_set(&mut self) -> Result<Vec<f64>, ParseError> {
        if !self.take("[") {
            return Err(self.fail("expected \"[\" in histogram description"));
        }
        let mut buckets = Vec::new();
        loop {
            self.skip_spaces();
            if self.take("]") {
                return Ok(buckets);
            }
            buckets.push(self.number(true)?);
        }
    }
}
