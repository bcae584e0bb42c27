//! `parapet check`: says whether files would be accepted.

use crate::cli::CheckConfig;
use crate::run::configuration;

/// Checks configuration files and prints what they hold.
#[allow(clippy::print_stdout)]
pub(crate) fn config(files: &CheckConfig) -> anyhow::Result<()> {
    let mut loaded = configuration::from_disk(Some(&files.file), files.alertmanager.as_deref())?;
    files.beside().read_into(&mut loaded)?;
    configuration::check(&loaded, parapet_routing::Grammar::default())?;
    let config = parapet_store::configuration::prometheus(&loaded)?;
    println!("{}: ok, {} scrape jobs", loaded.prometheus.path, config.jobs.len());
    for warning in &config.warnings {
        println!("  warning: {warning}");
    }
    for file in &loaded.rules {
        let groups = parapet_rules::parse(&file.path, &file.text)?;
        let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
        println!("{}: ok, {} groups, {rules} rules", file.path, groups.len());
    }
    if let Some(file) = &loaded.alertmanager {
        println!("{}: ok", file.path);
    }
    if let Some(file) = &loaded.pipelines {
        let count = parapet_logs::pipeline::Pipelines::parse(&file.path, &file.text)?
            .names()
            .count();
        println!("{}: ok, {count} pipelines", file.path);
    }
    if let Some(file) = &loaded.probes {
        let modules = parapet_config::modules::Modules::parse(&file.path, &file.text)?;
        println!("{}: ok, {} modules of probes", file.path, modules.0.len());
    }
    if let Some(file) = &loaded.ml {
        let config = parapet_ml_exporter::configuration(file)?;
        let (prefix, checks) = (&config.prefix, config.drift.len());
        println!("{}: ok, registry {prefix}/, {checks} drift checks", file.path);
    }
    Ok(())
}
