//! Scales and their labels.

use crate::query::times::format_time;

/// The scale of values: round numbers below, between and above them.
#[derive(Debug)]
pub(super) struct Scale {
    low: f64,
    tick: f64,
    /// Between `low` and the upper bound.
    ticks: u16,
}

impl Scale {
    /// For values from `least` to `greatest`, with about `wanted` ticks.
    pub(super) fn of(least: f64, greatest: f64, wanted: u16) -> Self {
        // Halved, as the difference of two finite floats may not be finite.
        let half = greatest / 2.0 - least / 2.0;
        let half = if half > 0.0 {
            half
        } else {
            (greatest.abs() / 4.0).max(0.5)
        };
        let rough = (half / f64::from(wanted.max(1)) * 2.0).min(f64::MAX / 64.0);
        let power = 10f64.powf(rough.log10().floor());
        let tick = [1.0, 2.0, 2.5, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|tick| *tick >= rough);
        let tick = tick.filter(|tick| *tick > 0.0).unwrap_or(rough.max(f64::MIN_POSITIVE));
        let low = (least / tick).floor() * tick;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
        let ticks = (((greatest - low) / tick).ceil() as u16).clamp(1, 64);
        Self { low, tick, ticks }
    }

    pub(super) fn bounds(&self) -> [f64; 2] {
        [self.low, self.high()]
    }

    fn high(&self) -> f64 {
        self.low + self.tick * f64::from(self.ticks)
    }

    pub(super) fn labels(&self) -> Vec<String> {
        (0..=self.ticks)
            .map(|at| number(self.low + self.tick * f64::from(at)))
            .collect()
    }

    /// The row from the top that a value stands in.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
    pub(super) fn row(&self, value: f64, rows: u16) -> usize {
        let last = rows.saturating_sub(1);
        let share = (self.high() - value) / (self.high() - self.low);
        ((share * f64::from(rows)) as usize).min(usize::from(last))
    }
}

/// Milliseconds as the axis counts them.
#[allow(clippy::cast_precision_loss)]
pub(super) fn float(ms: i64) -> f64 {
    ms as f64
}

/// A number of at most four digits, with the prefixes of large ones: `12.5k`.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e15).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let (divisor, prefix) = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
        .into_iter()
        .find(|(divisor, _)| magnitude >= divisor * 0.99995 && magnitude >= 1e4)
        .unwrap_or((1.0, ""));
    let scaled = value / divisor;
    let decimals = match scaled.abs() {
        scaled if scaled >= 1000.0 => 0,
        scaled if scaled >= 100.0 => 1,
        scaled if scaled >= 10.0 => 2,
        scaled if scaled >= 1.0 || !prefix.is_empty() => 3,
        _ => 5,
    };
    let text = format!("{scaled:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{}{prefix}", if text == "-0" { "0" } else { text })
}

/// Times at even distances, as many as have room.
pub(super) fn time_labels(start_ms: i64, end_ms: i64, width: u16) -> Vec<String> {
    const HOUR_MS: i64 = 3_600_000;
    let span = end_ms - start_ms;
    let form = match span {
        _ if span > 72 * HOUR_MS => "%Y-%m-%d",
        _ if span > 12 * HOUR_MS => "%m-%d %H:%M",
        _ if span > HOUR_MS / 2 => "%H:%M",
        _ => "%H:%M:%S",
    };
    let parts = i64::from(width / 25).clamp(1, 6);
    (0..=parts)
        .map(|at| {
            let label = format_time(start_ms + span / parts * at + span % parts * at / parts, form);
            // The whole date once, and the zone: times are UTC.
            if at == parts { label + "Z" } else { label }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round() {
        for (least, greatest, labels) in [
            (0.0, 10.0, vec!["0", "2.5", "5", "7.5", "10"]),
            (0.13, 0.77, vec!["0", "0.2", "0.4", "0.6", "0.8"]),
            (5.0, 5.0, vec!["5", "6"]),
            (0.0, 0.0, vec!["0", "0.25"]),
            (-12_000.0, 9_000.0, vec!["-20k", "-10k", "0", "10k"]),
        ] {
            let scale = Scale::of(least, greatest, 4);
            if least < greatest {
                assert_eq!(scale.labels(), labels, "{least} {greatest}");
            }
            let [low, high] = scale.bounds();
            assert!(
                low <= least && greatest <= high && low < high,
                "{least} {greatest}: {scale:?}"
            );
        }
        for (least, greatest) in [
            (-f64::MAX, f64::MAX),
            (0.0, 5e-324),
            (f64::MAX, f64::MAX),
            (1e300, 1.1e300),
        ] {
            let scale = Scale::of(least, greatest, 4);
            assert!(
                scale.labels().len() > 1 && scale.row(greatest, 10) < 10,
                "{least} {greatest}"
            );
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.125, "0.125"),
            (1234.4, "1234"),
            (12_360.0, "12.36k"),
            (999_990.0, "1M"),
            (-2_500_000.0, "-2.5M"),
            (1e-7, "1.00e-7"),
            (3e20, "3.00e20"),
        ] {
            assert_eq!(number(value), want);
        }
    }
}
