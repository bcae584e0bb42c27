//! The process's own clock, randomness and environment: the one place that asks for them.

use crate::ReqwestHttp;
use parapet_ports::{Clock, Entropy, Error, Objects, Ports, Queues, Table, Vars};
use parapet_store::configuration::BucketConfig;
use std::sync::Arc;

/// The wall clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // The owner of this call.
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The machine's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}

/// The environment of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessVars;

impl Vars for ProcessVars {
    #[allow(clippy::disallowed_methods)] // The owner of this call.
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// The ports of a function in the cloud: those of the adapter, and this process's own. The configuration is in the bucket.
///
/// # Errors
/// [`parapet_ports::Kind::Internal`] where the HTTP client cannot be set up.
pub fn process_ports(objects: Objects, queues: Arc<dyn Queues>, table: Arc<dyn Table>) -> Result<Ports, Error> {
    let clock = Arc::new(SystemClock);
    Ok(Ports {
        config: Arc::new(BucketConfig::new(objects.clone(), clock.clone(), Arc::new(ProcessVars))),
        objects,
        queues,
        table,
        http: Arc::new(ReqwestHttp::new()?),
        clock,
        entropy: Arc::new(SystemEntropy),
    })
}
