//! `parapet run`: every function in one process, on the embedded storage or on AWS.

pub(crate) mod configuration;
mod greeting;
mod host;
mod presence;
mod pump;
pub(crate) mod query_flags;
mod self_metrics;
mod syslog;
pub(crate) mod syslog_flags;
mod ticker;
mod web;

use crate::cli::{LogFormat, RunOptions};
use anyhow::Context as _;
use configuration::{Beside, Configuration, Origin};
use parapet_function_kit::{LogFormat as Format, ProcessVars, init_logs};
use parapet_ports::Vars as _;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Runs until SIGTERM or Ctrl-C.
pub(crate) fn run(options: RunOptions) -> anyhow::Result<()> {
    let format = match options.log_format {
        LogFormat::Logfmt => Format::Text,
        LogFormat::Json => Format::Json,
    };
    bound_arenas();
    let open_files = raise_open_files();
    init_logs(&ProcessVars, format, &options.log_level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(options, open_files))
}

/// Lets this process have as many open files as the system lets it, as Go's runtime does for Prometheus: each scrape
/// under way is one. How many that is.
fn raise_open_files() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024)
}

/// Starts this program anew, as the same process, with at most two arenas of glibc's allocator, unless
/// `MALLOC_ARENA_MAX` says otherwise. Encoding and decoding moves between many threads; by default each keeps an arena
/// of its own, and memory grows to more than twice of what is used (docs/benchmarks.md). glibc reads it at start only.
#[cfg(target_env = "gnu")]
fn bound_arenas() {
    use std::os::unix::process::CommandExt as _;
    const VARIABLE: &str = "MALLOC_ARENA_MAX";
    if ProcessVars.get(VARIABLE).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        // This returns only where it fails; then the process goes on as it is.
        let _ = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(VARIABLE, "2")
            .exec();
    }
}

#[cfg(not(target_env = "gnu"))]
fn bound_arenas() {}

async fn serve(mut options: RunOptions, open_files: u64) -> anyhow::Result<()> {
    let grammar = match options.alertmanager_grammar {
        Some(grammar) => grammar,
        None => parapet_notifier::Settings::from_vars(&ProcessVars)?.grammar,
    };
    options.alertmanager_grammar = Some(grammar);
    let origin = match (&options.config_file, &options.alertmanager_config_file) {
        (None, None) => Origin::Demo(options.listen_address),
        (prometheus, alertmanager) => Origin::Disk {
            prometheus: prometheus.clone(),
            alertmanager: alertmanager.clone(),
        },
    };
    options.query.warn();
    let is_demo = matches!(origin, Origin::Demo(_));
    let configuration = Arc::new(Configuration::load(
        origin,
        Beside {
            pipelines: options.pipelines_config_file.clone(),
            probes: options.probe_config_file.clone(),
            ml: options.ml_config_file.clone(),
        },
        grammar,
    )?);
    let metrics = self_metrics::install()?;
    // The address is taken before the storage: a second start on the same address says so, and touches nothing.
    let listener = tokio::net::TcpListener::bind(options.listen_address)
        .await
        .with_context(|| {
            format!(
                "cannot listen on {}; choose another --web.listen-address",
                options.listen_address
            )
        })?;
    let syslog = match options.syslog.syslog_listen_address {
        Some(address) => Some(syslog::Syslog::bind(address, options.syslog.syslog_zone).await?),
        None => None,
    };
    let host = Arc::new(host::Host::open(&options, configuration.clone(), open_files).await?);

    let (stop_sender, stop) = watch::channel(false);
    let mut tasks = host.start(&stop, &metrics);
    if options.aws_endpoint_url.is_some() {
        let address = options.listen_address.to_string();
        tasks.spawn(presence::run(host.ports.clone(), address, stop.clone()));
    }
    if let Some(syslog) = syslog {
        tasks.spawn(syslog.run(host.ports.clone(), stop.clone()));
    }
    host.notice_reload().await;
    let router = web::router(&options, &host, configuration.clone(), metrics)?;
    let mut stopped = stop.clone();
    tasks.spawn(async move {
        let until = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
            tracing::error!(%error, "the web server failed");
        }
    });
    greeting::print(&options, is_demo);
    tracing::info!(address = %options.listen_address, storage = %options.storage_path.display(), "ready");

    wait_for_end(&configuration, &host).await?;
    tracing::info!("stopping: waiting for what is under way");
    let _ = stop_sender.send(true);
    while let Some(ended) = tasks.join_next().await {
        ended.context("a task of the host failed")?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C; reads the configuration again at each SIGHUP.
async fn wait_for_end(configuration: &Configuration, host: &host::Host) -> anyhow::Result<()> {
    let listen = |kind: SignalKind| -> anyhow::Result<Signal> { signal(kind).context("cannot listen for signals") };
    let (mut hangup, mut terminate, mut interrupt) = (
        listen(SignalKind::hangup())?,
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => match configuration.reload() {
                Ok(()) => {
                    tracing::info!("the configuration was read again");
                    host.reload().await;
                }
                Err(error) => tracing::error!("the old configuration stays in force: {error:#}"),
            },
        }
    }
}
