//! Secrets Manager, Parameter Store and SES on an emulator (or AWS itself).
//!
//! It runs where `PARAPET_TEST_ENDPOINT` names one, such as `http://127.0.0.1:4566`; `infra/localstack/up` starts one.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test on a real service reads its own switch and says why it is skipped"
)]

use parapet_function_kit::{ReqwestHttp, SystemClock, SystemEntropy};
use parapet_notifier::AwsSecrets;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{Clock as _, ConfigFiles, Entropy as _, Http as _, HttpOptions, HttpRequest, NoSecrets, Ports};
use parapet_receivers::{Answer, AwsCredentials, AwsPost, Context, Step, Templates, Verdict, next, sign};
use parapet_routing::{Notification, Secret, parse};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn credentials() -> Option<AwsCredentials> {
    let Ok(endpoint) = std::env::var("PARAPET_TEST_ENDPOINT") else {
        eprintln!("skipped: PARAPET_TEST_ENDPOINT names no emulator");
        return None;
    };
    Some(AwsCredentials {
        access_key: std::env::var("AWS_ACCESS_KEY_ID").unwrap_or_else(|_| "test".to_owned()),
        secret_key: Secret::new(std::env::var("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|_| "test".to_owned())),
        session_token: None,
        region: "us-east-1".to_owned(),
        endpoint_url: Some(endpoint),
    })
}

async fn send(method: http::Method, url: &str, headers: Vec<(String, Secret)>, body: Vec<u8>) -> Answer {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.insert(name, http::HeaderValue::from_str(value.expose()).unwrap());
    }
    let request = HttpRequest {
        method,
        url: url.to_owned(),
        headers: map,
        body: body.into(),
        timeout: Duration::from_secs(20),
        body_limit_bytes: 0,
        memory: None,
        options: HttpOptions::default(),
    };
    let answer = ReqwestHttp::new().unwrap().call(request).await.unwrap();
    Answer {
        status: answer.status.as_u16(),
        body: answer.body.to_vec(),
        ..Answer::default()
    }
}

/// One operation of a service that speaks JSON.
async fn operate(credentials: &AwsCredentials, service: &str, target: &str, body: serde_json::Value) {
    let (url, body) = (credentials.url(service, &credentials.region), body.to_string());
    let content_type = "application/x-amz-json-1.1";
    let post = AwsPost {
        service,
        region: &credentials.region,
        url: &url,
        content_type,
        target: Some(target),
        body: body.as_bytes(),
    };
    let mut headers = sign(credentials, &post, SystemClock.now_ms()).unwrap();
    headers.push(("Content-Type".to_owned(), Secret::new(content_type)));
    let answer = send(http::Method::POST, &url, headers, body.into_bytes()).await;
    assert_eq!(
        answer.status,
        200,
        "{target}: {}",
        String::from_utf8_lossy(&answer.body)
    );
}

#[tokio::test]
async fn reads_secrets_and_parameters() {
    let Some(credentials) = credentials() else { return };
    let ports = Ports {
        http: Arc::new(ReqwestHttp::new().unwrap()),
        clock: Arc::new(SystemClock),
        ..MemoryPorts::new(0, ConfigFiles::default()).ports
    };
    let name = format!("parapet-test/{:016x}", SystemEntropy.next_u64());
    let parameter = format!("/{name}");
    let of = |operation: &str| format!("secretsmanager.{operation}");
    let secrets = AwsSecrets::behind(Arc::new(NoSecrets), &ports, Some(credentials.clone()), 300_000);
    let error = secrets.named(&name).await.unwrap_err().to_string();
    assert!(
        error.contains(&name) && error.contains("ResourceNotFoundException"),
        "{error}"
    );
    let error = secrets.named(&parameter).await.unwrap_err().to_string();
    assert!(
        error.contains(&parameter) && error.contains("ParameterNotFound"),
        "{error}"
    );

    let made = json!({"Name": name, "SecretString": "first", "ClientRequestToken": "0".repeat(32)});
    operate(&credentials, "secretsmanager", &of("CreateSecret"), made).await;
    let put = json!({"Name": parameter, "Value": "parameter", "Type": "SecureString"});
    operate(&credentials, "ssm", "AmazonSSM.PutParameter", put).await;
    assert_eq!(secrets.named(&name).await.unwrap(), "first");
    assert_eq!(secrets.named(&parameter).await.unwrap(), "parameter");

    let rotated = json!({"SecretId": name, "SecretString": "second", "ClientRequestToken": "1".repeat(32)});
    operate(&credentials, "secretsmanager", &of("PutSecretValue"), rotated).await;
    assert_eq!(secrets.named(&name).await.unwrap(), "first");
    secrets.forget(&name);
    assert_eq!(secrets.named(&name).await.unwrap(), "second");

    let gone = json!({"SecretId": name, "ForceDeleteWithoutRecovery": true});
    operate(&credentials, "secretsmanager", &of("DeleteSecret"), gone).await;
    operate(
        &credentials,
        "ssm",
        "AmazonSSM.DeleteParameter",
        json!({"Name": parameter}),
    )
    .await;
}

#[tokio::test]
async fn sends_mail_through_ses() {
    let Some(credentials) = credentials() else { return };
    // Verified first, as SES asks: by the same protocol.
    let text = "route: {receiver: r}\nreceivers: [{name: r, email_configs: [{to: 'ops@example.org', from: 'alerts@example.org', \
                smarthost: 'email-smtp.us-east-1.amazonaws.com:587'}]}]";
    let config = parse("alertmanager.yml", text).unwrap();
    let notification = Notification {
        receiver: "r".into(),
        integration: "email/0".into(),
        group_key: "{}:{}".into(),
        ..Notification::default()
    };
    let context = Context {
        external_url: "http://parapet:9090",
        dedup_key: "00ff/email/0/17",
        templates: &Templates::parse([]).unwrap(),
        secrets: &Default::default(),
        aws: Some(&credentials),
        now_ms: SystemClock.now_ms(),
    };
    let integration = &config.receivers[0].integrations[0];
    let verify = b"Action=VerifyEmailIdentity&EmailAddress=alerts%40example.org&Version=2010-12-01".to_vec();
    let url = credentials.url("email", "us-east-1");
    let content_type = "application/x-www-form-urlencoded";
    let post = AwsPost {
        service: "ses",
        region: "us-east-1",
        url: &url,
        content_type,
        target: None,
        body: &verify,
    };
    let mut headers = sign(&credentials, &post, context.now_ms).unwrap();
    headers.push(("Content-Type".to_owned(), Secret::new(content_type)));
    assert_eq!(send(http::Method::POST, &url, headers, verify).await.status, 200);

    let Step::Call(request) = next(&notification, integration, &context, &[]).unwrap() else {
        panic!("no request");
    };
    let answer = send(http::Method::POST, request.url.expose(), request.headers, request.body).await;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(said.contains("<MessageId>"), "{said}");
    assert_eq!(
        next(&notification, integration, &context, &[answer]).unwrap(),
        Step::Done(Verdict::Sent)
    );
}
