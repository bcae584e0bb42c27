//! Times as logs write them, in nanoseconds since the Unix epoch.
//!
//! A [`TimeFormat`] is written the way its author knows: as Go's reference time (`2006-01-02 15:04:05`), with
//! `strftime`'s signs (`%Y-%m-%d %H:%M:%S`), as Joda and Logstash do (`yyyy-MM-dd HH:mm:ss,SSS`), or by name
//! (`RFC3339`, `ISO8601`, `RFC1123Z`, `Unix`, `UnixMs`, …).

mod compile;
mod parts;
mod read;
mod zone;

use chrono_tz::Tz;
use parts::Item;

pub use read::parse_rfc3339_ns;
pub use zone::parse_zone;

/// A compiled time format.
#[derive(Clone, Debug)]
pub struct TimeFormat {
    text: String,
    items: Vec<Item>,
}

impl TimeFormat {
    /// Compiles a format.
    ///
    /// # Errors
    /// A format with a sign that is not known; the message says which.
    pub fn new(text: &str) -> Result<Self, String> {
        Ok(Self {
            text: text.to_owned(),
            items: compile::compile(text)?,
        })
    }

    /// Reads a time that the whole of `text` must be, spaces around it aside.
    ///
    /// What the text does not say is taken from elsewhere: a zone is `zone`; a year is the one that brings the time
    /// nearest to `now_ns`, not later than a day after it; a date is that of `now_ns`. Of a time that a change of
    /// clocks makes twice the first is meant; one that it leaves out is moved by the change.
    #[must_use]
    pub fn parse(&self, text: &str, zone: Tz, now_ns: i64) -> Option<i64> {
        read::read(&self.items, text.trim())?.resolve(zone, now_ns)
    }

    /// The format as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests;
