//! `parapet routes`: the route tree of an `alertmanager.yml`, and the way that an alert takes through it.

pub(crate) mod show;
pub(crate) mod test;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use parapet_routing::{Config, Route};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Routes {
    /// Print the route tree, as amtool does, or a table with its timings
    Show(show::Arguments),
    /// Tell which receivers an alert of some labels is sent to, and how
    Test(test::Arguments),
}

/// Which alertmanager.yml.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// alertmanager.yml
    #[arg(long = "alertmanager.config.file", alias = "config.file", value_name = "FILE")]
    file: PathBuf,
}

impl File {
    fn read(&self) -> anyhow::Result<Config> {
        let name = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file).with_context(|| format!("cannot read {name}"))?;
        Ok(parapet_routing::parse(&name, &text)?)
    }
}

/// Prints what is asked for.
#[allow(clippy::print_stdout)]
pub(crate) fn run(command: &Routes) -> anyhow::Result<ExitCode> {
    let (text, code) = match command {
        Routes::Show(arguments) => (show::show(arguments)?, ExitCode::SUCCESS),
        Routes::Test(arguments) => test::test(arguments)?,
    };
    print!("{text}");
    Ok(code)
}

/// The labels that a route groups by, as people write them.
fn group_by(route: &Route) -> String {
    if route.options.group_by_all {
        return "...".to_owned();
    }
    let names: Vec<&str> = route.options.group_by.iter().map(String::as_str).collect();
    names.join(", ")
}

/// A route's own matchers, as amtool prints them.
fn matchers(route: &Route) -> String {
    if route.matchers.0.is_empty() {
        "default-route".to_owned()
    } else {
        route.matchers.to_string()
    }
}
