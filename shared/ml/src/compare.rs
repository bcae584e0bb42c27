//! Two windows of one feature, compared.

use crate::{Buckets, Column, Window};
use parapet_drift::{
    Bins, DriftError, Test, chi_squared, jensen_shannon, kolmogorov_smirnov, kolmogorov_smirnov_binned,
    population_stability_index,
};

/// Histograms of more bins than these are read in fewer: an index over hundreds of bins, most of them empty, is noise.
const MOST_BINS: usize = 50;

/// What two windows of a feature have to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The population stability index.
    pub psi: f64,
    /// The Jensen-Shannon distance, base 2.
    pub jensen_shannon: f64,
    /// Pearson's test over bins or categories.
    pub chi_squared: Test,
    /// The Kolmogorov-Smirnov test, for numbers; of histograms over their bins.
    pub kolmogorov_smirnov: Option<Test>,
    /// The share of current values outside of the reference's range, or of categories that it does not have; `None` where
    /// the range is not known.
    pub out_of_range_ratio: Option<f64>,
}

/// Why two windows of a feature cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// One of them is of numbers, the other of categories.
    #[error("the reference has {reference}, the current window {current}")]
    OtherKind {
        /// What the reference has.
        reference: &'static str,
        /// What the current window has.
        current: &'static str,
    },
    /// Windows without values, or without a bound in common.
    #[error(transparent)]
    Drift(#[from] DriftError),
}

/// Compares a current window with its reference. Numbers are counted in `bins` bins that hold about as many values of the
/// reference each; a histogram on either side gives its own bins.
///
/// # Errors
/// [`CompareError`].
pub fn compare(reference: &Window, current: &Window, bins: usize) -> Result<Comparison, CompareError> {
    use Column::{Buckets as B, Categories as C, Numbers as N};
    let (mut counts, kolmogorov_smirnov) = match (&reference.column, &current.column) {
        (C(reference), C(current)) => (reference.align(current), None),
        (N(reference), N(current)) => {
            let cut = Bins::quantiles(reference, bins)?;
            let test = kolmogorov_smirnov(reference, current)?;
            ((cut.count(reference), cut.count(current)), Some(test))
        }
        (B(reference), N(current)) => binned((reference.counts(), cut(reference)?.count(current)))?,
        (N(reference), B(current)) => binned((cut(current)?.count(reference), current.counts()))?,
        (B(reference), B(current)) => binned(reference.align(current))?,
        (N(_) | B(_), C(_)) | (C(_), N(_) | B(_)) => {
            let kind = |window: &Window| match window.column {
                N(_) | B(_) => "numbers",
                C(_) => "categories",
            };
            return Err(CompareError::OtherKind {
                reference: kind(reference),
                current: kind(current),
            });
        }
    };
    if kolmogorov_smirnov.is_some() && counts.0.len() > MOST_BINS {
        merge(&mut counts, bins);
    }
    let (of_reference, of_current) = (&counts.0, &counts.1);
    Ok(Comparison {
        psi: population_stability_index(of_reference, of_current)?,
        jensen_shannon: jensen_shannon(of_reference, of_current)?,
        chi_squared: chi_squared(of_reference, of_current)?,
        kolmogorov_smirnov,
        out_of_range_ratio: out_of_range(reference, current),
    })
}

type Counts = (Vec<f64>, Vec<f64>);

fn cut(buckets: &Buckets) -> Result<Bins, DriftError> {
    Bins::with_bounds(buckets.bounds())
}

fn binned(counts: Counts) -> Result<(Counts, Option<Test>), DriftError> {
    let test = kolmogorov_smirnov_binned(&counts.0, &counts.1)?;
    Ok((counts, Some(test)))
}

/// Joins neighbouring bins until each of about `bins` holds its part of the reference.
fn merge(counts: &mut Counts, bins: usize) {
    let part = counts.0.iter().sum::<f64>() / bins.max(1) as f64;
    let mut merged: Counts = Default::default();
    let mut open = (0.0, 0.0);
    for (mine, theirs) in counts.0.iter().zip(&counts.1) {
        open = (open.0 + mine, open.1 + theirs);
        if open.0 >= part {
            merged.0.push(open.0);
            merged.1.push(open.1);
            open = (0.0, 0.0);
        }
    }
    if open != (0.0, 0.0) {
        merged.0.push(open.0);
        merged.1.push(open.1);
    }
    *counts = merged;
}

fn out_of_range(reference: &Window, current: &Window) -> Option<f64> {
    let outside = match (&reference.column, &current.column) {
        (Column::Categories(reference), Column::Categories(current)) => reference.unseen_in(current),
        (_, Column::Numbers(numbers)) => {
            let (min, max) = reference.range?;
            return Some(parapet_drift::check_values(numbers, min, max).out_of_range_ratio);
        }
        (_, Column::Buckets(buckets)) => {
            let (min, max) = reference.range?;
            buckets.outside(min, max)
        }
        _ => return None,
    };
    Some(if current.values > 0.0 {
        outside / current.values
    } else {
        0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Categories;

    fn numbers(values: &[f64]) -> Window {
        Window::of(Column::Numbers(values.to_vec()))
    }

    fn histogram(edges: &[f64], counts: &[f64]) -> Window {
        Window::of(Column::Buckets(Buckets::from_edges(edges, counts).unwrap()))
    }

    #[test]
    fn numbers_are_counted_in_bins_of_the_reference() {
        let reference: Vec<f64> = (0..1_000).map(f64::from).collect();
        let current: Vec<f64> = (300..1_300).map(f64::from).collect();
        let found = compare(&numbers(&reference), &numbers(&current), 10).unwrap();
        let bins = Bins::quantiles(&reference, 10).unwrap();
        let (a, b) = (bins.count(&reference), bins.count(&current));
        assert_eq!(found.psi, population_stability_index(&a, &b).unwrap());
        assert_eq!(found.jensen_shannon, jensen_shannon(&a, &b).unwrap());
        assert_eq!(found.chi_squared, chi_squared(&a, &b).unwrap());
        assert_eq!(
            found.kolmogorov_smirnov,
            Some(kolmogorov_smirnov(&reference, &current).unwrap())
        );
        assert_eq!(found.out_of_range_ratio, Some(0.3));
    }

    #[test]
    fn a_recorded_histogram_stands_for_its_values() {
        let edges: Vec<f64> = (0..=10).map(|edge| f64::from(edge) * 10.0).collect();
        let values: Vec<f64> = (0..1_000).map(|value| f64::from(value) / 10.0 + 0.05).collect();
        let recorded = histogram(&edges, &[100.0; 10]);
        let found = compare(&recorded, &numbers(&values), 10).unwrap();
        assert_eq!((found.psi, found.chi_squared.statistic), (0.0, 0.0));
        let moved: Vec<f64> = values.iter().map(|value| value + 25.0).collect();
        let found = compare(&recorded, &numbers(&moved), 10).unwrap();
        assert!(
            found.psi > 0.25 && found.kolmogorov_smirnov.unwrap().statistic == 0.25,
            "{found:?}"
        );
        assert_eq!(found.out_of_range_ratio, Some(0.25));
        let other = compare(&numbers(&values), &histogram(&edges, &[200.0; 10]), 10).unwrap();
        assert_eq!(other.psi, 0.0);
    }

    #[test]
    fn many_bins_become_few() {
        let edges: Vec<f64> = (0..=1_000).map(f64::from).collect();
        let (few, many) = (vec![1.0; 1_000], vec![7.0; 1_000]);
        let found = compare(&histogram(&edges, &few), &histogram(&edges, &many), 10).unwrap();
        assert!(found.psi.abs() < 1e-12 && found.chi_squared.p_value > 0.999);
        let mut counts = (few, many);
        merge(&mut counts, 10);
        assert_eq!(counts, (vec![100.0; 10], vec![700.0; 10]));
    }

    #[test]
    fn kinds_do_not_mix() {
        let mut categories = Categories::default();
        categories.add("a", 1.0, 9);
        let error = compare(&numbers(&[1.0]), &Window::of(Column::Categories(categories)), 10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the reference has numbers, the current window categories"
        );
        let error = compare(&numbers(&[]), &numbers(&[1.0]), 10).unwrap_err();
        assert_eq!(error.to_string(), "the reference window has no values");
    }
}
