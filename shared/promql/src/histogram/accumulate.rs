//! Sums of histograms, with compensation for what rounding loses.

use super::{HistogramError, Outcome};
use crate::functions::math::Sum;
use parapet_model::{BucketSide, CounterReset, Histogram, coarser_index, exponential_bound, spans_of};

/// A histogram that others are added to.
pub(super) struct Accumulator {
    counter_reset: CounterReset,
    schema: i32,
    zero_threshold: f64,
    zero_count: Sum,
    count: Sum,
    sum: Sum,
    positive: Vec<(i32, Sum)>,
    negative: Vec<(i32, Sum)>,
    custom_values: Vec<f64>,
    custom: bool,
}

fn sums(side: BucketSide) -> Vec<(i32, Sum)> {
    side.into_iter()
        .map(|(index, count)| (index, Sum::new(count)))
        .collect()
}

impl Accumulator {
    pub(super) fn new(histogram: &Histogram) -> Self {
        let custom = histogram.uses_custom_buckets();
        Self {
            counter_reset: histogram.counter_reset,
            schema: histogram.schema,
            zero_threshold: if custom { 0.0 } else { histogram.zero_threshold },
            zero_count: Sum::new(if custom { 0.0 } else { histogram.zero_count }),
            count: Sum::new(histogram.count),
            sum: Sum::new(histogram.sum),
            positive: sums(histogram.positive_side()),
            negative: if custom {
                Vec::new()
            } else {
                sums(histogram.negative_side())
            },
            custom_values: histogram.custom_values.clone(),
            custom,
        }
    }

    /// Adds `other`, or with a sign of -1 subtracts it.
    pub(super) fn add(&mut self, other: &Histogram, sign: f64) -> Result<Outcome, HistogramError> {
        if self.custom != other.uses_custom_buckets() {
            return Err(HistogramError::Incompatible);
        }
        let mut outcome = Outcome {
            collision: self.adjust_counter_reset(other.counter_reset),
            reconciled: false,
        };
        self.count.add(sign * other.count);
        self.sum.add(sign * other.sum);
        if self.custom {
            let positive = other.positive_side();
            if self.custom_values == other.custom_values {
                merge(&mut self.positive, positive, sign);
            } else {
                outcome.reconciled = true;
                self.reconcile_bounds(&positive, &other.custom_values, sign);
            }
            return Ok(outcome);
        }
        let mut other = Self::new(other);
        self.reconcile_zero_buckets(&mut other);
        self.zero_count.add(sign * other.zero_count.value);
        self.zero_count.add(sign * other.zero_count.lost);
        let schema = self.schema.min(other.schema);
        self.reduce(schema);
        other.reduce(schema);
        // What lies within the zero bucket is counted there.
        let threshold = self.zero_threshold;
        let outside = |side: Vec<(i32, Sum)>| {
            side.into_iter()
                .skip_while(move |(index, _)| exponential_bound(*index, schema) <= threshold)
                .map(|(index, count)| (index, count.total()))
                .collect::<BucketSide>()
        };
        merge(&mut self.positive, outside(other.positive), sign);
        merge(&mut self.negative, outside(other.negative), sign);
        Ok(outcome)
    }

    /// What is known of resets after both; whether the two contradict each other.
    fn adjust_counter_reset(&mut self, other: CounterReset) -> bool {
        use CounterReset::{Gauge, Unknown};
        let mine = self.counter_reset;
        if other == mine || mine == Gauge {
            return false;
        }
        if other == Gauge {
            self.counter_reset = Gauge;
            return false;
        }
        self.counter_reset = Unknown;
        mine != Unknown && other != Unknown
    }

    fn reduce(&mut self, schema: i32) {
        if schema >= self.schema {
            return;
        }
        for side in [&mut self.positive, &mut self.negative] {
            let mut reduced: Vec<(i32, Sum)> = Vec::with_capacity(side.len());
            for (index, count) in side.drain(..) {
                let index = coarser_index(index, self.schema, schema);
                match reduced.last_mut() {
                    Some((last, sum)) if *last == index => {
                        sum.add(count.value);
                        sum.add(count.lost);
                    }
                    _ => reduced.push((index, count)),
                }
            }
            *side = reduced;
        }
        self.schema = schema;
    }

    /// Widens the zero buckets until both are as wide.
    #[allow(clippy::float_cmp)]
    fn reconcile_zero_buckets(&mut self, other: &mut Self) {
        // Each turn widens one of them to a bound of the other: there are only so many. NaN is never equal.
        while self.zero_threshold != other.zero_threshold {
            if self.zero_threshold > other.zero_threshold {
                other.widen_zero_bucket(self.zero_threshold);
            } else if other.zero_threshold > self.zero_threshold {
                self.widen_zero_bucket(other.zero_threshold);
            } else {
                return;
            }
        }
    }

    fn widen_zero_bucket(&mut self, threshold: f64) {
        let (count, threshold) = self.zero_count_within(threshold);
        (self.zero_count, self.zero_threshold) = (count, threshold);
        let schema = self.schema;
        for side in [&mut self.positive, &mut self.negative] {
            side.retain(|(index, _)| exponential_bound(index.saturating_sub(1), schema) >= threshold);
        }
    }

    /// The count of a zero bucket up to `threshold`, or beyond, where the threshold cuts a bucket: then up to that
    /// bucket's end.
    pub(super) fn zero_count_within(&self, mut threshold: f64) -> (Sum, f64) {
        'again: loop {
            let mut total = self.zero_count;
            for (side_number, side) in [&self.positive, &self.negative].into_iter().enumerate() {
                for (index, count) in side {
                    let (lower, upper) = (
                        exponential_bound(index.saturating_sub(1), self.schema),
                        exponential_bound(*index, self.schema),
                    );
                    if lower >= threshold {
                        break;
                    }
                    total.add(count.value);
                    total.add(count.lost);
                    if upper > threshold {
                        if count.total() != 0.0 {
                            threshold = upper;
                            // More of the positive side may fall within then.
                            if side_number == 1 {
                                continue 'again;
                            }
                        }
                        break;
                    }
                }
            }
            return (total, threshold);
        }
    }

    /// Adds buckets of other bounds: only the bounds that both have are left.
    fn reconcile_bounds(&mut self, other: &BucketSide, other_bounds: &[f64], sign: f64) {
        let common: Vec<f64> = self
            .custom_values
            .iter()
            .copied()
            .filter(|bound| other_bounds.contains(bound))
            .collect();
        let mut counts = vec![Sum::default(); common.len() + 1];
        let target = |index: i32, bounds: &[f64]| {
            let bound = usize::try_from(index).ok().and_then(|index| bounds.get(index));
            bound.map_or(common.len(), |bound| common.partition_point(|common| common < bound))
        };
        for (index, count) in &self.positive {
            let to = &mut counts[target(*index, &self.custom_values)];
            to.add(count.value);
            to.add(count.lost);
        }
        for (index, count) in other {
            counts[target(*index, other_bounds)].add(sign * count);
        }
        let indexed = counts.into_iter().enumerate();
        self.positive = indexed
            .filter_map(|(at, count)| Some((i32::try_from(at).ok()?, count)))
            .collect();
        self.custom_values = common;
    }

    fn has_overflow(&self) -> bool {
        let counts = [&self.zero_count, &self.count, &self.sum].into_iter();
        let buckets = self.positive.iter().chain(&self.negative).map(|(_, count)| count);
        counts.chain(buckets).any(|count| count.value.is_infinite())
    }

    pub(super) fn finish(self) -> Histogram {
        let total = |side: Vec<(i32, Sum)>| spans_of(side.into_iter().map(|(index, count)| (index, count.total())), 0);
        let (positive_spans, positive_buckets) = total(self.positive);
        let (negative_spans, negative_buckets) = total(self.negative);
        Histogram {
            counter_reset: self.counter_reset,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.total(),
            count: self.count.total(),
            sum: self.sum.total(),
            positive_spans,
            positive_buckets,
            negative_spans,
            negative_buckets,
            custom_values: self.custom_values,
        }
    }
}

/// Adds buckets to buckets, both ascending.
fn merge(to: &mut Vec<(i32, Sum)>, from: BucketSide, sign: f64) {
    let same_layout = to.len() == from.len() && to.iter().zip(&from).all(|(a, b)| a.0 == b.0);
    if same_layout {
        to.iter_mut()
            .zip(from)
            .for_each(|((_, sum), (_, count))| sum.add(sign * count));
        return;
    }
    let mut merged = Vec::with_capacity(to.len() + from.len());
    let mut left = to.drain(..).peekable();
    for (index, count) in from {
        while let Some(earlier) = left.next_if(|(left, _)| *left < index) {
            merged.push(earlier);
        }
        let mut sum = left
            .next_if(|(left, _)| *left == index)
            .map_or(Sum::default(), |(_, sum)| sum);
        sum.add(sign * count);
        merged.push((index, sum));
    }
    merged.extend(left);
    *to = merged;
}

/// A sum or mean of several histograms.
pub(crate) struct Folded {
    pub(crate) histogram: Histogram,
    /// Whether custom bounds had to be reconciled.
    pub(crate) reconciled: bool,
}

/// The sum. The error is the place of the first histogram that does not go with those before it.
pub(crate) fn sum<'h>(histograms: impl IntoIterator<Item = &'h Histogram>) -> Result<Folded, usize> {
    let (accumulator, reconciled, _) = accumulate(histograms, 1.0)?;
    Ok(Folded {
        histogram: accumulator.finish(),
        reconciled,
    })
}

/// The mean. The error is as that of [`sum`].
pub(crate) fn mean<'h, I>(histograms: I) -> Result<Folded, usize>
where
    I: IntoIterator<Item = &'h Histogram> + Clone,
{
    let (accumulator, reconciled, count) = accumulate(histograms.clone(), 1.0)?;
    #[allow(clippy::cast_precision_loss)]
    let count = count as f64;
    if accumulator.has_overflow() {
        // Too much to be summed first.
        let (accumulator, ..) = accumulate(histograms, 1.0 / count)?;
        return Ok(Folded {
            histogram: accumulator.finish(),
            reconciled,
        });
    }
    let mut histogram = accumulator.finish();
    super::divide(&mut histogram, count);
    Ok(Folded { histogram, reconciled })
}

fn accumulate<'h>(
    histograms: impl IntoIterator<Item = &'h Histogram>,
    factor: f64,
) -> Result<(Accumulator, bool, usize), usize> {
    let (mut accumulator, mut reconciled, mut count) = (None, false, 0);
    for histogram in histograms {
        let mut scaled;
        let mut part = histogram;
        if factor != 1.0 {
            scaled = histogram.clone();
            super::multiply(&mut scaled, factor);
            part = &scaled;
        }
        match &mut accumulator {
            None => accumulator = Some(Accumulator::new(part)),
            Some(accumulator) => match accumulator.add(part, 1.0) {
                Ok(outcome) => reconciled |= outcome.reconciled,
                Err(HistogramError::Incompatible) => return Err(count),
            },
        }
        count += 1;
    }
    Ok((
        accumulator.unwrap_or_else(|| Accumulator::new(&Histogram::default())),
        reconciled,
        count,
    ))
}
