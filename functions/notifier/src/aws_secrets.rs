//! `secret://` references to AWS Secrets Manager and to Parameter Store.

use parapet_ports::{Clock, Error, Http, HttpOptions, HttpRequest, Kind, Ports, Secrets};
use parapet_receivers::{AwsCredentials, AwsPost, sign};
use parapet_routing::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For one read; a page waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A secret is at most 64 KiB.
const ANSWER_LIMIT_BYTES: u64 = 256 * 1024;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Secrets of AWS behind those that are nearer: what the nearer ones know is taken from there.
///
/// A name that begins with `/` is a parameter of Parameter Store, any other a secret of Secrets Manager; an ARN is
/// either, in its own region. What was read is kept for a time, so that a storm of pages asks once and not for each.
/// [`Secrets::forget`] ends that early: it is called when a receiver refuses what a kept secret made, which is how a
/// secret looks that was rotated. While AWS cannot be reached, what was read before serves on.
#[derive(Debug)]
pub struct AwsSecrets {
    nearer: Arc<dyn Secrets>,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    credentials: AwsCredentials,
    ttl_ms: i64,
    kept: Mutex<BTreeMap<String, Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    secret: Secret,
    /// Not asked for before this, milliseconds since the Unix epoch.
    fresh_until_ms: i64,
}

/// One of the two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    SecretsManager,
    ParameterStore,
}

impl Service {
    /// Its name in addresses and signatures, and as people know it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::SecretsManager => ("secretsmanager", "Secrets Manager"),
            Self::ParameterStore => ("ssm", "Parameter Store"),
        }
    }

    fn of(name: &str) -> Result<(Self, Option<&str>), Error> {
        let Some(arn) = name.strip_prefix("arn:") else {
            let parameter = name.starts_with('/');
            return Ok((
                if parameter {
                    Self::ParameterStore
                } else {
                    Self::SecretsManager
                },
                None,
            ));
        };
        let mut parts = arn.split(':').skip(1);
        match (parts.next(), parts.next()) {
            (Some("secretsmanager"), Some(region)) => Ok((Self::SecretsManager, Some(region))),
            (Some("ssm"), Some(region)) => Ok((Self::ParameterStore, Some(region))),
            _ => Err(Error::new(
                Kind::Invalid,
                format!("secret://{name} is the ARN of neither a secret nor a parameter"),
            )),
        }
    }

    fn question(self, name: &str) -> (&'static str, Value) {
        match self {
            Self::SecretsManager => ("secretsmanager.GetSecretValue", json!({"SecretId": name})),
            Self::ParameterStore => ("AmazonSSM.GetParameter", json!({"Name": name, "WithDecryption": true})),
        }
    }

    fn value(self, answer: &Value) -> Option<&str> {
        match self {
            Self::SecretsManager => answer["SecretString"].as_str(),
            Self::ParameterStore => answer["Parameter"]["Value"].as_str(),
        }
    }
}

impl AwsSecrets {
    /// `nearer`, and AWS behind it where there is somebody to sign for it. `ttl_ms` is for how long a secret is kept.
    #[must_use]
    pub fn behind(
        nearer: Arc<dyn Secrets>,
        ports: &Ports,
        credentials: Option<AwsCredentials>,
        ttl_ms: i64,
    ) -> Arc<dyn Secrets> {
        match credentials {
            None => nearer,
            Some(credentials) => Arc::new(Self {
                nearer,
                http: ports.http.clone(),
                clock: ports.clock.clone(),
                credentials,
                ttl_ms,
                kept: Mutex::default(),
            }),
        }
    }

    fn kept(&self, name: &str) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(name).cloned()
    }

    fn keep(&self, name: &str, secret: &str) {
        let kept = Kept {
            secret: Secret::new(secret),
            fresh_until_ms: self.clock.now_ms() + self.ttl_ms,
        };
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), kept);
    }

    async fn ask(&self, name: &str) -> Result<String, Error> {
        let (service, region) = Service::of(name)?;
        let region = region.unwrap_or(&self.credentials.region);
        let (host, service_name) = service.names();
        let (target, question) = service.question(name);
        let (url, body) = (self.credentials.url(host, region), question.to_string());
        let post = AwsPost {
            service: host,
            region,
            url: &url,
            content_type: CONTENT_TYPE,
            target: Some(target),
            body: body.as_bytes(),
        };
        let invalid = || Error::new(Kind::Invalid, format!("secret://{name} cannot be asked for"));
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(CONTENT_TYPE));
        for (name, value) in sign(&self.credentials, &post, self.clock.now_ms()).ok_or_else(invalid)? {
            let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            let mut value = http::HeaderValue::from_str(value.expose()).map_err(|_| invalid())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let request = HttpRequest {
            method: http::Method::POST,
            url: url.clone(),
            headers,
            body: body.into(),
            timeout: TIMEOUT,
            body_limit_bytes: ANSWER_LIMIT_BYTES,
            memory: None,
            options: HttpOptions::default(),
        };
        let answer = self.http.call(request).await.map_err(|error| {
            let message = format!("secret://{name}: cannot reach {service_name} in {region}");
            Error::new(Kind::Unavailable, message).with_source(error)
        })?;
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status.is_success() {
            return service.value(&document).map(str::to_owned).ok_or_else(|| {
                let message = format!("secret://{name}: {service_name} holds no text under this name");
                Error::new(Kind::Invalid, message)
            });
        }
        Err(refused(name, service_name, region, answer.status, &document))
    }
}

/// What an answer says that holds no secret.
fn refused(name: &str, service: &str, region: &str, status: http::StatusCode, document: &Value) -> Error {
    let field = |name: &str| document[name].as_str();
    let code = field("__type").or_else(|| field("code")).unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let said = field("message").or_else(|| field("Message")).unwrap_or_default();
    let told = match code {
        "ResourceNotFoundException" | "ParameterNotFound" => {
            return Error::new(
                Kind::Invalid,
                format!("secret://{name}: {service} in {region} has nothing under this name ({code})"),
            );
        }
        "" => format!("answered {status}"),
        _ => format!("answered {code}: {said}"),
    };
    let hint = match code {
        "AccessDeniedException" | "AccessDenied" => "; the function's role may read names that begin with SecretPrefix",
        _ => "",
    };
    let away = status.is_server_error() || status.as_u16() == 429 || code.starts_with("Throttl");
    let kind = if away { Kind::Unavailable } else { Kind::Invalid };
    Error::new(kind, format!("secret://{name}: {service} in {region} {told}{hint}"))
}

#[async_trait::async_trait]
impl Secrets for AwsSecrets {
    async fn file(&self, path: &str) -> Result<String, Error> {
        self.nearer.file(path).await
    }

    async fn named(&self, name: &str) -> Result<String, Error> {
        let near = match self.nearer.named(name).await {
            Ok(secret) => return Ok(secret),
            Err(near) => near,
        };
        let kept = self.kept(name);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.fresh_until_ms > self.clock.now_ms()) {
            return Ok(kept.secret.expose().to_owned());
        }
        match (self.ask(name).await, kept) {
            (Ok(secret), _) => {
                self.keep(name, &secret);
                Ok(secret)
            }
            (Err(error), Some(kept)) if error.kind() == Kind::Unavailable => {
                tracing::warn!(error = error.chain(), "the secret as it was read before serves on");
                Ok(kept.secret.expose().to_owned())
            }
            (Err(error), _) => {
                let message = format!("{}; nor is it nearer: {near}", error.chain());
                Err(Error::new(error.kind(), message))
            }
        }
    }

    fn forget(&self, name: &str) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = all.get_mut(name) {
            kept.fresh_until_ms = i64::MIN;
        }
    }
}
