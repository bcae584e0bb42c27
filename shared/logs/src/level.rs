//! [`Level`]: how grave a line is.

use std::fmt;

/// How grave a line is, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Detail for developers; also what others call trace, verbose, finest.
    Debug,
    /// What normally happens; also notice.
    Info,
    /// What may become an error.
    Warning,
    /// Something failed.
    Error,
    /// The service cannot go on; also fatal, alert, emergency, panic.
    Critical,
}

impl Level {
    /// Every level, from least to most grave.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The name as it is stored: `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// The name as Loki's `detected_level` has it: `debug`, `info`, `warn`, `error`, `critical`.
    #[must_use]
    pub fn detected(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// Reads the words that loggers use, in any case: `warn`, `W`, `SEVERE`, `err`, `fatal`; and the numbers of pino
    /// and bunyan (10 to 60). `None` where the word names no level.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        let mut lower = [0_u8; 13];
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"d" | b"v" | b"t" | b"debug" | b"dbg" | b"trace" | b"verbose" | b"fine" | b"finer" | b"finest" | b"10"
            | b"20" | b"debug1" | b"debug2" | b"debug3" | b"debug4" | b"debug5" => Self::Debug,
            b"i" | b"n" | b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"note" | b"config"
            | b"log" | b"default" | b"30" => Self::Info,
            b"w" | b"warn" | b"warning" | b"wrn" | b"40" => Self::Warning,
            b"e" | b"error" | b"err" | b"eror" | b"severe" | b"failure" | b"50" => Self::Error,
            b"c" | b"f" | b"a" | b"critical" | b"crit" | b"fatal" | b"alert" | b"emerg" | b"emergency" | b"panic"
            | b"dpanic" | b"60" => Self::Critical,
            _ => return None,
        })
    }

    /// The level of a syslog severity, 0 (emergency) to 7 (debug).
    #[must_use]
    pub fn from_syslog(severity: u8) -> Self {
        match severity {
            0..=2 => Self::Critical,
            3 => Self::Error,
            4 => Self::Warning,
            5 | 6 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// The level of an OpenTelemetry severity number, 1 to 24; `None` for 0, which means that none was given.
    #[must_use]
    pub fn from_otlp(severity_number: i32) -> Option<Self> {
        Some(match severity_number {
            1..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warning,
            17..=20 => Self::Error,
            21..=24 => Self::Critical,
            _ => return None,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_loggers() {
        for (word, want) in [
            ("DEBUG", Some(Level::Debug)),
            ("trace", Some(Level::Debug)),
            ("[notice]", Some(Level::Info)),
            ("Information", Some(Level::Info)),
            ("W", Some(Level::Warning)),
            ("WARNING:", Some(Level::Warning)),
            ("SEVERE", Some(Level::Error)),
            ("50", Some(Level::Error)),
            ("FATAL", Some(Level::Critical)),
            ("emerg", Some(Level::Critical)),
            ("", None),
            ("loud", None),
            ("a word that is far too long", None),
            ("é", None),
        ] {
            assert_eq!(Level::from_word(word), want, "{word}");
        }
        for level in Level::ALL {
            assert_eq!(Level::from_word(level.as_str()), Some(level));
            assert_eq!(Level::from_word(level.detected()), Some(level));
        }
    }

    #[test]
    fn numbers_of_protocols() {
        assert_eq!(Level::from_syslog(0), Level::Critical);
        assert_eq!(Level::from_syslog(5), Level::Info);
        assert_eq!(Level::from_otlp(0), None);
        assert_eq!(Level::from_otlp(17), Some(Level::Error));
        assert_eq!(Level::from_otlp(25), None);
    }
}
