//! `parapet check rules`: says whether rule files would be accepted, as promtool does.

use clap::{Args, ValueEnum};
use parapet_rules::{ParseOptions, duplicates, parse_with};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// What promtool exits with when only its lints complain.
const LINT_EXIT_CODE: u8 = 3;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet check rules rules/*.yml
  parapet check rules --lint all --lint-fatal slo.yml    Sloth, OpenSLO and Parapet's own SLO files are read too
  cat rules.yml | parapet check rules

Exit status: 0 for sound files, 1 for files that would be refused, 3 with --lint-fatal where only a lint complains.")]
pub(crate) struct Arguments {
    /// Rule files; standard input where there are none
    files: Vec<PathBuf>,
    /// What is looked for beyond errors
    #[arg(long, value_enum, value_delimiter = ',', default_value = "duplicate-rules")]
    lint: Vec<Lint>,
    /// Exit with 3 where a lint complains
    #[arg(long)]
    lint_fatal: bool,
    /// Take unknown fields for notes of somebody else; a server refuses them
    #[arg(long)]
    ignore_unknown_fields: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lint {
    /// Every lint
    All,
    /// Rules with the same name and labels
    DuplicateRules,
    /// No lint
    None,
}

/// Why a file is not sound.
enum Complaint {
    Error(String),
    Lint(String),
}

/// Checks the files and prints promtool's lines.
#[allow(clippy::print_stdout, clippy::print_stderr)]
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let (mut has_errors, mut has_lints) = (false, false);
    let mut check = |title: &str, name: &str, text: std::io::Result<String>| {
        println!("{title}");
        let outcome = text
            .map_err(|error| Complaint::Error(format!("cannot read {name}: {error}")))
            .and_then(|text| check(arguments, name, &text));
        match outcome {
            Ok(rules) => println!("  SUCCESS: {rules} rules found"),
            Err(Complaint::Error(message)) => {
                has_errors = true;
                eprintln!("  FAILED:\n{message}");
            }
            Err(Complaint::Lint(message)) => {
                has_lints = true;
                eprintln!("  FAILED:\nlint error {message}");
            }
        }
        println!();
    };
    if arguments.files.is_empty() {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        check("Checking standard input", "standard input", read.map(|_| text));
    }
    for file in &arguments.files {
        let name = file.display().to_string();
        check(&format!("Checking {name}"), &name, std::fs::read_to_string(file));
    }
    match (has_errors, has_lints && arguments.lint_fatal) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(LINT_EXIT_CODE),
        (false, false) => ExitCode::SUCCESS,
    }
}

/// How many rules a file has.
fn check(arguments: &Arguments, name: &str, text: &str) -> Result<usize, Complaint> {
    let options = ParseOptions {
        ignore_unknown_fields: arguments.ignore_unknown_fields,
    };
    let groups = parse_with(name, text, options).map_err(|error| Complaint::Error(error.to_string()))?;
    let wants = |lint| arguments.lint.contains(&lint) && !arguments.lint.contains(&Lint::None);
    if wants(Lint::All) || wants(Lint::DuplicateRules) {
        let repeated = duplicates(&groups);
        if !repeated.is_empty() {
            let mut message = format!("{} duplicate rule(s) found.\n", repeated.len());
            for rule in &repeated {
                message += &format!("Metric: {}\nLabel(s):\n", rule.name);
                for (name, value) in &rule.labels {
                    message += &format!("\t{name}: {value}\n");
                }
            }
            return Err(Complaint::Lint(
                message + "Might cause inconsistency while recording expressions",
            ));
        }
    }
    Ok(groups.iter().map(|group| group.rules.len()).sum())
}
