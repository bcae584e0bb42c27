//! [`Steps`]: the pieces of time that a question tells apart.

/// Pieces of time, one after another. A new one begins a whole number of widths before and after each of some times.
///
/// ```
/// use parapet_logs::Steps;
///
/// let hours = Steps::new(3_600, vec![0]);
/// assert_eq!(hours.last_ns(3_599), 3_599);
/// assert_eq!(hours.last_ns(3_600), 7_199);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    width_ns: i64,
    begins: Vec<i64>,
}

impl Steps {
    /// Pieces that begin a whole number of widths (nanoseconds, at least one) from each of `begins`. All of time is one
    /// piece where there is no such time.
    #[must_use]
    pub fn new(width_ns: i64, begins: Vec<i64>) -> Self {
        let width_ns = width_ns.max(1);
        Self { width_ns, begins }
    }

    /// The last nanosecond of the piece that a time is in.
    #[must_use]
    pub fn last_ns(&self, time_ns: i64) -> i64 {
        let width = i128::from(self.width_ns);
        let last = |begin: &i64| {
            let since = (i128::from(time_ns) - i128::from(*begin)).rem_euclid(width);
            i128::from(time_ns) + (width - since - 1)
        };
        let last = self.begins.iter().map(last).min();
        last.map_or(i64::MAX, |last| i64::try_from(last).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_where_the_next_begin() {
        let steps = Steps::new(10, vec![3, 7]);
        let begins: Vec<i64> = (-20..40).filter(|time| steps.last_ns(time - 1) == time - 1).collect();
        assert_eq!(begins, [-17, -13, -7, -3, 3, 7, 13, 17, 23, 27, 33, 37]);
        assert!((-20..40).all(|time| steps.last_ns(time) == steps.last_ns(steps.last_ns(time))));
        assert_eq!(Steps::new(10, Vec::new()).last_ns(5), i64::MAX);
        assert_eq!(Steps::new(i64::MAX, vec![i64::MIN]).last_ns(i64::MAX), i64::MAX);
        assert_eq!(Steps::new(0, vec![5]).last_ns(i64::MIN), i64::MIN);
    }
}
