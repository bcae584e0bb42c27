//! Limits on native histograms, and the histogram of nothing yet.

use parapet_model::{CounterReset, Histogram};

/// The finest and the coarsest schema (`histogram.ExponentialSchemaMax` and `…Min` of Prometheus).
const FINEST: i32 = 8;
const COARSEST: i32 = -4;

/// The histogram with bounds that grow by `min_bucket_factor` at least, and made coarser until it has no more buckets
/// than `bucket_limit`; `None` where it cannot. 0 is no limit, of either (`maxSchemaAppender` and `bucketLimitAppender`
/// of Prometheus).
pub(crate) fn fit(histogram: &Histogram, min_bucket_factor: f64, bucket_limit: u64) -> Option<Histogram> {
    let buckets = |of: &Histogram| (of.positive_buckets.len() + of.negative_buckets.len()) as u64;
    let mut fitting = if histogram.uses_custom_buckets() {
        histogram.clone()
    } else {
        coarser(histogram, finest_schema(min_bucket_factor))
    };
    while bucket_limit > 0 && buckets(&fitting) > bucket_limit {
        if fitting.uses_custom_buckets() || fitting.schema <= COARSEST {
            return None;
        }
        fitting = coarser(&fitting, fitting.schema - 1);
    }
    Some(fitting)
}

/// At another schema, with what is known of resets.
fn coarser(histogram: &Histogram, schema: i32) -> Histogram {
    Histogram {
        counter_reset: histogram.counter_reset,
        ..histogram.at_schema(schema)
    }
}

/// The finest schema whose bounds grow by a factor (`pickSchema` of Prometheus).
fn finest_schema(factor: f64) -> i32 {
    if factor <= 1.0 {
        return FINEST;
    }
    let schema = -factor.log2().log2();
    (schema.floor() as i32).clamp(COARSEST, FINEST)
}

/// What a histogram was when it began.
pub(crate) fn zero(histogram: &Histogram) -> Histogram {
    Histogram {
        counter_reset: CounterReset::Reset,
        schema: histogram.schema,
        zero_threshold: histogram.zero_threshold,
        custom_values: histogram.custom_values.clone(),
        ..Histogram::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Span;

    fn histogram(schema: i32, buckets: usize) -> Histogram {
        Histogram {
            schema,
            count: buckets as f64,
            positive_spans: vec![Span {
                offset: 1,
                length: u32::try_from(buckets).unwrap(),
            }],
            positive_buckets: vec![1.0; buckets],
            counter_reset: CounterReset::Gauge,
            ..Histogram::default()
        }
    }

    #[test]
    fn resolution_is_halved_until_the_buckets_fit() {
        for (limit, schema, buckets) in [(0, 3, 16), (16, 3, 16), (8, 2, 8), (7, 1, 4), (1, -1, 1)] {
            let fitting = fit(&histogram(3, 16), 0.0, limit).unwrap();
            assert_eq!(
                (fitting.schema, fitting.positive_buckets.len()),
                (schema, buckets),
                "{limit}"
            );
            assert_eq!(fitting.positive_buckets.iter().sum::<f64>(), 16.0);
            assert_eq!(fitting.counter_reset, CounterReset::Gauge);
        }
        assert_eq!(fit(&histogram(-4, 3), 0.0, 2), None);
        assert_eq!(fit(&histogram(-53, 3), 4.0, 2), None);
        assert_eq!(fit(&histogram(-53, 3), 4.0, 3).unwrap().positive_buckets.len(), 3);
    }

    /// Cases of `TestPickSchema` of Prometheus.
    #[test]
    fn the_factor_picks_the_schema() {
        for (factor, schema) in [
            (65_536.0, -4),
            (256.0, -3),
            (16.0, -2),
            (4.0, -1),
            (2.0, 0),
            (1.4, 1),
            (1.1, 2),
            (1.09, 3),
            (1.04, 4),
            (1.02, 5),
            (1.01, 6),
            (1.005, 7),
            (1.002, 8),
            (0.0, 8),
            (100_000.0, -4),
            (1.000_000_1, 8),
        ] {
            assert_eq!(finest_schema(factor), schema, "{factor}");
        }
    }
}
