//! [`Identity`] by the SDK's chain: variables, the shared files, web identity, the container's role, the machine's.

use aws_config::BehaviorVersion;
use aws_sdk_s3::config::ProvideCredentials as _;
use parapet_http_client::Secret;
use parapet_http_client::aws::AwsCredentials;
use parapet_ports::{Clock, Error, Identity, Kind};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tokio::sync::Mutex;

/// How much before their end credentials are asked for anew.
const MARGIN_MS: i64 = 120_000;

/// For how long credentials are used that do not say when they end: a file may have been written anew.
const TTL_MS: i64 = 300_000;

/// The chain of the process, and of profiles that are asked for.
#[derive(Debug)]
pub struct CredentialChain {
    clock: Arc<dyn Clock>,
    /// By profile, with the moment until which each is used.
    kept: Mutex<HashMap<String, (AwsCredentials, i64)>>,
}

impl CredentialChain {
    /// A chain that has not been asked yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }
}

#[async_trait::async_trait]
impl Identity for CredentialChain {
    async fn credentials(&self, profile: &str) -> Result<AwsCredentials, Error> {
        // Held while it is asked: those who wait find the answer.
        let mut kept = self.kept.lock().await;
        let now_ms = self.clock.now_ms();
        if let Some((credentials, _)) = kept.get(profile).filter(|(_, until_ms)| now_ms < *until_ms) {
            return Ok(credentials.clone());
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if !profile.is_empty() {
            loader = loader.profile_name(profile);
        }
        let config = Box::pin(loader.load()).await;
        let none = || {
            let what = "no AWS credentials in variables, profiles, or the role of this machine";
            Error::new(Kind::Unavailable, what)
        };
        let provider = config.credentials_provider().ok_or_else(none)?;
        let found = provider.provide_credentials().await;
        let found = found.map_err(|error| none().with_source(error))?;
        let ends_ms = found.expiry().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let ends_ms = ends_ms.and_then(|at| i64::try_from(at.as_millis()).ok());
        let credentials = AwsCredentials {
            access_key: found.access_key_id().to_owned(),
            secret_key: Secret::new(found.secret_access_key()),
            session_token: found.session_token().map(Secret::new),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            endpoint_url: config.endpoint_url().map(str::to_owned),
        };
        let until_ms = ends_ms.map_or(now_ms + TTL_MS, |ends_ms| ends_ms - MARGIN_MS);
        kept.insert(profile.to_owned(), (credentials.clone(), until_ms));
        Ok(credentials)
    }
}
