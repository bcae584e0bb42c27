//! Runs Prometheus' own test scripts (`promqltest`), in process: every eval at its times, and as Prometheus does also
//! with `@` at other times, and in range mode.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test may stop at what must not be.

#[path = "promqltest/compare.rs"]
mod compare;
#[path = "promqltest/run.rs"]
mod run;
#[path = "promqltest/script.rs"]
mod script;
#[path = "promqltest/storage.rs"]
mod storage;

use std::path::PathBuf;

/// Where the scripts are; `None`, with a word about it, where they are not here.
fn scripts() -> Option<Vec<PathBuf>> {
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let folder = root.join("promql/promqltest");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not here", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "test"))
        .collect();
    paths.sort();
    Some(paths)
}

#[test]
fn every_eval_of_every_script() {
    let Some(paths) = scripts() else { return };
    assert!(!paths.is_empty(), "there are no scripts");
    let (mut failures, mut total) = (Vec::new(), 0);
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let (evals, failed) = run::run(&text);
        println!("{name}: {}/{evals}", evals - failed.len());
        failures.extend(failed.into_iter().map(|failure| format!("{name}:{failure}")));
        total += evals;
    }
    println!("total: {}/{total}", total - failures.len());
    assert!(
        failures.is_empty(),
        "{} evals fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
