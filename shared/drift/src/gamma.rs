//! The regularised upper incomplete gamma function, for p-values of chi-squared.

/// Relative precision of the series and the fraction.
const EPSILON: f64 = 1e-16;
const ITERATIONS: usize = 10_000;

/// `Q(a, x)` for `a` above 0 (`scipy.special.gammaincc`): by its series below `a + 1`, by a continued fraction above.
pub(crate) fn upper_regularised(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < a + 1.0 {
        return 1.0 - lower_series(a, x);
    }
    // Lentz' algorithm.
    let tiny = f64::MIN_POSITIVE / EPSILON;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / tiny;
    let mut d = 1.0 / b;
    let mut h = d;
    for step in 1..ITERATIONS {
        let n = step as f64;
        let factor = -n * (n - a);
        b += 2.0;
        d = (factor * d + b).abs().max(tiny).copysign(factor * d + b).recip();
        c = b + factor / c;
        if c.abs() < tiny {
            c = tiny;
        }
        let change = d * c;
        h *= change;
        if (change - 1.0).abs() < EPSILON * 4.0 {
            break;
        }
    }
    (a * x.ln() - x - ln_gamma(a)).exp() * h
}

fn lower_series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    for step in 1..ITERATIONS {
        term *= x / (a + step as f64);
        sum += term;
        if term < sum * EPSILON {
            break;
        }
    }
    (sum.ln() + a * x.ln() - x - ln_gamma(a)).exp()
}

/// The logarithm of the gamma function for `x` above 0: Lanczos' approximation, nine terms.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = TERMS[1..]
        .iter()
        .enumerate()
        .fold(TERMS[0], |sum, (place, term)| sum + term / (x + place as f64 + 1.0));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}
