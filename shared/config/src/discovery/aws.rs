//! Discovery in services of AWS.

use super::{Discovery, Mechanism, discovery, interval, texts};
use crate::error::Fault;
use crate::fields::Fields;
use crate::http_client::{self, Secrets};
use crate::yaml::Node;
use parapet_http_client::SecretSource;
use parapet_model::quote;

/// A service whose machines, tasks or instances are targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names of AWS.
pub enum AwsRole {
    Ec2,
    Ecs,
    Lightsail,
    CloudMap,
}

impl AwsRole {
    /// Its name in the configuration, without `_sd_configs`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Ecs => "ecs",
            Self::Lightsail => "lightsail",
            Self::CloudMap => "cloudmap",
        }
    }
}

/// Who asks, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsAccess {
    /// The region; empty for the one of the process.
    pub region: String,
    /// The URL of the service; empty for the one of the region.
    pub endpoint: String,
    /// A key of its own; both empty for the credentials of the process.
    pub access_key: String,
    /// The secret half of it.
    pub secret_key: SecretSource,
    /// A profile of the shared configuration file; empty for the process' own.
    pub profile: String,
    /// The role that is assumed to ask; empty for none.
    pub role_arn: String,
    /// Sent with the request for the role.
    pub external_id: String,
}

/// An element of `ec2_sd_configs`, `ecs_sd_configs`, `lightsail_sd_configs`, `cloudmap_sd_configs` or
/// `aws_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSd {
    /// What becomes targets.
    pub role: AwsRole,
    /// Who asks, and where.
    pub access: AwsAccess,
    /// The port of every target; of those of Cloud Map that name none themselves.
    pub port: u16,
    /// Of EC2: filters of `DescribeInstances`.
    pub filters: Vec<(String, Vec<String>)>,
    /// Of ECS: the clusters, by ARN or name; every one, where none is named.
    pub clusters: Vec<String>,
    /// Of ECS: how many requests are under way at one time.
    pub request_concurrency: usize,
    /// Of Cloud Map: the namespaces and services by name; every one, where none is named.
    pub namespaces: Vec<String>,
    /// Of Cloud Map, likewise.
    pub services: Vec<String>,
}

const OWN: [&str; 9] = [
    "endpoint",
    "region",
    "access_key",
    "secret_key",
    "profile",
    "role_arn",
    "external_id",
    "refresh_interval",
    "port",
];

pub(super) fn read(section: &str, node: &Node, secrets: &mut Secrets<'_>) -> Result<Discovery, Fault> {
    let further: &[&str] = match section {
        "ec2_sd_configs" => &["filters"],
        "ecs_sd_configs" => &["clusters", "request_concurrency"],
        "cloudmap_sd_configs" => &["namespaces", "services"],
        "aws_sd_configs" => &["role", "filters", "clusters"],
        _ => &[],
    };
    let known = [&OWN[..], further, &http_client::FIELDS].concat();
    let fields = Fields::read(node, section, &known, &[])?;
    let role = match section {
        "ec2_sd_configs" => AwsRole::Ec2,
        "ecs_sd_configs" => AwsRole::Ecs,
        "lightsail_sd_configs" => AwsRole::Lightsail,
        "cloudmap_sd_configs" => AwsRole::CloudMap,
        _ => role(&fields)?,
    };
    let mut filters = Vec::new();
    for filter in fields.list("filters")? {
        let filter = Fields::read(filter, "filters", &["name", "values"], &[])?;
        let values = texts(filter.list("values")?)?;
        if values.is_empty() {
            let what = "EC2 SD configuration filter values cannot be empty";
            return Err(Fault::new(filter.at, what));
        }
        filters.push((filter.text("name")?.unwrap_or_default().to_owned(), values));
    }
    let text = |name: &str| -> Result<String, Fault> { Ok(fields.text(name)?.unwrap_or_default().to_owned()) };
    let endpoint = text("endpoint")?;
    if !endpoint.is_empty() && !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
        let what = format!(
            "endpoint {} is not a URL; write it as https://ec2.eu-west-1.amazonaws.com",
            quote(&endpoint)
        );
        return Err(Fault::new(fields.position("endpoint"), what));
    }
    let concurrency = fields.unsigned("request_concurrency")?.filter(|number| *number > 0);
    let config = AwsSd {
        role,
        access: AwsAccess {
            region: text("region")?,
            endpoint,
            access_key: text("access_key")?,
            secret_key: secrets.text(&fields, "secret_key")?,
            profile: text("profile")?,
            role_arn: text("role_arn")?,
            external_id: text("external_id")?,
        },
        port: fields.port("port")?.filter(|port| *port != 0).unwrap_or(80),
        filters,
        clusters: texts(fields.list("clusters")?)?,
        request_concurrency: concurrency.map_or(20, |number| usize::try_from(number).unwrap_or(usize::MAX)),
        namespaces: texts(fields.list("namespaces")?)?,
        services: texts(fields.list("services")?)?,
    };
    let client = http_client::read(&fields, secrets)?;
    Ok(discovery(
        Mechanism::Aws(Box::new(config)),
        client,
        interval(&fields, 60_000)?,
    ))
}

/// `role` of `aws_sd_configs`.
fn role(fields: &Fields<'_>) -> Result<AwsRole, Fault> {
    let written = fields.text("role")?.unwrap_or_default();
    let refuse = |what: String| Err(Fault::new(fields.position("role"), what));
    match written {
        "ec2" => Ok(AwsRole::Ec2),
        "ecs" => Ok(AwsRole::Ecs),
        "lightsail" => Ok(AwsRole::Lightsail),
        "elasticache" | "msk" | "rds" => refuse(format!("AWS SD role {} is not supported yet", quote(written))),
        _ => refuse(format!(
            "unknown AWS SD role {}; write ec2, ecs or lightsail",
            quote(written)
        )),
    }
}
