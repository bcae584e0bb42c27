//! The rule packs of infra/rules: their unit tests pass, and every alert says what a person needs who is woken by it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use parapet_rules::parse;
use parapet_rules::unit_test::UnitTests;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_alert_has_its_texts_and_its_runbook() {
    let mut alerts = 0;
    for path in files(&root().join("infra/rules")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let groups = parse(&path.display().to_string(), &text).unwrap();
        for rule in groups.iter().flat_map(|group| &group.rules) {
            let Some(alerting) = &rule.alerting else { continue };
            alerts += 1;
            let annotation = |name: &str| {
                let found = alerting.annotations.iter().find(|(key, _)| key == name);
                found.map(|(_, text)| text.clone()).unwrap_or_default()
            };
            assert!(!annotation("summary").is_empty(), "{} has no summary", rule.name);
            assert!(
                annotation("description").contains("$value"),
                "{} does not say the value",
                rule.name
            );
            assert!(rule.labels.get("severity").is_some(), "{} has no severity", rule.name);
            let runbook = format!("docs/runbooks/{}.md", rule.name);
            assert_eq!(annotation("runbook_url"), runbook);
            let text = std::fs::read_to_string(root().join(&runbook)).unwrap_or_default();
            for heading in ["## What it means", "## What to look at", "## What to do"] {
                assert!(text.contains(heading), "{runbook} lacks {heading}");
            }
        }
    }
    assert!(alerts > 40, "{alerts}");
}

#[test]
fn unit_tests() {
    let (mut files_run, mut tests_run, mut failures) = (0, 0, Vec::new());
    for path in files(&root().join("infra/rules/tests")) {
        let tests = UnitTests::parse(&path.display().to_string(), &std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut groups = Vec::new();
        for name in tests.rule_files() {
            let file = path.parent().unwrap().join(name);
            groups.extend(parse(name, &std::fs::read_to_string(file).unwrap()).unwrap());
        }
        files_run += 1;
        for outcome in tests.run(&groups, |_| true) {
            tests_run += 1;
            let shown = outcome
                .failures
                .iter()
                .map(|failure| format!("{}: {failure}", outcome.name));
            failures.extend(shown.map(|failure| format!("{}: {failure}", path.display())));
        }
    }
    eprintln!(
        "rule packs: {tests_run} tests of {files_run} files, {} failures",
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(files_run >= 6 && tests_run > 25);
}
