//! `parapet test rules`: runs unit tests of rules in promtool's format.

mod junit;

use clap::Args;
use parapet_rules::unit_test::{Failure, TestOutcome, UnitTests};
use parapet_rules::{ParseOptions, parse_with};
use regex::RegexSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet test rules rules/tests/*.yml
  parapet test rules --run 'burn' --diff slo_test.yml
  parapet test rules --junit report.xml tests.yml

The format is that of promtool test rules; rule_files may name SLO files too.")]
pub(crate) struct Arguments {
    /// Files of unit tests
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Run only tests whose names match this regular expression; several may be given
    #[arg(long, value_name = "REGEX")]
    run: Vec<String>,
    /// Show what differs line by line, instead of expectation and outcome each in full
    #[arg(long)]
    diff: bool,
    /// Take unknown fields of rule files for notes of somebody else; a server refuses them
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Write a JUnit report to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A file of unit tests and what became of it: its tests, or why none could be run.
struct FileOutcome {
    name: String,
    tests: Result<Vec<TestOutcome>, String>,
}

impl FileOutcome {
    fn has_failed(&self) -> bool {
        match &self.tests {
            Ok(tests) => tests.iter().any(|test| !test.failures.is_empty()),
            Err(_) => true,
        }
    }
}

/// Runs the tests and prints promtool's verdicts.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let chosen = RegexSet::new(&arguments.run)?;
    let mut outcomes = Vec::new();
    for file in &arguments.files {
        let outcome = FileOutcome {
            name: file.display().to_string(),
            tests: run_file(arguments, file, &chosen),
        };
        print(arguments, &outcome);
        outcomes.push(outcome);
    }
    if let Some(path) = &arguments.junit {
        std::fs::write(path, junit::report(&outcomes))
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))?;
    }
    Ok(match outcomes.iter().any(FileOutcome::has_failed) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn run_file(arguments: &Arguments, file: &Path, chosen: &RegexSet) -> Result<Vec<TestOutcome>, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let tests = UnitTests::parse(&file.display().to_string(), &read(file)?).map_err(|error| error.to_string())?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let options = ParseOptions {
        ignore_unknown_fields: arguments.ignore_unknown_fields,
    };
    let mut groups = Vec::new();
    for pattern in tests.rule_files() {
        for path in matching(directory, pattern)? {
            let name = path.display().to_string();
            groups.extend(parse_with(&name, &read(&path)?, options).map_err(|error| error.to_string())?);
        }
    }
    Ok(tests.run(&groups, |name| chosen.is_empty() || chosen.is_match(name)))
}

/// The files that a pattern of `rule_files` names. None is worth a warning, as in promtool.
#[allow(clippy::print_stderr)]
fn matching(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let pattern = directory.join(pattern).display().to_string();
    let paths = glob::glob(&pattern).map_err(|error| format!("rule_files: {pattern}: {error}"))?;
    let paths: Vec<PathBuf> = paths
        .collect::<Result<_, _>>()
        .map_err(|error| format!("rule_files: {pattern}: {error}"))?;
    if paths.is_empty() {
        eprintln!("  WARNING: no file match pattern {pattern}");
    }
    Ok(paths)
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn print(arguments: &Arguments, outcome: &FileOutcome) {
    println!("Unit Testing:  {}", outcome.name);
    match &outcome.tests {
        Ok(_) if !outcome.has_failed() => println!("  SUCCESS"),
        Ok(tests) => {
            eprintln!("  FAILED:");
            for failure in tests.iter().flat_map(|test| &test.failures) {
                eprintln!("{}\n", shown(arguments, failure));
            }
        }
        Err(message) => eprintln!("  FAILED:\n{message}"),
    }
    println!();
}

fn shown(arguments: &Arguments, failure: &Failure) -> String {
    if !arguments.diff {
        return failure.to_string();
    }
    let diff = failure.diff();
    if !std::io::stderr().is_terminal() {
        return diff;
    }
    let colour = |line: &str| match line.trim_start().chars().next() {
        Some('-') => format!("\u{1b}[31m{line}\u{1b}[0m"),
        Some('+') => format!("\u{1b}[32m{line}\u{1b}[0m"),
        _ => line.to_owned(),
    };
    diff.lines().map(colour).collect::<Vec<_>>().join("\n")
}
