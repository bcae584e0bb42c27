//! What the scraper did since the process began.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the process began; for the host's own metrics.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// The counts at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CountersSnapshot {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Tells the process's metrics, as `parapet_scraper_…_total`.
            pub(crate) fn publish(&self) {
                $(metrics::counter!(concat!("parapet_scraper_", stringify!($name), "_total"))
                    .absolute(self.$name.load(Ordering::Relaxed));)*
            }

            /// The counts now.
            #[must_use]
            pub fn snapshot(&self) -> CountersSnapshot {
                CountersSnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Tasks sent by ticks.
    tasks_sent,
    /// Slots that a tick found more than an interval in the past.
    slots_skipped,
    /// Tasks that ran more than an interval late and were skipped.
    tasks_late,
    /// Tasks that another run had done.
    tasks_duplicate,
    /// Scrapes that succeeded.
    scrapes,
    /// Of which the body was like the one before, so that its numbers alone were read.
    scrapes_known,
    /// Scrapes that took longer than `PARAPET_SCRAPE_SLOW_MS`.
    scrapes_slow,
    /// Scrapes that failed.
    scrapes_failed,
    /// Samples sent, markers and the scraper's own included.
    samples,
    /// Samples dropped because the same series stood twice in a body.
    samples_duplicate,
    /// Samples dropped because their own timestamp lies too far in the future.
    samples_out_of_bounds,
    /// Targets that left the configuration and were marked as stale.
    targets_gone,
}

pub(crate) fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}
