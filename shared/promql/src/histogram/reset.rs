//! Whether a counter histogram began again, and whether two histograms are the same.

use super::accumulate::Accumulator;
use super::bounds::upper;
use parapet_model::{BucketSide, CounterReset, Histogram, coarser_side, exponential_bound};

/// Whether the counter was reset between `before` and `histogram` (`FloatHistogram.DetectReset` of Prometheus).
#[allow(clippy::float_cmp)]
pub(crate) fn is_reset(histogram: &Histogram, before: &Histogram) -> bool {
    match histogram.counter_reset {
        CounterReset::Reset => return true,
        CounterReset::NotReset => return false,
        CounterReset::Unknown | CounterReset::Gauge => {}
    }
    if histogram.count < before.count {
        return true;
    }
    if histogram.uses_custom_buckets() {
        if !before.uses_custom_buckets() {
            return true;
        }
        if histogram.custom_values != before.custom_values {
            return is_reset_across_bounds(histogram, before);
        }
        return fell(&histogram.positive_side(), &before.positive_side());
    }
    // A finer resolution, or a narrower zero bucket, comes with a new start only.
    if before.uses_custom_buckets() || histogram.schema > before.schema {
        return true;
    }
    let threshold = histogram.zero_threshold;
    if threshold < before.zero_threshold {
        return true;
    }
    let (zero_count, reached) = if threshold == before.zero_threshold {
        (before.zero_count, threshold)
    } else {
        let (count, reached) = Accumulator::new(before).zero_count_within(threshold);
        (count.total(), reached)
    };
    if reached != threshold || histogram.zero_count < zero_count {
        return true;
    }
    let schema = histogram.schema;
    let outside = |side: BucketSide| -> BucketSide {
        side.into_iter()
            .skip_while(|(index, _)| threshold != 0.0 && exponential_bound(*index, schema) <= threshold)
            .collect()
    };
    [
        (histogram.positive_side(), before.positive_side()),
        (histogram.negative_side(), before.negative_side()),
    ]
    .into_iter()
    .any(|(now, then)| fell(&outside(now), &outside(coarser_side(then, before.schema, schema))))
}

/// Whether any bucket has less than before.
fn fell(now: &BucketSide, then: &BucketSide) -> bool {
    let mut now = now.iter().peekable();
    then.iter().any(|(index, count)| {
        while now.next_if(|(at, _)| at < index).is_some() {}
        match now.peek() {
            Some((at, now)) if at == index => now < count,
            _ => *count != 0.0,
        }
    })
}

/// Compares counts up to the bounds that both have.
fn is_reset_across_bounds(histogram: &Histogram, before: &Histogram) -> bool {
    let common: Vec<f64> = histogram
        .custom_values
        .iter()
        .copied()
        .filter(|bound| before.custom_values.contains(bound))
        .collect();
    let between = |histogram: &Histogram| {
        let mut counts = vec![0.0; common.len() + 1];
        for (index, count) in histogram.positive_side() {
            let bound = upper(histogram, index);
            counts[common.partition_point(|common| *common < bound)] += count;
        }
        counts
    };
    between(histogram)
        .iter()
        .zip(between(before))
        .any(|(now, then)| *now < then)
}

/// Whether two histograms have the same counts in the same buckets; what is known of resets does not matter.
#[allow(clippy::float_cmp)]
pub(crate) fn equal(a: &Histogram, b: &Histogram) -> bool {
    let bits = |side: BucketSide| -> Vec<(i32, u64)> {
        side.into_iter()
            .filter(|(_, count)| *count != 0.0)
            .map(|(index, count)| (index, count.to_bits()))
            .collect()
    };
    a.schema == b.schema
        && a.count.to_bits() == b.count.to_bits()
        && a.sum.to_bits() == b.sum.to_bits()
        && a.custom_values == b.custom_values
        && a.zero_threshold == b.zero_threshold
        && a.zero_count.to_bits() == b.zero_count.to_bits()
        && bits(a.positive_side()) == bits(b.positive_side())
        && bits(a.negative_side()) == bits(b.negative_side())
}
