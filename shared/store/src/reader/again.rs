//! Reads over a manifest that changes: a file that went away since it was listed stands merged in another.

use parapet_ports::{Error, Kind};

/// A read starts anew this often when merges take files away under it.
const MAX_ATTEMPTS: u32 = 4;

/// Why a file cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// Its object is gone: a merge replaced it since the manifest was read.
    Gone(String),
    Port(Error),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Port(error)
    }
}

/// The attempts of one read.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// What an attempt came to: the answer, or `None` where it is to be read again, after `forget` of the file's key.
    ///
    /// # Errors
    /// Those of the read; [`Kind::Corrupt`] where a file stays in the manifest that is not in the bucket.
    pub(crate) fn settle<T>(
        &mut self,
        outcome: Result<T, ReadError>,
        forget: impl FnOnce(&str),
    ) -> Result<Option<T>, Error> {
        match outcome {
            Ok(answer) => Ok(Some(answer)),
            Err(ReadError::Port(error)) => Err(error),
            Err(ReadError::Gone(key)) => {
                forget(&key);
                self.0 += 1;
                if self.0 < MAX_ATTEMPTS {
                    return Ok(None);
                }
                let text = format!("file {key} is in the manifest but not in the bucket");
                Err(Error::new(Kind::Corrupt, text))
            }
        }
    }
}

/// Reads, and reads again from the manifest where a file went away.
///
/// # Errors
/// As [`Attempts::settle`].
pub(crate) async fn again<T, F: Future<Output = Result<T, ReadError>>>(
    forget: impl Fn(&str),
    read: impl Fn() -> F,
) -> Result<T, Error> {
    let mut attempts = Attempts::default();
    loop {
        if let Some(answer) = attempts.settle(read().await, &forget)? {
            return Ok(answer);
        }
    }
}
