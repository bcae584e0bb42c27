//! What `http_config` adds to a request: credentials, headers, the way. Secrets are read when they are needed, and kept
//! for a while.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use parapet_http_client::{Connection, EnvironmentProxies, HttpClient, OAuth2, Reference, Secret, SecretSource, Token};
use parapet_ports::{Clock, Error, Http, HttpOptions, HttpRequest, Kind, Secrets};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For how long a secret that was read is used. Prometheus reads files anew for each request, which in a bucket would
/// cost as much as the request.
const SECRET_TTL_MS: i64 = 30_000;

/// A token is not used in its last seconds (`expiryDelta` of Go's oauth2).
const TOKEN_MARGIN_MS: i64 = 10_000;

/// For how long a token is used that does not say when it ends.
const TOKEN_TTL_MS: i64 = 300_000;

/// The longest answer of a token's endpoint.
const MAX_TOKEN_BYTES: u64 = 1 << 20;

/// Prepares requests, for scrapes and for discovery.
#[derive(Debug)]
pub(crate) struct Clients {
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    secrets: Arc<dyn Secrets>,
    proxies: EnvironmentProxies,
    /// With the moment until which each is used.
    read: Mutex<HashMap<Reference, (Secret, i64)>>,
    tokens: Mutex<HashMap<String, (Secret, i64)>>,
}

impl Clients {
    pub(crate) fn new(
        http: Arc<dyn Http>,
        clock: Arc<dyn Clock>,
        secrets: Arc<dyn Secrets>,
        proxies: EnvironmentProxies,
    ) -> Self {
        Self {
            http,
            clock,
            secrets,
            proxies,
            read: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    /// Adds what a client's configuration says to the headers; how the request travels.
    ///
    /// # Errors
    /// A secret that cannot be read, a token that is not given, a header that cannot be sent.
    pub(crate) async fn prepare(
        &self,
        client: &HttpClient,
        url: &str,
        timeout: Duration,
        headers: &mut HeaderMap,
    ) -> Result<HttpOptions, Error> {
        for (name, value) in &client.headers {
            add(headers, name, self.secret(value).await?.expose())?;
        }
        let authorization = if let Some((kind, credentials)) = &client.authorization {
            Some(format!("{kind} {}", self.secret(credentials).await?.expose()))
        } else if let Some((username, password)) = &client.basic_auth {
            let (username, password) = (self.secret(username).await?, self.secret(password).await?);
            let pair = format!("{}:{}", username.expose(), password.expose());
            Some(format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(pair)
            ))
        } else if let Some(oauth2) = &client.oauth2 {
            Some(self.token(oauth2, timeout).await?.expose().to_owned())
        } else {
            None
        };
        if let Some(authorization) = authorization {
            add(headers, AUTHORIZATION.as_str(), &authorization)?;
        }
        let connection = self.connection(&client.transport).await?;
        Ok(HttpOptions::of(connection, &self.proxies, url))
    }

    async fn connection(&self, transport: &parapet_http_client::Transport) -> Result<Connection, Error> {
        // What is kept elsewhere is read first: the rest of the work cannot wait.
        let tls = &transport.tls;
        let identity = tls.identity.iter().flat_map(|(cert, key)| [cert, key]);
        let others = tls.ca.iter().chain(&transport.proxy_url);
        let sources = identity
            .chain(others)
            .chain(transport.proxy_headers.iter().map(|(_, value)| value));
        let mut read = HashMap::new();
        for source in sources {
            if let SecretSource::Kept(reference) = source {
                read.insert(reference.clone(), self.secret(source).await?);
            }
        }
        Connection::of(transport, |source| match source {
            SecretSource::Text(secret) => Ok(secret.clone()),
            SecretSource::Kept(reference) => read
                .get(reference)
                .cloned()
                .ok_or_else(|| Error::new(Kind::Internal, format!("{reference} was not read"))),
        })
    }

    /// The text of a secret; white space around that of a file does not belong to it.
    pub(crate) async fn secret(&self, source: &SecretSource) -> Result<Secret, Error> {
        let reference = match source {
            SecretSource::Text(secret) => return Ok(secret.clone()),
            SecretSource::Kept(reference) => reference,
        };
        let now_ms = self.clock.now_ms();
        if let Some(secret) = fresh(&self.read, reference, now_ms) {
            return Ok(secret);
        }
        let text = match reference {
            Reference::File(path) => self.secrets.file(path).await,
            Reference::Store(name) => self.secrets.named(name).await,
        };
        let text = text.map_err(|error| {
            let kind = error.kind();
            Error::new(kind, format!("unable to read {reference}")).with_source(error)
        })?;
        let secret = Secret::new(text.trim());
        keep(&self.read, reference.clone(), &secret, now_ms + SECRET_TTL_MS);
        Ok(secret)
    }

    /// The `Authorization` header that a token's endpoint gives.
    async fn token(&self, oauth2: &OAuth2, timeout: Duration) -> Result<Secret, Error> {
        let secret = self.secret(&oauth2.client_secret).await?;
        let asked = oauth2.request(secret.expose());
        // A secret that was changed, or another scope, asks for a token of its own.
        let key = format!("{} {} {}", oauth2.token_url, asked.body, asked.headers[1].1.expose());
        let now_ms = self.clock.now_ms();
        if let Some(token) = fresh(&self.tokens, &key, now_ms) {
            return Ok(token);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &asked.headers {
            add(&mut headers, name, value.expose())?;
        }
        let connection = self.connection(&oauth2.transport).await?;
        let failed = |what: String| Error::new(Kind::Unavailable, format!("oauth2: cannot fetch token: {what}"));
        let answer = self
            .http
            .call(HttpRequest {
                method: http::Method::POST,
                url: oauth2.token_url.clone(),
                headers,
                body: Bytes::from(asked.body),
                timeout,
                body_limit_bytes: MAX_TOKEN_BYTES,
                memory: None,
                options: HttpOptions::of(connection, &self.proxies, &oauth2.token_url),
            })
            .await
            .map_err(|error| failed(error.chain()))?;
        if !answer.status.is_success() {
            return Err(failed(answer.status.to_string()));
        }
        let token = Token::read(&answer.body).ok_or_else(|| failed("the answer holds no access_token".to_owned()))?;
        let lifetime_ms = token.lifetime_ms.map_or(TOKEN_TTL_MS, |ms| ms - TOKEN_MARGIN_MS);
        keep(&self.tokens, key, &token.authorization, now_ms + lifetime_ms);
        Ok(token.authorization)
    }
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Error> {
    let invalid = || Error::new(Kind::Invalid, format!("the value of header {name} cannot be sent"));
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| invalid())?;
    value.set_sensitive(true);
    headers.append(header, value);
    Ok(())
}

fn fresh<K: std::hash::Hash + Eq>(kept: &Mutex<HashMap<K, (Secret, i64)>>, key: &K, now_ms: i64) -> Option<Secret> {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let (secret, until_ms) = kept.get(key)?;
    (now_ms < *until_ms).then(|| secret.clone())
}

fn keep<K: std::hash::Hash + Eq>(kept: &Mutex<HashMap<K, (Secret, i64)>>, key: K, secret: &Secret, until_ms: i64) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.insert(key, (secret.clone(), until_ms));
}
