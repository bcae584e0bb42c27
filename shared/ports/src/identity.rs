//! Who a process is to the cloud that it runs in.

use crate::{Error, Kind};
use parapet_http_client::aws::AwsCredentials;

/// Finds credentials where the cloud's own tools find them: variables, profiles, the role of the machine.
#[async_trait::async_trait]
pub trait Identity: Send + Sync + std::fmt::Debug {
    /// Credentials that hold now, with the region and the endpoint that go with them; `profile` is one of the shared
    /// configuration file, or empty for the process' own. Cheap: an implementation keeps them until they expire.
    async fn credentials(&self, profile: &str) -> Result<AwsCredentials, Error>;
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoIdentity;

#[async_trait::async_trait]
impl Identity for NoIdentity {
    async fn credentials(&self, _: &str) -> Result<AwsCredentials, Error> {
        Err(Error::new(Kind::Invalid, "no AWS credentials can be had here"))
    }
}
