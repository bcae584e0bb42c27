//! From S3's errors to the object store's.

use super::STORE;
use crate::error::Refusal;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;
use object_store::Error;
use object_store::path::Path;

pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// The store's error for a call that failed after the SDK's retries.
pub(super) fn store_error<E: Refusal>(call: &'static str, key: &str, error: SdkError<E, HttpResponse>) -> Error {
    let status = status(&error);
    let code = error
        .as_service_error()
        .and_then(|refusal| refusal.code())
        .unwrap_or_default()
        .to_owned();
    let source = Box::new(CallError {
        call,
        source: Box::new(error),
    });
    let path = key.to_owned();
    match (status, code.as_str()) {
        // No object, as opposed to no bucket: the latter is a fault of set-up that must not read as "no data".
        (Some(404), code) if code != "NoSuchBucket" => Error::NotFound { path, source },
        (Some(304), _) => Error::NotModified { path, source },
        (Some(412), _) => Error::Precondition { path, source },
        (Some(403), _) => Error::PermissionDenied { path, source },
        (Some(401), _) => Error::Unauthenticated { path, source },
        _ => Error::Generic { store: STORE, source },
    }
}

/// The store's error for one key of a call that went well for others.
pub(super) fn refusal(location: &Path, code: &str, text: &str) -> Error {
    let path = location.to_string();
    let source = format!("{code}: {text}").into();
    match code {
        "NoSuchKey" => Error::NotFound { path, source },
        "AccessDenied" => Error::PermissionDenied { path, source },
        _ => Error::Generic { store: STORE, source },
    }
}

pub(super) fn unbuildable(error: aws_sdk_s3::error::BuildError) -> Error {
    Error::Generic {
        store: STORE,
        source: Box::new(error),
    }
}

/// Names the call; the SDK's own errors do not.
#[derive(Debug)]
struct CallError {
    call: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} failed", self.call)
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}
