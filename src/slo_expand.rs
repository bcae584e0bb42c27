//! `parapet slo expand`: prints the rule file that an SLO file stands for.

use anyhow::{Context as _, bail};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet slo expand slo.yml > slo-rules.yml
  parapet slo expand sloth.yml openslo.yml

prometheus.yml may name SLO files in rule_files as they are; this shows what they come to.")]
pub(crate) struct Arguments {
    /// SLO files: Parapet's, Sloth's or OpenSLO's
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Prints each file's rules as a YAML document.
#[allow(clippy::print_stdout)]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    for (number, file) in arguments.files.iter().enumerate() {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        let Some(rules) = parapet_rules::slo::expand(&name, &text)? else {
            bail!("{name} is no SLO file: it has neither slos nor an apiVersion of OpenSLO or Sloth");
        };
        // What comes out must be what a server takes.
        parapet_rules::parse(&name, &rules)?;
        if number > 0 {
            println!("---");
        }
        print!("{rules}");
    }
    Ok(())
}
