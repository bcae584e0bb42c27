//! `parapet`: the command line, and the host that runs every function in one process.

mod check;
mod cli;
mod query;
mod run;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match cli.command {
        cli::Command::Run(options) => run::run(*options),
        cli::Command::Check(cli::Check::Config(files)) => check::config(&files),
        cli::Command::Query(options) => query::query(&options),
        cli::Command::Completions { shell } => {
            cli::completions(shell);
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
