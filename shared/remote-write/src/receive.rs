//! A request as a receiver takes it: what is wrong with one series or sample is left out and told, the rest is read.

use crate::Error;
use parapet_model::BatchSeries;

/// The most faults that are kept.
const MAX_FAULTS: usize = 10;

/// What could be read of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// The series in order, those without samples included.
    pub series: Vec<BatchSeries>,
    /// What is wrong with the rest, for the first few.
    pub faults: Vec<Error>,
    /// How many samples were left out.
    pub refused: u64,
}

/// What becomes of a fault of one series or sample.
#[derive(Debug)]
pub(crate) enum Faults {
    /// It is one of the whole request.
    Fatal,
    /// It is noted.
    Noted(Vec<Error>, u64),
}

impl Faults {
    pub(crate) fn noted() -> Self {
        Self::Noted(Vec::new(), 0)
    }

    /// Takes a fault that costs so many samples.
    pub(crate) fn take(&mut self, error: Error, samples: u64) -> Result<(), Error> {
        match self {
            Self::Fatal => Err(error),
            Self::Noted(faults, refused) => {
                *refused += samples;
                if faults.len() < MAX_FAULTS {
                    faults.push(error);
                }
                Ok(())
            }
        }
    }

    pub(crate) fn into_received(self, series: Vec<BatchSeries>) -> Received {
        match self {
            Self::Fatal => Received {
                series,
                ..Received::default()
            },
            Self::Noted(faults, refused) => Received {
                series,
                faults,
                refused,
            },
        }
    }
}

/// Whether there is anything to store.
pub(crate) fn has_data(series: &BatchSeries) -> bool {
    !series.samples.is_empty() || !series.exemplars.is_empty()
}
