//! Files beside the configuration that it names by patterns.

use crate::{Error, Kind, SourceFile};

/// Where such files are read from, each time they are needed.
#[async_trait::async_trait]
pub trait Files: Send + Sync + std::fmt::Debug {
    /// Every file whose path a pattern matches, in order of path; the last part of a pattern may have a `*`. None, where
    /// there is none.
    async fn matching(&self, pattern: &str) -> Result<Vec<SourceFile>, Error>;
}

/// No files at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

#[async_trait::async_trait]
impl Files for NoFiles {
    async fn matching(&self, pattern: &str) -> Result<Vec<SourceFile>, Error> {
        Err(Error::new(Kind::Invalid, format!("{pattern} cannot be read here")))
    }
}

/// Whether a path is meant by a pattern, in which `*` stands for anything but a slash.
#[must_use]
pub fn matches_pattern(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        if rest[..at].contains('/') {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    rest.strip_suffix(last).is_some_and(|between| !between.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_within_a_directory() {
        for (pattern, path, want) in [
            ("sd/*.json", "sd/a.json", true),
            ("sd/*.json", "sd/a/b.json", false),
            ("sd/*.json", "sd/a.yml", false),
            ("sd/a*b*.yml", "sd/a1b2.yml", true),
            ("sd/a*b*.yml", "sd/a1c2.yml", false),
            ("sd/a.yml", "sd/a.yml", true),
            ("sd/a.yml", "sd/a.yml2", false),
            ("*", "a", true),
        ] {
            assert_eq!(matches_pattern(pattern, path), want, "{pattern} {path}");
        }
    }
}
