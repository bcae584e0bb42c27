//! SciPy's numbers, which golden.py wrote.
#![allow(clippy::unwrap_used)]

use parapet_drift::{
    Test, chi_squared, jensen_shannon, kolmogorov_smirnov, kolmogorov_smirnov_binned, population_stability_index,
};
use serde_json::Value;

/// The numbers of golden.py's windows.
fn window(seed: u64, size: usize, factor: f64, offset: f64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64 * factor + offset
    };
    (0..size).map(|_| next()).collect()
}

fn assert_close(what: &str, ours: f64, theirs: &Value) {
    let theirs = theirs.as_f64().unwrap();
    let close = (ours - theirs).abs() <= 1e-9 * theirs.abs() + 1e-14;
    assert!(close, "{what}: {ours} instead of {theirs}");
}

#[test]
fn numbers_are_those_of_scipy() {
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let cases = golden["kolmogorov_smirnov"].as_array().unwrap();
    for case in cases {
        let number = |name: &str| case[name].as_f64().unwrap();
        let a = window(1, number("m") as usize, 1.0, 0.0);
        let b = window(2, number("n") as usize, number("factor"), number("offset"));
        let Test { statistic, p_value } = kolmogorov_smirnov(&a, &b).unwrap();
        assert_close(&format!("{case} statistic"), statistic, &case["statistic"]);
        assert_close(&format!("{case} p-value"), p_value, &case["p_value"]);
    }
    let counts = golden["counts"].as_array().unwrap();
    for case in counts {
        let of = |name: &str| -> Vec<f64> {
            case[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one.as_f64().unwrap())
                .collect()
        };
        let (reference, current) = (of("reference"), of("current"));
        let test = chi_squared(&reference, &current).unwrap();
        assert_close(&format!("{case} chi-squared"), test.statistic, &case["chi_squared"]);
        assert_close(&format!("{case} p-value"), test.p_value, &case["p_value"]);
        let test = kolmogorov_smirnov_binned(&reference, &current).unwrap();
        assert_close(&format!("{case} binned"), test.statistic, &case["kolmogorov_smirnov"]);
        let p_value = &case["kolmogorov_smirnov_p_value"];
        assert_close(&format!("{case} binned p-value"), test.p_value, p_value);
        let distance = jensen_shannon(&reference, &current).unwrap();
        assert_close(&format!("{case} Jensen-Shannon"), distance, &case["jensen_shannon"]);
        let index = population_stability_index(&reference, &current).unwrap();
        assert_close(&format!("{case} stability"), index, &case["population_stability_index"]);
    }
    assert!(cases.len() >= 10 && counts.len() >= 7);
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    for (reference, current, want) in [
        (
            vec![1.0],
            vec![1.0, 2.0],
            "the reference window has 1 bins, the current one 2",
        ),
        (vec![0.0], vec![1.0], "the reference window has no values"),
        (
            vec![1.0],
            vec![f64::NAN],
            "the current window has a count that is negative or no number",
        ),
    ] {
        for outcome in [
            jensen_shannon(&reference, &current),
            population_stability_index(&reference, &current),
            chi_squared(&reference, &current).map(|test| test.statistic),
        ] {
            assert_eq!(outcome.unwrap_err().to_string(), want);
        }
    }
    let missing = kolmogorov_smirnov(&[1.0], &[f64::NAN]).unwrap_err();
    assert_eq!(missing.to_string(), "the current window has no values");
}

proptest::proptest! {
    #[test]
    fn any_windows_are_compared(
        a in proptest::collection::vec(proptest::num::f64::ANY, 0..40),
        b in proptest::collection::vec(proptest::num::f64::ANY, 0..40),
    ) {
        if let Ok(test) = kolmogorov_smirnov(&a, &b) {
            proptest::prop_assert!((0.0..=1.0).contains(&test.statistic) && (0.0..=1.0).contains(&test.p_value));
            let other = kolmogorov_smirnov(&b, &a).unwrap();
            proptest::prop_assert!((test.p_value - other.p_value).abs() < 1e-12 && test.statistic == other.statistic);
        }
        let _ = (jensen_shannon(&a, &b), population_stability_index(&a, &b), chi_squared(&a, &b));
    }

    #[test]
    fn counts_give_probabilities(pairs in proptest::collection::vec((0u32..1_000_000, 0u32..1_000_000), 1..40)) {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).unzip();
        if let Ok(test) = chi_squared(&a, &b) {
            proptest::prop_assert!((0.0..=1.0).contains(&test.p_value) && test.statistic >= 0.0);
            proptest::prop_assert!((0.0..=1.0).contains(&jensen_shannon(&a, &b).unwrap()));
            proptest::prop_assert!(population_stability_index(&a, &b).unwrap() >= 0.0);
        }
    }
}
