//! What the histograms of a chunk have in common: resolution, zero bucket's width, which buckets there are
//! (`histogram_meta.go` of Prometheus).

use super::ends_early;
use crate::Error;
use crate::bits::{BitReader, BitWriter};
use parapet_model::{Histogram, Span};

/// What the histograms of a chunk have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layout {
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) positive_spans: Vec<Span>,
    pub(super) negative_spans: Vec<Span>,
    pub(super) custom_values: Vec<f64>,
}

const CUSTOM: i32 = -53;

impl Layout {
    pub(super) fn of(histogram: &Histogram) -> Self {
        Self {
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            positive_spans: histogram.positive_spans.clone(),
            negative_spans: histogram.negative_spans.clone(),
            custom_values: histogram.custom_values.clone(),
        }
    }

    /// Positive and negative buckets.
    pub(super) fn bucket_counts(&self) -> (usize, usize) {
        let count = |spans: &[Span]| spans.iter().map(|span| span.length as usize).sum();
        (count(&self.positive_spans), count(&self.negative_spans))
    }

    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, Error> {
        let layout = Self::read_unchecked(reader).ok_or_else(ends_early)?;
        layout.check(reader.left())?;
        Ok(layout)
    }

    fn read_unchecked(reader: &mut BitReader<'_>) -> Option<Self> {
        let zero_threshold = match reader.bits(8)? {
            0 => 0.0,
            255 => reader.double()?,
            exponent => f64::powi(2.0, exponent as i32 - 244),
        };
        let schema = i32::try_from(reader.varbit()?).ok()?;
        let (positive_spans, negative_spans) = (spans(reader)?, spans(reader)?);
        let mut custom_values = Vec::new();
        if schema == CUSTOM {
            for _ in 0..reader.varbit_unsigned()? {
                custom_values.push(match reader.varbit_unsigned()? {
                    0 => reader.double()?,
                    thousandths => (thousandths - 1) as f64 / 1000.0,
                });
            }
        }
        Some(Self {
            schema,
            zero_threshold,
            positive_spans,
            negative_spans,
            custom_values,
        })
    }

    /// What the rest of the program relies on (`FloatHistogram.Validate` of Prometheus, as far as it is about buckets).
    fn check(&self, bits_left: usize) -> Result<(), Error> {
        let fault = |what: String| Err(Error::corrupt("histogram chunk", what));
        if !(-4..=8).contains(&self.schema) && self.schema != CUSTOM {
            return Err(Error::Unsupported(format!(
                "histogram of schema {}: -4 to 8 and -53 are known",
                self.schema
            )));
        }
        let custom = &self.custom_values;
        if custom.iter().any(|bound| bound.is_nan() || *bound == f64::INFINITY)
            || custom.windows(2).any(|pair| pair[0] >= pair[1])
        {
            return fault("custom bounds are not ascending".to_owned());
        }
        let mut buckets = 0u64;
        for spans in [&self.positive_spans, &self.negative_spans] {
            let signed = usize::from(self.schema != CUSTOM);
            if spans.iter().skip(signed).any(|span| span.offset < 0) {
                return fault("a span with a negative offset".to_owned());
            }
            buckets += spans.iter().map(|span| u64::from(span.length)).sum::<u64>();
        }
        if self.schema == CUSTOM {
            let ends = self.positive_spans.iter();
            let end: i64 = ends.map(|span| i64::from(span.offset) + i64::from(span.length)).sum();
            if end > custom.len() as i64 + 1 || !self.negative_spans.is_empty() {
                return fault(format!("{end} buckets for {} custom bounds", custom.len()));
            }
        }
        // Each bucket takes a bit at least.
        if buckets > bits_left as u64 {
            return Err(ends_early());
        }
        Ok(())
    }

    pub(super) fn write(&self, writer: &mut BitWriter) {
        let threshold = self.zero_threshold;
        // Powers of two have a byte: 2^-243 to 2^10 are 1 to 254.
        let power = (1..=254u8).find(|byte| f64::powi(2.0, i32::from(*byte) - 244).to_bits() == threshold.to_bits());
        match power {
            Some(byte) => writer.bits(u64::from(byte), 8),
            None if threshold == 0.0 => writer.bits(0, 8),
            None => {
                writer.bits(255, 8);
                writer.double(threshold);
            }
        }
        writer.varbit(i64::from(self.schema));
        for spans in [&self.positive_spans, &self.negative_spans] {
            writer.varbit_unsigned(spans.len() as u64);
            for span in spans {
                writer.varbit_unsigned(u64::from(span.length));
                writer.varbit(i64::from(span.offset));
            }
        }
        if self.schema == CUSTOM {
            writer.varbit_unsigned(self.custom_values.len() as u64);
            for bound in &self.custom_values {
                let thousandths = (bound * 1000.0).round();
                // Negative zero would come back as zero.
                let is_short = bound.is_sign_positive()
                    && (0.0..=33_554_430.0).contains(&(bound * 1000.0))
                    && (thousandths / 1000.0).to_bits() == bound.to_bits();
                if is_short {
                    writer.varbit_unsigned(thousandths as u64 + 1);
                } else {
                    writer.bit(false);
                    writer.double(*bound);
                }
            }
        }
    }
}

fn spans(reader: &mut BitReader<'_>) -> Option<Vec<Span>> {
    let mut spans = Vec::new();
    for _ in 0..reader.varbit_unsigned()? {
        let length = u32::try_from(reader.varbit_unsigned()?).ok()?;
        let offset = i32::try_from(reader.varbit()?).ok()?;
        spans.push(Span { offset, length });
    }
    Some(spans)
}
