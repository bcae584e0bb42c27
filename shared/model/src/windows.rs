//! The windows of a function over ranges.

/// The windows that a query puts a function over: what a store must know to sum up what no window cuts.
///
/// Window `k` of `count` holds the samples after `first_end_ms + k * step_ms - range_ms` and until
/// `first_end_ms + k * step_ms`, milliseconds: open on the left, closed on the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The function, by PromQL's name.
    pub function: &'static str,
    /// Where the first window ends.
    pub first_end_ms: i64,
    /// How long each is.
    pub range_ms: i64,
    /// From one end to the next.
    pub step_ms: i64,
    /// How many there are, at least one.
    pub count: i64,
}

impl Windows {
    /// Whether any window holds some of the samples from `start_ms` to `end_ms`, but not all of them: whether the edge
    /// of a window stands between the first and the last.
    #[must_use]
    pub fn cut(&self, start_ms: i64, end_ms: i64) -> bool {
        let ends = self.first_end_ms;
        [ends, ends.saturating_sub(self.range_ms)]
            .into_iter()
            .any(|first| self.first_edge(first, start_ms).is_some_and(|edge| edge < end_ms))
    }

    /// The first of the edges `first`, `first + step_ms`, … at or after a time.
    fn first_edge(&self, first: i64, at_ms: i64) -> Option<i64> {
        let behind = at_ms.saturating_sub(first).max(0);
        let step = self.step_ms.max(1);
        let number = behind / step + i64::from(behind % step != 0);
        (number < self.count).then(|| first.saturating_add(number.saturating_mul(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_cut_what_they_stand_within() {
        let windows = Windows {
            function: "rate",
            first_end_ms: 1_000,
            range_ms: 300,
            step_ms: 1_000,
            count: 3,
        };
        // Edges: 700, 1000, 1700, 2000, 2700, 3000.
        let within = |start, end| {
            [700, 1000, 1700, 2000, 2700, 3000]
                .iter()
                .any(|edge| (start..end).contains(edge))
        };
        for start in (500..3_300).step_by(50) {
            for end in (start..3_300).step_by(50) {
                assert_eq!(windows.cut(start, end), within(start, end), "{start} {end}");
            }
        }
        assert!(!windows.cut(701, 1_000) && windows.cut(700, 701) && windows.cut(1_000, 1_001));
        let instant = Windows {
            step_ms: 0,
            count: 1,
            ..windows
        };
        assert!(instant.cut(999, 1_001) && !instant.cut(1_001, 9_000));
    }
}
