//! Secrets of AWS: read, kept, renewed; and pages that need them.

use crate::world::{START_MS, World, firing, status};
use bytes::Bytes;
use parapet_notifier::{AwsSecrets, Notifier, Outlets, Settings};
use parapet_ports::{Clock, Error, FixedClock, Http, HttpRequest, HttpResponse, Kind, NoSecrets, Ports, Secrets};
use parapet_receivers::{AwsCredentials, AwsPost, sign};
use parapet_routing::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Secrets Manager and Parameter Store: answers as AWS documents, and only to those who sign.
#[derive(Debug)]
struct Aws {
    clock: Arc<FixedClock>,
    /// Secrets by name, parameters with a `/` before theirs; `None` for one that may not be read.
    secrets: Mutex<BTreeMap<String, Option<String>>>,
    away: Mutex<bool>,
    /// The URL and the name of each question.
    asked: Mutex<Vec<(String, String)>>,
}

fn credentials() -> AwsCredentials {
    AwsCredentials {
        access_key: "AKID".to_owned(),
        secret_key: Secret::new("key"),
        session_token: Some(Secret::new("token")),
        region: "eu-west-1".to_owned(),
        endpoint_url: None,
    }
}

impl Aws {
    fn set(&self, name: &str, value: &str) {
        self.secrets
            .lock()
            .unwrap()
            .insert(name.to_owned(), Some(value.to_owned()));
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn answer(&self, request: &HttpRequest) -> (u16, Value) {
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap());
        let target = header("x-amz-target").unwrap();
        let (service, _) = request.url.strip_prefix("https://").unwrap().split_once('.').unwrap();
        let region = request.url.split('.').nth(1).unwrap();
        let post = AwsPost {
            service,
            region,
            url: &request.url,
            content_type: header("content-type").unwrap(),
            target: Some(target),
            body: &request.body,
        };
        for (name, value) in sign(&credentials(), &post, self.clock.now_ms()).unwrap() {
            assert_eq!(
                header(&name),
                Some(value.expose()),
                "{name} is not as the signer has it"
            );
        }
        let question: Value = serde_json::from_slice(&request.body).unwrap();
        let name = match (service, target) {
            ("secretsmanager", "secretsmanager.GetSecretValue") => question["SecretId"].as_str().unwrap(),
            ("ssm", "AmazonSSM.GetParameter") => {
                assert_eq!(question["WithDecryption"], true);
                question["Name"].as_str().unwrap()
            }
            other => panic!("{other:?}"),
        };
        self.asked.lock().unwrap().push((request.url.clone(), name.to_owned()));
        let value = match self.secrets.lock().unwrap().get(name) {
            Some(Some(value)) => value.clone(),
            Some(None) => {
                let message = format!("User: arn:aws:sts::1:assumed-role/notifier is not authorized to read {name}");
                return (400, json!({"__type": "AccessDeniedException", "Message": message}));
            }
            None if service == "ssm" => return (400, json!({"__type": "ParameterNotFound"})),
            None => {
                let message = "Secrets Manager can't find the specified secret.";
                return (400, json!({"__type": "ResourceNotFoundException", "Message": message}));
            }
        };
        match service {
            "ssm" => (
                200,
                json!({"Parameter": {"Name": name, "Type": "SecureString", "Value": value}}),
            ),
            _ => (
                200,
                json!({"Name": name, "SecretString": value, "VersionStages": ["AWSCURRENT"]}),
            ),
        }
    }
}

#[async_trait::async_trait]
impl Http for Aws {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        if *self.away.lock().unwrap() {
            return Err(Error::new(Kind::Unavailable, "connection refused"));
        }
        let (code, body) = self.answer(&request);
        Ok(HttpResponse {
            body: Bytes::from(body.to_string()),
            ..status(code)?
        })
    }
}

/// AWS, and what reads it for a notifier on these ports, keeping secrets for five minutes.
fn aws(ports: &Ports, clock: &Arc<FixedClock>) -> (Arc<Aws>, Arc<dyn Secrets>) {
    let aws = Arc::new(Aws {
        clock: clock.clone(),
        secrets: Mutex::default(),
        away: Mutex::default(),
        asked: Mutex::default(),
    });
    let ports = Ports {
        http: aws.clone(),
        ..ports.clone()
    };
    let secrets = AwsSecrets::behind(Arc::new(NoSecrets), &ports, Some(credentials()), 300_000);
    (aws, secrets)
}

/// A world whose notifier reads secrets of AWS.
fn world(alertmanager: &str) -> (World, Arc<Aws>) {
    let mut world = World::new(alertmanager);
    let (aws, secrets) = aws(&world.ports, &world.memory.clock);
    world.notifier = Notifier::new(world.ports.clone(), Settings::default()).with_outlets(Outlets {
        secrets,
        ..Outlets::default()
    });
    (world, aws)
}

#[tokio::test]
async fn names_and_arns_go_where_they_belong() {
    let world = World::new("route: {receiver: r}\nreceivers: [{name: r}]");
    let (aws, secrets) = aws(&world.ports, &world.memory.clock);
    let arn = "arn:aws:secretsmanager:us-east-2:1:secret:other-AbCdEf";
    let parameter = "arn:aws:ssm:us-east-2:1:parameter/plain";
    for name in ["parapet/slack", "/parapet/slack", arn, parameter] {
        aws.set(name, &format!("value of {name}"));
        assert_eq!(secrets.named(name).await.unwrap(), format!("value of {name}"));
    }
    let hosts: Vec<String> = aws.asked.lock().unwrap().iter().map(|(url, _)| url.clone()).collect();
    assert_eq!(
        hosts,
        [
            "https://secretsmanager.eu-west-1.amazonaws.com/",
            "https://ssm.eu-west-1.amazonaws.com/",
            "https://secretsmanager.us-east-2.amazonaws.com/",
            "https://ssm.us-east-2.amazonaws.com/",
        ]
    );
    let error = secrets.named("arn:aws:s3:::bucket").await.unwrap_err().to_string();
    assert!(
        error.contains("secret://arn:aws:s3:::bucket is the ARN of neither"),
        "{error}"
    );
}

#[tokio::test]
async fn a_secret_is_kept_renewed_and_outlives_an_outage() {
    let world = World::new("route: {receiver: r}\nreceivers: [{name: r}]");
    let clock = &world.memory.clock;
    let (aws, secrets) = aws(&world.ports, clock);
    aws.set("s", "first");
    for _ in 0..3 {
        assert_eq!(secrets.named("s").await.unwrap(), "first");
    }
    assert_eq!(aws.asked(), 1);
    aws.set("s", "second");
    clock.advance_ms(299_999);
    assert_eq!(secrets.named("s").await.unwrap(), "first");
    clock.advance_ms(1);
    assert_eq!(secrets.named("s").await.unwrap(), "second");
    aws.set("s", "third");
    secrets.forget("s");
    assert_eq!(secrets.named("s").await.unwrap(), "third");
    assert_eq!(aws.asked(), 3);
    // AWS is away: what is known serves on, what is not is an error that may pass.
    *aws.away.lock().unwrap() = true;
    clock.advance_ms(3_600_000);
    assert_eq!(secrets.named("s").await.unwrap(), "third");
    let error = secrets.named("unknown").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("secret://unknown: cannot reach Secrets Manager in eu-west-1"),
        "{error}"
    );
    // A secret that was deleted is not served on.
    *aws.away.lock().unwrap() = false;
    aws.secrets.lock().unwrap().clear();
    let error = secrets.named("s").await.unwrap_err().to_string();
    assert!(
        error.contains("nothing under this name (ResourceNotFoundException)"),
        "{error}"
    );
}

const WEBHOOK: &str = "
route: {receiver: ops, group_wait: 30s, group_interval: 2m}
receivers: [{name: ops, webhook_configs: [{url: 'http://hook.example/',
  http_config: {authorization: {credentials: 'secret://parapet/hook#token'}}}]}]
";

#[tokio::test]
async fn a_page_waits_for_a_secret_that_is_missing_or_denied() {
    let (mut world, aws) = world(&WEBHOOK.replace("group_interval: 2m", "group_interval: 5m"));
    world.answer(|request, _| {
        assert_eq!(request.headers["authorization"], "Bearer t1");
        status(200)
    });
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.run_until(START_MS + 45_000).await;
    aws.secrets.lock().unwrap().insert("parapet/hook".to_owned(), None);
    world.run_until(START_MS + 90_000).await;
    aws.set("parapet/hook", "no JSON at all");
    world.run_until(START_MS + 120_000).await;
    assert_eq!((world.calls().len(), world.log.len()), (0, 0));
    aws.set("parapet/hook", r#"{"token":"t1","other":"x"}"#);
    world.run_until(START_MS + 200_000).await;
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn a_rotated_secret_loses_no_page() {
    let (mut world, aws) = world(WEBHOOK);
    let valid = Arc::new(Mutex::new("t1".to_owned()));
    let tries = Arc::new(Mutex::new(0));
    let (expected, counted) = (valid.clone(), tries.clone());
    world.answer(move |request, _| {
        *counted.lock().unwrap() += 1;
        let good = request.headers["authorization"].to_str().unwrap() == format!("Bearer {}", expected.lock().unwrap());
        status(if good { 200 } else { 401 })
    });
    aws.set("parapet/hook", r#"{"token":"t1"}"#);
    let alerts = |names: &[&str]| {
        names
            .iter()
            .map(|name| firing(name, START_MS, START_MS + 300_000))
            .collect()
    };
    world.post(alerts(&["a"])).await;
    world.run_until(START_MS + 60_000).await;
    assert_eq!((world.calls().len(), aws.asked()), (1, 1));
    // Rotated, while the old one is kept; the receiver takes the new one alone.
    aws.set("parapet/hook", r#"{"token":"t2"}"#);
    "t2".clone_into(&mut valid.lock().unwrap());
    world.post(alerts(&["a", "b"])).await;
    world.run_until(START_MS + 155_000).await;
    assert_eq!((world.calls().len(), *tries.lock().unwrap()), (2, 3));
    assert!(world.log.is_empty(), "{:?}", world.log);
    // Refused with the newest secret: that is for good, as it would be with any other.
    "t3".clone_into(&mut valid.lock().unwrap());
    world.post(alerts(&["a", "b", "c"])).await;
    world.run_until(START_MS + 275_000).await;
    assert_eq!((world.calls().len(), *tries.lock().unwrap()), (2, 4));
    assert!(world.log[0].contains("unexpected status code 401"), "{:?}", world.log);
}
