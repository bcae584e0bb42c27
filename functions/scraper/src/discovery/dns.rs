//! `dns_sd_configs`: which name servers are asked, in which order, and what counts as an answer.

use super::ask::{Answered, Asking};
use parapet_config::DnsSd;
use parapet_discovery::dns::{self, Record, Reply, Resolver};
use parapet_ports::{Error, Kind};
use std::net::SocketAddr;
use std::time::Duration;

/// For one answer of one server (Go's `miekg/dns`).
const TIMEOUT: Duration = Duration::from_secs(2);

impl Asking<'_> {
    /// A name of which no server can say whether it is there keeps the targets that it had.
    pub(super) async fn dns(&self, config: &DnsSd) -> Result<Answered, Error> {
        let resolver = Resolver::read(&self.dns.resolver().await?);
        let asked = config.names.iter().map(|name| self.look_up(&resolver, config, name));
        let answers = futures::future::join_all(asked).await;
        let mut answered = Answered {
            groups: Vec::new(),
            unanswered: Vec::new(),
        };
        for (name, answer) in config.names.iter().zip(answers) {
            metrics::counter!("prometheus_sd_dns_lookups_total").increment(1);
            match answer {
                Ok(records) => answered.groups.push(dns::targets(config, name, &records)),
                Err(error) => {
                    metrics::counter!("prometheus_sd_dns_lookup_failures_total").increment(1);
                    tracing::warn!(
                        name,
                        error = error.chain(),
                        "name not looked up: what it was before stands"
                    );
                    answered.unanswered.push(name.clone());
                }
            }
        }
        Ok(answered)
    }

    /// The records of the first of the names to ask for that is there; none, where every one is known not to be.
    async fn look_up(&self, resolver: &Resolver, config: &DnsSd, name: &str) -> Result<Vec<Record>, Error> {
        let mut failure = None;
        for full_name in resolver.names(name) {
            match self.ask_any(resolver, config, &full_name).await {
                Ok(Some(records)) => return Ok(records),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(Vec::new()), Err)
    }

    /// The records of a name, `None` where there is no such name, from the first server that knows.
    async fn ask_any(&self, resolver: &Resolver, config: &DnsSd, name: &str) -> Result<Option<Vec<Record>>, Error> {
        let mut failure = Error::new(Kind::Invalid, "no name server is configured");
        for server in &resolver.servers {
            match self.ask_one(*server, config, name, false).await {
                Ok(Reply::Found(records)) => return Ok(Some(records)),
                Ok(Reply::NoSuchName) => return Ok(None),
                Ok(Reply::Failed(code)) => {
                    failure = Error::new(Kind::Unavailable, format!("{server} answers {code}"));
                }
                Ok(Reply::Truncated) => {
                    failure = Error::new(Kind::Invalid, format!("{server} cuts its answer off, over TCP too"));
                }
                Err(error) => failure = error,
            }
        }
        let kind = failure.kind();
        Err(Error::new(kind, format!("could not resolve {name}")).with_source(failure))
    }

    async fn ask_one(&self, server: SocketAddr, config: &DnsSd, name: &str, over_tcp: bool) -> Result<Reply, Error> {
        let invalid = super::ask::invalid;
        let id = (self.ports.entropy.next_u64() & 0xffff) as u16;
        let question = dns::question(name, config.record, id, !over_tcp).map_err(invalid)?;
        let answer = self.dns.ask(server, over_tcp, &question, TIMEOUT).await?;
        match dns::reply(id, &answer).map_err(invalid)? {
            Reply::Truncated if !over_tcp => Box::pin(self.ask_one(server, config, name, true)).await,
            reply => Ok(reply),
        }
    }
}
