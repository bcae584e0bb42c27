//! Where the API server is and how it is reached.

use base64::Engine as _;
use parapet_http_client::{HttpClient, Reference, Secret, SecretSource};
use serde::Deserialize;
use std::path::Path;

/// A server and the client for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Its address.
    pub server: String,
    /// How it is reached.
    pub client: HttpClient,
    /// The namespace that a pod's own account is of, or the context's.
    pub namespace: Option<SecretSource>,
}

/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Access {
    /// As a pod of the cluster: `host` and `port` are the variables `KUBERNETES_SERVICE_HOST` and `…_PORT`.
    #[must_use]
    pub fn in_cluster(host: &str, port: &str) -> Self {
        let file = |name: &str| SecretSource::Kept(Reference::File(format!("{ACCOUNT}/{name}")));
        let mut client = HttpClient {
            authorization: Some(("Bearer".to_owned(), file("token"))),
            ..HttpClient::default()
        };
        client.transport.tls.ca = Some(file("ca.crt"));
        Self {
            server: format!("https://{}", crate::join_host_port(host, port)),
            client,
            namespace: Some(file("namespace")),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Kubeconfig {
    current_context: String,
    clusters: Vec<Named<ClusterEntry>>,
    contexts: Vec<Named<ContextEntry>>,
    users: Vec<Named<UserEntry>>,
}

#[derive(Debug, Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "cluster", alias = "context", alias = "user")]
    entry: Option<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct ClusterEntry {
    server: String,
    certificate_authority: String,
    certificate_authority_data: String,
    insecure_skip_tls_verify: bool,
    tls_server_name: String,
    proxy_url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct ContextEntry {
    cluster: String,
    user: String,
    namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct UserEntry {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    username: String,
    password: String,
    exec: Option<serde_json::Value>,
    auth_provider: Option<serde_json::Value>,
}

/// The access that a kubeconfig file gives by its current context. Files are named from its own directory.
///
/// # Errors
/// What of it cannot be used: no such context, or a user that another program has to speak for.
pub fn kubeconfig(path: &str, text: &str) -> Result<Access, String> {
    let read: Kubeconfig =
        serde_saphyr::from_str(text).map_err(|error| format!("{path}: {}", error.without_snippet()))?;
    let missing = |what: &str, name: &str| format!("{path}: there is no {what} {}", parapet_model::quote(name));
    let context = named(&read.contexts, &read.current_context);
    let context = context.ok_or_else(|| missing("context", &read.current_context))?;
    let cluster = named(&read.clusters, &context.cluster).ok_or_else(|| missing("cluster", &context.cluster))?;
    if cluster.server.is_empty() {
        return Err(format!("{path}: the cluster has no server"));
    }
    let nobody = UserEntry::default();
    let user = match context.user.as_str() {
        "" => &nobody,
        name => named(&read.users, name).ok_or_else(|| missing("user", name))?,
    };
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err(format!(
            "{path}: exec and auth-provider of a user are not supported; give the user a token, tokenFile or certificate"
        ));
    }
    let directory = Path::new(path).parent().unwrap_or(Path::new(""));
    let file = |name: &str| SecretSource::Kept(Reference::File(directory.join(name).to_string_lossy().into_owned()));
    // As in kubectl, data wins over a file.
    let either = |data: &str, name: &str| match (data, name) {
        ("", "") => Ok(None),
        ("", name) => Ok(Some(file(name))),
        (data, _) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(data.trim());
            let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| format!("{path}: a certificate or key is not PEM in base64"))?;
            Ok::<_, String>(Some(SecretSource::Text(Secret::new(text))))
        }
    };
    let mut client = HttpClient::default();
    let tls = &mut client.transport.tls;
    tls.ca = either(&cluster.certificate_authority_data, &cluster.certificate_authority)?;
    tls.insecure_skip_verify = cluster.insecure_skip_tls_verify;
    tls.server_name.clone_from(&cluster.tls_server_name);
    let certificate = either(&user.client_certificate_data, &user.client_certificate)?;
    tls.identity = certificate.zip(either(&user.client_key_data, &user.client_key)?);
    client.transport.proxy_url = Some(SecretSource::new(&*cluster.proxy_url)).filter(|url| !url.is_empty());
    if !user.token_file.is_empty() {
        client.authorization = Some(("Bearer".to_owned(), file(&user.token_file)));
    } else if !user.token.is_empty() {
        client.authorization = Some(("Bearer".to_owned(), SecretSource::Text(Secret::new(&*user.token))));
    } else if !user.username.is_empty() {
        let secret = |text: &str| SecretSource::Text(Secret::new(text));
        client.basic_auth = Some((secret(&user.username), secret(&user.password)));
    }
    Ok(Access {
        server: cluster.server.clone(),
        client,
        namespace: Some(SecretSource::Text(Secret::new(&*context.namespace))).filter(|name| !name.is_empty()),
    })
}

fn named<'a, T>(entries: &'a [Named<T>], name: &str) -> Option<&'a T> {
    entries.iter().find(|entry| entry.name == name)?.entry.as_ref()
}
