//! `parapet logs tail`: ships files over Loki's push API.
//!
//! Invariant: what is to be sent is written down before it is sent, with the time that its lines get; that it was taken
//! is written down after. A death in between sends the same bytes again, and the server stores them once.

mod follow;
mod push;
mod state;

use crate::query::client::{Client, Manner};
use anyhow::{Context as _, bail};
use clap::Args;
use follow::Follower;
use parapet_function_kit::SystemClock;
use parapet_ports::Clock as _;
use push::Pusher;
use state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet logs tail /var/log/nginx/access.log --label app=nginx
  parapet logs tail '/var/log/*.log' --url https://logs.example:9090 --tenant team-a
  parapet logs tail old.log --from-beginning --once

Lines get the time at which they are read; a pipeline of the server (pipelines.yml) takes the one that they have.
Files may be rotated, by renaming or by truncating. Where a line ends is known by its line break: the last one waits
for it. Offsets are kept in the state file, so that a new start goes on where the last one was.")]
pub(crate) struct Arguments {
    /// Files, or patterns: '/var/log/*.log'
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The server: Parapet, or Loki
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090")]
    url: Url,
    #[command(flatten)]
    manner: Manner,
    /// A label of every line, besides filename and host; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Where offsets are kept
    #[arg(long, value_name = "FILE", default_value = "parapet-tail.json")]
    state: PathBuf,
    /// Files that are new to the state file from their beginning, not from their end
    #[arg(long)]
    from_beginning: bool,
    /// Ship what is there, the last line without its line break too, and end
    #[arg(long)]
    once: bool,
    /// How often files are looked at
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = crate::cli::duration)]
    interval: i64,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if parapet_model::is_legacy_label_name(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, the name of letters, digits and _".to_owned()),
    }
}

/// Ships until it is stopped, or once.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let client = Client::new("--url", &arguments.url, &arguments.manner)?;
    let mut labels: BTreeMap<String, String> = arguments.labels.iter().cloned().collect();
    labels.entry("host".to_owned()).or_insert_with(host_name);
    labels.retain(|_, value| !value.is_empty());
    let mut pusher = Pusher { client, labels };
    let mut state = State::open(&arguments.state)?;
    let mut followers: BTreeMap<PathBuf, Follower> = BTreeMap::new();
    let mut said = Said::default();
    let mut is_first = true;
    loop {
        for path in paths(&arguments.files, &mut said)? {
            if followers.contains_key(&path) {
                continue;
            }
            // A file that appears later is new as a whole.
            let from_beginning = arguments.from_beginning || !is_first;
            match Follower::open(&path, &state, from_beginning) {
                Ok(Some(follower)) => {
                    // Stopped before anything is shipped, it goes on from here too.
                    if state.get(&path).is_none() {
                        state.set(&path, follower.position())?;
                    }
                    followers.insert(path, follower);
                }
                Ok(None) => said.once(format!("{} is not there; waiting for it", path.display())),
                Err(error) if arguments.once => return Err(error),
                Err(error) => said.once(format!("{error:#}; trying again")),
            }
        }
        if is_first && followers.is_empty() && arguments.once {
            bail!("none of the files is there: {}", arguments.files.join(" "));
        }
        is_first = false;
        let mut is_idle = true;
        for follower in followers.values_mut() {
            is_idle &= !ship(follower, &mut state, &mut pusher, arguments.once)?;
        }
        if is_idle {
            if arguments.once {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(arguments.interval.unsigned_abs()));
        }
    }
}

/// What was said already: it is looked for files twice a second.
#[derive(Debug, Default)]
struct Said(BTreeSet<String>);

impl Said {
    fn once(&mut self, text: String) {
        if !self.0.contains(&text) {
            push::say(&text);
            self.0.insert(text);
        }
    }
}

/// Ships the next piece of a file; whether there was one.
fn ship(follower: &mut Follower, state: &mut State, pusher: &mut Pusher, whole: bool) -> anyhow::Result<bool> {
    let Some(piece) = follower.next(SystemClock.now_ms() * 1_000_000, whole)? else {
        return Ok(false);
    };
    state.set(follower.path(), &piece.before)?;
    pusher.push(follower.path(), piece.time_ns, &piece.lines)?;
    state.set(follower.path(), &piece.after)?;
    follower.taken(&piece);
    Ok(true)
}

/// The files that are there; a name without a pattern is kept though it is not.
fn paths(files: &[String], said: &mut Said) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for file in files {
        let path = Path::new(file);
        if path.is_dir() {
            let all = path.join("*");
            bail!("{file} is a directory; name its files, for example '{}'", all.display());
        }
        // A name may have such letters itself.
        if !file.contains(['*', '?', '[']) || path.exists() {
            paths.push(std::path::absolute(file)?);
            continue;
        }
        let before = paths.len();
        for path in glob::glob(file).with_context(|| format!("{file} is no pattern"))? {
            match path {
                Ok(path) if path.is_file() => paths.push(std::path::absolute(path)?),
                Ok(_) => {}
                Err(error) => said.once(format!("{error}; it is passed over")),
            }
        }
        if paths.len() == before {
            said.once(format!("no file matches {file}; waiting for one"));
        }
    }
    Ok(paths)
}

/// This machine's name; empty where it is not known.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["a.log", "b.log", "c[1].log"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("d.log")).unwrap();
        let mut said = Said::default();
        let mut found = |file: String| paths(&[file], &mut said).map(|paths| paths.len());
        assert_eq!(found(at("*.log")).unwrap(), 3, "directories are passed over");
        assert_eq!(found(at("c[1].log")).unwrap(), 1, "a name that is there is no pattern");
        assert_eq!(found(at("missing.log")).unwrap(), 1);
        assert_eq!(found(at("*.txt")).unwrap(), 0);
        assert_eq!(found(at("*.txt")).unwrap(), 0);
        let error = found(at("d.log")).unwrap_err().to_string();
        assert!(error.contains("is a directory") && error.contains("d.log/*"), "{error}");
        assert!(
            found("x***y[".to_owned())
                .unwrap_err()
                .to_string()
                .contains("is no pattern")
        );
        assert_eq!(said.0.len(), 1, "{said:?}");
    }
}
