//! What a well-formed native histogram is.

use super::Histogram;

impl Histogram {
    /// Checks the shape that the rest of the program relies on (`FloatHistogram.Validate` of Prometheus).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        if !(-4..=8).contains(&self.schema) && !self.uses_custom_buckets() {
            return Err(format!("schema {} is not known: -4 to 8 and -53 are", self.schema));
        }
        if self.uses_custom_buckets() {
            let custom = &self.custom_values;
            if custom.iter().any(|bound| bound.is_nan() || *bound == f64::INFINITY)
                || custom.windows(2).any(|pair| pair[0] >= pair[1])
            {
                return Err("custom bucket bounds are not ascending".to_owned());
            }
            if !self.negative_spans.is_empty() || !self.negative_buckets.is_empty() {
                return Err("custom buckets with negative buckets".to_owned());
            }
            if self.zero_count != 0.0 || self.zero_threshold != 0.0 {
                return Err("custom buckets with a zero bucket".to_owned());
            }
            let end: i64 = self
                .positive_spans
                .iter()
                .map(|span| i64::from(span.offset) + i64::from(span.length))
                .sum();
            if end > custom.len() as i64 + 1 {
                return Err(format!("{end} buckets for {} custom bounds", custom.len()));
            }
        } else if !self.custom_values.is_empty() {
            return Err("custom bucket bounds with an exponential schema".to_owned());
        }
        for (side, spans, buckets) in [
            ("positive", &self.positive_spans, &self.positive_buckets),
            ("negative", &self.negative_spans, &self.negative_buckets),
        ] {
            if spans.iter().skip(1).any(|span| span.offset < 0)
                || (self.uses_custom_buckets() && spans.first().is_some_and(|span| span.offset < 0))
            {
                return Err(format!("{side} span with a negative offset"));
            }
            let length: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
            if length != buckets.len() as u64 {
                return Err(format!(
                    "{side} spans hold {length} buckets, {} are given",
                    buckets.len()
                ));
            }
            if buckets.iter().any(|count| *count < 0.0) {
                return Err(format!("{side} bucket with a negative count"));
            }
        }
        if self.count < 0.0 || self.zero_count < 0.0 {
            return Err("negative count".to_owned());
        }
        Ok(())
    }

    /// Checks that the buckets hold as many observations as the count says, as those of a histogram of whole counts
    /// must (`Histogram.Validate` of Prometheus): all, but for observations that are no number, which are in no bucket.
    ///
    /// # Errors
    /// How many there are, and how many there should be.
    pub fn check_count(&self) -> Result<(), String> {
        let buckets = self.positive_buckets.iter().chain(&self.negative_buckets);
        let in_buckets = self.zero_count + buckets.sum::<f64>();
        let agrees = match self.sum.is_nan() {
            true => in_buckets <= self.count,
            false => in_buckets.total_cmp(&self.count).is_eq(),
        };
        if agrees {
            return Ok(());
        }
        Err(format!(
            "{in_buckets} observations found in buckets, but the Count field is {}: histogram's observation count should \
             equal the number of observations found in the buckets (in absence of NaN)",
            self.count
        ))
    }
}
