//! A window of one feature: the values that were seen, or how many of which.

use crate::Buckets;
use std::collections::BTreeMap;

/// The values of a feature in a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers, none of them NaN.
    Numbers(Vec<f64>),
    /// A histogram of numbers.
    Buckets(Buckets),
    /// Texts or booleans, counted.
    Categories(Categories),
}

/// A feature in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The values that are there.
    pub column: Column,
    /// The share of values that are missing, 0 to 1; `None` where that is not known, as of a histogram.
    pub missing_ratio: Option<f64>,
    /// The least and the greatest value, where known.
    pub range: Option<(f64, f64)>,
    /// How many values there are, missing ones left out.
    pub values: f64,
}

impl Window {
    /// A window of which nothing is missing.
    #[must_use]
    pub fn of(column: Column) -> Self {
        let (values, range) = match &column {
            Column::Numbers(numbers) => {
                let finite = || numbers.iter().copied().filter(|number| number.is_finite());
                let (min, max) = (finite().reduce(f64::min), finite().reduce(f64::max));
                (numbers.len() as f64, min.zip(max))
            }
            Column::Buckets(buckets) => (buckets.total(), buckets.range()),
            Column::Categories(categories) => (categories.total(), None),
        };
        let missing_ratio = match &column {
            Column::Buckets(_) => None,
            Column::Numbers(_) | Column::Categories(_) => Some(0.0),
        };
        Self {
            column,
            missing_ratio,
            range,
            values,
        }
    }
}

/// Categories with their counts, of which there are not endlessly many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    counts: BTreeMap<String, f64>,
    /// Values of categories beyond the limit, as one.
    other: f64,
}

impl Categories {
    /// Counts a value. A category that would be one more than `most` is counted with all others.
    pub fn add(&mut self, category: &str, count: f64, most: usize) {
        let has_room = self.counts.len() < most;
        match self.counts.get_mut(category) {
            Some(known) => *known += count,
            None if has_room => {
                self.counts.insert(category.to_owned(), count);
            }
            None => self.other += count,
        }
    }

    /// How many values there are.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.counts.values().sum::<f64>() + self.other
    }

    /// Counts of both in the same categories, in order of name. Where one has had to count categories together, those
    /// that it does not name are together in both.
    #[must_use]
    pub fn align(&self, other: &Self) -> (Vec<f64>, Vec<f64>) {
        let mut counts = (Vec::new(), Vec::new());
        let mut rest = (self.other, other.other);
        let names = self
            .counts
            .keys()
            .chain(other.counts.keys().filter(|name| !self.counts.contains_key(*name)));
        let mut names: Vec<&String> = names.collect();
        names.sort();
        for name in names {
            let (mine, theirs) = (self.counts.get(name), other.counts.get(name));
            let hidden = (mine.is_none() && self.other > 0.0) || (theirs.is_none() && other.other > 0.0);
            let (mine, theirs) = (mine.copied().unwrap_or(0.0), theirs.copied().unwrap_or(0.0));
            if hidden {
                rest = (rest.0 + mine, rest.1 + theirs);
            } else {
                counts.0.push(mine);
                counts.1.push(theirs);
            }
        }
        if rest != (0.0, 0.0) {
            counts.0.push(rest.0);
            counts.1.push(rest.1);
        }
        counts
    }

    /// How many values of `other` are of categories that this one does not have.
    #[must_use]
    pub fn unseen_in(&self, other: &Self) -> f64 {
        if self.other > 0.0 {
            return 0.0;
        }
        let named = other.counts.iter().filter(|(name, _)| !self.counts.contains_key(*name));
        named.map(|(_, count)| count).sum::<f64>() + other.other
    }
}

/// Numbers of which at most `most` are kept: over it every second one stays, and of what follows every second, fourth …
/// is taken. Which ones depends on the numbers' places alone, so that a second run keeps the same.
#[derive(Clone, Debug)]
pub struct Thinned {
    numbers: Vec<f64>,
    most: usize,
    step: u64,
    seen: u64,
    range: Option<(f64, f64)>,
}

impl Thinned {
    /// Nothing yet, of at most `most` numbers.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            numbers: Vec::new(),
            most: most.max(2),
            step: 1,
            seen: 0,
            range: None,
        }
    }

    /// Takes the next number.
    pub fn push(&mut self, number: f64) {
        if number.is_finite() {
            let (least, greatest) = self.range.unwrap_or((number, number));
            self.range = Some((least.min(number), greatest.max(number)));
        }
        if self.seen.is_multiple_of(self.step) {
            if self.numbers.len() == self.most {
                let mut place = 0u64;
                self.numbers.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.step = self.step.saturating_mul(2);
            }
            if self.seen.is_multiple_of(self.step) {
                self.numbers.push(number);
            }
        }
        self.seen += 1;
    }

    /// How many numbers came.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The least and the greatest finite number that came, kept or not.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// What was kept.
    #[must_use]
    pub fn into_numbers(self) -> Vec<f64> {
        self.numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_an_even_sample() {
        let mut thinned = Thinned::new(8);
        for number in 0..100 {
            thinned.push(f64::from(number));
        }
        assert_eq!((thinned.seen(), thinned.range()), (100, Some((0.0, 99.0))));
        let kept = thinned.into_numbers();
        assert_eq!(kept, [0.0, 16.0, 32.0, 48.0, 64.0, 80.0, 96.0]);
        let mut all = Thinned::new(8);
        (0..8).for_each(|number| all.push(f64::from(number)));
        assert_eq!(all.into_numbers().len(), 8);
    }

    #[test]
    fn categories_align() {
        let count = |names: &[&str], most| {
            let mut categories = Categories::default();
            names.iter().for_each(|name| categories.add(name, 1.0, most));
            categories
        };
        let (ours, theirs) = (count(&["a", "b", "a"], 9), count(&["b", "c"], 9));
        assert_eq!(ours.align(&theirs), (vec![2.0, 1.0, 0.0], vec![0.0, 1.0, 1.0]));
        assert_eq!((ours.unseen_in(&theirs), theirs.unseen_in(&ours)), (1.0, 2.0));
        // Only "a" is named here: whether "b" was seen is not known.
        let few = count(&["a", "b", "c"], 1);
        assert_eq!(few.align(&theirs), (vec![1.0, 2.0], vec![0.0, 2.0]));
        assert_eq!(few.unseen_in(&theirs), 0.0);
    }
}
