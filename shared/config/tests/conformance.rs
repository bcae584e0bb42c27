//! The verdicts of Prometheus' own configuration tests.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;

#[allow(clippy::disallowed_methods)]
fn conformance(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = root.join(folder);
    if !path.is_dir() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn prometheus_verdicts() {
    let Some(folder) = conformance("prometheus_config") else {
        return;
    };
    let cases: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("config_cases.json")).unwrap()).unwrap();
    let parse = |case: &serde_json::Value| {
        let file = case["file"].as_str().unwrap();
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let name = file.trim_start_matches("testdata/");
        parapet_config::parse(name, &String::from_utf8_lossy(&bytes))
    };
    let (mut refused, mut same_words, mut accepted) = (0, 0, Vec::new());
    for case in cases["bad"].as_array().unwrap() {
        match parse(case) {
            Ok(_) => accepted.push(case["file"].to_string()),
            Err(error) => {
                refused += 1;
                let same = error.message.contains(case["error_contains"].as_str().unwrap());
                same_words += usize::from(same);
                println!("{} {error}", if same { "=" } else { " " });
            }
        }
    }
    let (mut loaded, mut unsupported, mut wrong) = (0, 0, Vec::new());
    for case in cases["good"].as_array().unwrap() {
        match parse(case) {
            Ok(_) => loaded += 1,
            Err(error) if error.message.contains("not supported") => {
                unsupported += 1;
                println!("+ {error}");
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    println!("bad: {refused} refused, {same_words} of them in the same words, accepted: {accepted:?}");
    println!("good: {loaded} load, {unsupported} use what is not supported yet, wrongly refused: {wrong:#?}");
    assert!(accepted.is_empty() && wrong.is_empty());
    assert!(loaded >= 39);
}
