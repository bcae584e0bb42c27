//! DuckDB, found at run time.

use super::Output;
use anyhow::{Context as _, anyhow, bail};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

/// A DuckDB that is installed.
#[derive(Debug)]
pub(super) enum Engine {
    /// Its program.
    Program(PathBuf),
    /// A Python that has its module.
    Python(PathBuf),
}

const INSTALL: &str = "parapet sql runs DuckDB, which is not installed: install its program duckdb (duckdb.org/install, or \
    pip install duckdb-cli) or Python's module (pip install duckdb), or name either by --duckdb";

/// What a Python runs: the views and the statements are on its standard input, parted by a NUL.
const SCRIPT: &str = include_str!("engine.py");

impl Engine {
    /// The one that is asked for, else the program of the PATH, else a Python's.
    pub(super) fn find(asked: Option<&Path>) -> anyhow::Result<Self> {
        let asked: Vec<PathBuf> = match asked {
            Some(program) => vec![program.to_owned()],
            None => ["duckdb", "python3", "python"].map(PathBuf::from).to_vec(),
        };
        let named = asked.len() == 1;
        for program in &asked {
            if is_python(program) {
                if runs(Command::new(program).args(["-c", "import duckdb"])) {
                    return Ok(Self::Python(program.clone()));
                }
            } else if runs(Command::new(program).arg("-version")) {
                return Ok(Self::Program(program.clone()));
            }
        }
        match asked.first() {
            Some(program) if named => bail!(
                "--duckdb {}: is no DuckDB, nor a Python that has the module duckdb",
                program.display()
            ),
            _ => bail!(INSTALL),
        }
    }

    /// Makes the views and runs the statements; DuckDB prints, and says what is wrong. Its outcome is ours.
    ///
    /// It is in our process group: Ctrl-C ends both.
    pub(super) fn run(&self, output: Output, setup: &str, sql: &str) -> anyhow::Result<ExitCode> {
        let mut child = self.start(output, setup, sql, Stdio::inherit())?;
        Ok(match child.wait()?.success() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// The one column of an answer.
    pub(super) fn column(&self, setup: &str, sql: &str) -> anyhow::Result<Vec<String>> {
        let named = format!("FROM ({sql}) AS answer (found)");
        let child = self.start(Output::Csv, setup, &named, Stdio::piped())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("DuckDB cannot read the bucket");
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(&output.stdout[..]);
        let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
        let cells = records.iter().map(|record| record.get(0).unwrap_or_default());
        // What stands before the header is not of the answer.
        let values = cells
            .skip_while(|cell| *cell != "found")
            .skip(1)
            .map(str::to_owned)
            .collect();
        Ok(values)
    }

    fn start(&self, output: Output, setup: &str, sql: &str, stdout: Stdio) -> anyhow::Result<Child> {
        let (program, form, input) = match self {
            Self::Program(program) => {
                let form = match output {
                    Output::Table => "-box",
                    Output::Json => "-json",
                    Output::Csv => "-csv",
                };
                let sql = sql.trim_end().trim_end_matches(';');
                // What the setup says (a secret was made) is not asked for.
                let input = format!(".output /dev/null\n{setup}\n.output\n{sql}\n;\n");
                (program, vec!["-no-init", "-batch", "-bail", form], input)
            }
            Self::Python(program) => {
                let form = match output {
                    Output::Table => "table",
                    Output::Json => "json",
                    Output::Csv => "csv",
                };
                (program, vec!["-c", SCRIPT, form], format!("{setup}\0{sql}"))
            }
        };
        let mut command = Command::new(program);
        command.args(form).stdin(Stdio::piped()).stdout(stdout);
        let mut child = command.spawn().context("DuckDB does not start")?;
        let mut stdin = child.stdin.take().ok_or_else(|| anyhow!("DuckDB takes no input"))?;
        // It may end before it has read all: at the first error.
        let _ = stdin.write_all(input.as_bytes());
        Ok(child)
    }
}

fn is_python(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("python") || name.starts_with("pypy")
}

fn runs(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}
