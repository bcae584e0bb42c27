//! `parapet`: the command line, and the host that runs every function in one process.

mod ack;
mod check;
mod check_rules;
mod cli;
mod debug;
mod explain;
mod export;
mod import;
mod logs;
mod query;
mod routes;
mod rules_backtest;
mod run;
mod slo_expand;
mod sql;
mod storage;
mod table;
mod targets;
mod test_rules;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match cli.command {
        cli::Command::Run(options) => run::run(*options).map(|()| ExitCode::SUCCESS),
        cli::Command::Check(cli::Check::Config(files)) => check::config(&files).map(|()| ExitCode::SUCCESS),
        cli::Command::Check(cli::Check::Rules(arguments)) => Ok(check_rules::run(&arguments)),
        cli::Command::Test(cli::Test::Rules(arguments)) => test_rules::run(&arguments),
        cli::Command::Rules(cli::Rules::Backtest(arguments)) => {
            rules_backtest::run(&arguments).map(|()| ExitCode::SUCCESS)
        }
        cli::Command::Explain(command) => explain::run(&command).map(|()| ExitCode::SUCCESS),
        cli::Command::Routes(routes) => routes::run(&routes),
        cli::Command::Slo(cli::Slo::Expand(arguments)) => slo_expand::run(&arguments).map(|()| ExitCode::SUCCESS),
        cli::Command::Query(options) => query::query(&options).map(|()| ExitCode::SUCCESS),
        cli::Command::Logs(command) => logs::run(&command),
        cli::Command::Export(arguments) => export::run(&arguments).map(|()| ExitCode::SUCCESS),
        cli::Command::Sql(arguments) => sql::run(&arguments),
        cli::Command::Import(arguments) => import::run(&arguments).map(|()| ExitCode::SUCCESS),
        cli::Command::Targets(arguments) => targets::run(&arguments).map(|()| ExitCode::SUCCESS),
        cli::Command::Debug(command) => debug::run(&command),
        cli::Command::Ack(arguments) => ack::run(&arguments).map(|()| ExitCode::SUCCESS),
        cli::Command::Completions { shell } => {
            cli::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
