//! From the SDK's errors to the ports'.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use parapet_ports::{Error, Kind};

/// What a service's refusal may be: any operation's error.
pub(crate) trait Refusal: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static {}

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> Refusal for E {}

/// The port's error for a call that failed after the SDK's retries; `call` names it, as `DynamoDB Query`.
pub(crate) fn port_error<E: Refusal>(call: &str, error: SdkError<E, HttpResponse>) -> Error {
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let kind = match &error {
        SdkError::ConstructionFailure(_) => Kind::Internal,
        SdkError::ServiceError(refusal) => kind_of_refusal(refusal.err().code().unwrap_or_default(), status),
        // No answer, or none that reads: the call may or may not have happened.
        _ => Kind::Unavailable,
    };
    Error::new(kind, format!("{call} failed")).with_source(error)
}

fn kind_of_refusal(code: &str, status: u16) -> Kind {
    // Codes may have a prefix: `AWS.SimpleQueueService.NonExistentQueue`.
    match code.rsplit('.').next().unwrap_or_default() {
        "ConditionalCheckFailedException" => Kind::Conflict,
        "TransactionConflictException"
        | "TransactionInProgressException"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "Throttling"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KmsThrottled"
        | "OverLimit" => Kind::Unavailable,
        "ValidationException" | "ItemCollectionSizeLimitExceededException" => Kind::Invalid,
        "InvalidMessageContents" | "BatchRequestTooLong" | "InvalidAttributeValue" => Kind::Invalid,
        _ if status >= 500 || status == 429 => Kind::Unavailable,
        // No such table, access denied, expired credentials: the set-up is at fault, not the data.
        _ => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_who_acts() {
        for (code, status, kind) in [
            ("ConditionalCheckFailedException", 400, Kind::Conflict),
            ("TransactionConflictException", 400, Kind::Unavailable),
            ("ProvisionedThroughputExceededException", 400, Kind::Unavailable),
            ("ValidationException", 400, Kind::Invalid),
            ("AWS.SimpleQueueService.NonExistentQueue", 400, Kind::Internal),
            ("AWS.SimpleQueueService.BatchRequestTooLong", 400, Kind::Invalid),
            ("AccessDeniedException", 400, Kind::Internal),
            ("InternalServerError", 500, Kind::Unavailable),
            ("", 503, Kind::Unavailable),
            ("", 403, Kind::Internal),
        ] {
            assert_eq!(kind_of_refusal(code, status), kind, "{code} {status}");
        }
    }
}
