//! Runs probes: blackbox_exporter's modules against a target, on request at `/probe`, and for scrapes of the process' own
//! at an address that leads to no other ([`HOST`]).
//!
//! What is sent and what answers mean is `parapet-probe`; here are the sockets, the time that things take, and the
//! addresses.
//!
//! A probe ends with its time: what it found until then is told. Nothing that a target sends is kept beyond
//! [`MAX_BODY_BYTES`].
#![warn(missing_docs)]

mod address;
mod dns;
mod grpc;
mod http;
mod icmp;
mod page;
mod scrapes;
mod tcp;
mod tls;

pub use page::router;
pub use scrapes::{HOST, WithProbes};

use parapet_config::modules::{self, Modules};
use parapet_http_client::{Secret, SecretSource};
use parapet_ports::{ConfigSource, Entropy, Error, Kind, Secrets};
use parapet_probe::Report;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most of a body that is kept to be matched, and the most of a line, bytes.
pub const MAX_BODY_BYTES: u64 = 64 << 20;

/// Runs the modules of the configuration.
#[derive(Debug)]
pub struct Prober {
    config: Arc<dyn ConfigSource>,
    /// The modules of a version of the configuration.
    parsed: Mutex<Option<(String, Arc<Modules>)>>,
    secrets: Arc<dyn Secrets>,
    entropy: Arc<dyn Entropy>,
}

/// What a probe is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is probed.
    pub target: &'a str,
    /// The name to ask the target for, where that is not in `target`; empty for none.
    pub hostname: &'a str,
    /// For all of it.
    pub timeout: Duration,
}

impl Prober {
    /// A prober of the modules of a configuration, whose secrets `secrets` reads.
    #[must_use]
    pub fn new(config: Arc<dyn ConfigSource>, secrets: Arc<dyn Secrets>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            config,
            parsed: Mutex::default(),
            secrets,
            entropy,
        }
    }

    /// The modules as they are now; `None` where there is no file of them.
    ///
    /// # Errors
    /// Where the configuration cannot be had, or the file does not read: with the place.
    pub async fn modules(&self) -> Result<Option<Arc<Modules>>, Error> {
        let files = self.config.current().await?;
        let Some(file) = &files.probes else { return Ok(None) };
        let lock = || self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone().filter(|(version, _)| *version == files.version);
        if let Some((_, modules)) = known {
            return Ok(Some(modules));
        }
        let modules = Modules::parse(&file.path, &file.text)
            .map_err(|error| Error::new(Kind::Invalid, "the modules of probes do not read").with_source(error))?;
        let modules = Arc::new(modules);
        *lock() = Some((files.version.clone(), modules.clone()));
        Ok(Some(modules))
    }

    /// Probes a target.
    pub async fn probe(&self, module: &modules::Module, question: Question<'_>) -> Report {
        let mut report = Report::default();
        report.gauge("probe_success", "Displays whether or not the probe was a success");
        report.gauge(
            "probe_duration_seconds",
            "Returns how long the probe took to complete in seconds",
        );
        let started = Instant::now();
        let ended = tokio::time::timeout(question.timeout, self.run(module, question, &mut report)).await;
        if ended.is_err() {
            if matches!(module.prober, modules::Prober::Grpc(_)) {
                parapet_probe::grpc::tell(&mut report, parapet_probe::grpc::DEADLINE_EXCEEDED, None);
            }
            report.say(format!("The probe did not end in {:?}", question.timeout));
        }
        report.set("probe_duration_seconds", started.elapsed().as_secs_f64());
        report.set("probe_success", f64::from(u8::from(ended.unwrap_or(false))));
        report
    }

    async fn run(&self, module: &modules::Module, question: Question<'_>, report: &mut Report) -> bool {
        let (target, hostname) = (question.target, question.hostname);
        match &module.prober {
            modules::Prober::Http(module) => Box::pin(http::probe(self, module, target, hostname, report)).await,
            modules::Prober::Tcp(module) => Box::pin(tcp::probe(self, module, target, hostname, report)).await,
            modules::Prober::Icmp(module) => icmp::probe(self, module, target, report).await,
            modules::Prober::Dns(module) => Box::pin(dns::probe(self, module, target, report)).await,
            modules::Prober::Grpc(module) => Box::pin(grpc::probe(self, module, target, report)).await,
        }
    }

    async fn secret(&self, source: &SecretSource) -> Result<Secret, Error> {
        use parapet_http_client::Reference;
        let text = match source {
            SecretSource::Text(secret) => return Ok(secret.clone()),
            SecretSource::Kept(Reference::File(path)) => self.secrets.file(path).await?,
            SecretSource::Kept(Reference::Store(name)) => self.secrets.named(name).await?,
        };
        Ok(Secret::new(text.trim()))
    }
}

/// `host:port` as Go splits it: the port has to be there.
fn split(target: &str) -> Option<(&str, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return None;
    }
    Some((bare.unwrap_or(host), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn hosts_and_ports() {
        for (target, want) in [
            ("a:1", Some(("a", 1))),
            ("[::1]:2", Some(("::1", 2))),
            ("::1:2", None),
            ("a", None),
            ("a:x", None),
            ("a:70000", None),
        ] {
            assert_eq!(split(target), want, "{target}");
        }
    }
}
