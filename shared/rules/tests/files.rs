//! Rule files of Prometheus' own tests, and real ones, read at run time.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use parapet_rules::parse;
use std::path::{Path, PathBuf};

#[allow(clippy::disallowed_methods)]
fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        Into::into,
    );
    let folder = root.join("rules");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn load(path: &Path) -> Result<usize, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let groups = parse(&path.file_name().unwrap().to_string_lossy(), &text).map_err(|error| error.to_string())?;
    Ok(groups.iter().map(|group| group.rules.len()).sum())
}

#[test]
fn rule_file_cases() {
    let Some(folder) = folder() else { return };
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("rulefmt_cases.json")).unwrap()).unwrap();
    let (mut total, mut failures) = (0, Vec::new());
    for file in table["must_pass_files"].as_array().unwrap() {
        let name = file.as_str().unwrap();
        if name.contains("legacy scheme") {
            continue; // Names are UTF-8 here, as Prometheus 3 has them by default.
        }
        total += 1;
        if let Err(error) = load(&folder.join("rulefmt_testdata").join(name)) {
            failures.push(format!("{name} is refused: {error}"));
        }
    }
    for case in table["must_fail_files"].as_array().unwrap() {
        if case["name_scheme"] != "utf8" {
            continue;
        }
        total += 1;
        let want = case["error_contains"].as_str().unwrap();
        match load(&folder.join(case["file"].as_str().unwrap())) {
            Ok(_) => failures.push(format!("{} is taken, want {want}", case["file"])),
            Err(error) if error.contains(want) => {}
            Err(error) => failures.push(format!("{}: {error}, want {want}", case["file"])),
        }
    }
    for case in table["inline"].as_array().unwrap() {
        total += 1;
        let passes = parse("inline", case["yaml"].as_str().unwrap()).is_ok();
        if passes != case["pass"].as_bool().unwrap() {
            failures.push(format!("{case}"));
        }
    }
    eprintln!("rule file cases: {} of {total} agree", total - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yml" || extension == "yaml")
        {
            into.push(path);
        }
    }
}

#[test]
fn real_files() {
    let Some(folder) = folder() else { return };
    let mut paths = Vec::new();
    files(&folder.join("real"), &mut paths);
    paths.sort();
    let (mut rules, mut failures) = (0, Vec::new());
    for path in &paths {
        match load(path) {
            Ok(count) => rules += count,
            Err(error) => failures.push(format!("{}: {error}", path.strip_prefix(&folder).unwrap().display())),
        }
    }
    eprintln!(
        "real rule files: {} of {} load, {rules} rules",
        paths.len() - failures.len(),
        paths.len()
    );
    // The one that is refused is written in another system's dialect.
    assert_eq!(failures.len(), 1, "{}", failures.join("\n"));
    assert!(failures[0].contains("victoria-metrics") && failures[0].contains("could not parse expression"));
}
