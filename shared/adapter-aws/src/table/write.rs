//! Writes: one item by itself, several as a transaction.

use super::DynamoTable;
use super::item::{Attributes, item_attributes, key_attributes, read_version};
use crate::error::port_error;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use parapet_ports::memory::check_condition;
use parapet_ports::{Condition, Error, Kind, Table, Write};
use std::collections::HashMap;
use std::time::Duration;

/// How often a write that met another transaction on one of its items is tried: such meetings last milliseconds,
/// and the SDK does not retry them.
const CONTENTION_ATTEMPTS: u32 = 6;

/// The first pause after such a meeting; doubled each time, with jitter.
const CONTENTION_PAUSE: Duration = Duration::from_millis(20);

/// Why a write did not happen.
enum Failure {
    /// Another transaction was at one of the items.
    Contended(Error),
    /// Anything else.
    Final(Error),
}

/// A condition expression with its values.
#[derive(Debug, Default)]
struct Expression {
    text: Option<String>,
    values: Option<Attributes>,
}

/// The expression for a condition. An item whose time has come is as good as gone, whether DynamoDB has removed it
/// or not.
fn expression(condition: Condition, now_seconds: i64) -> Expression {
    let now = (":now".to_owned(), AttributeValue::N(now_seconds.to_string()));
    match condition {
        Condition::Any => Expression::default(),
        Condition::Absent => Expression {
            text: Some("attribute_not_exists(pk) OR expires_at <= :now".to_owned()),
            values: Some(HashMap::from([now])),
        },
        Condition::Version(version) => {
            let version = (":ver".to_owned(), AttributeValue::N(version.to_string()));
            Expression {
                text: Some("ver = :ver AND (attribute_not_exists(expires_at) OR expires_at > :now)".to_owned()),
                values: Some(HashMap::from([now, version])),
            }
        }
    }
}

impl DynamoTable {
    /// Writes all or nothing; each put with the version beside it.
    pub(super) async fn write(&self, writes: &[(Write, u64)]) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let result = match writes {
                [] => Ok(()),
                // One write needs no transaction, which would cost twice the capacity.
                [(write, version)] => self.write_one(write, *version).await,
                writes => self.write_all(writes).await,
            };
            match result {
                Ok(()) => return Ok(()),
                Err(Failure::Contended(error)) if attempt < CONTENTION_ATTEMPTS => {
                    tracing::debug!(error = error.chain(), attempt, "a contended write is tried again");
                    self.pause(attempt).await;
                    attempt += 1;
                }
                Err(Failure::Contended(error) | Failure::Final(error)) => return Err(error),
            }
        }
    }

    async fn write_one(&self, write: &Write, version: u64) -> Result<(), Failure> {
        let now = self.now_seconds();
        match write {
            Write::Put {
                key,
                value,
                expires_at,
                condition,
            } => {
                let condition = expression(*condition, now);
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.name)
                    .set_item(Some(item_attributes(key, value, version, *expires_at)))
                    .set_condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                match request.send().await {
                    Ok(_) => Ok(()),
                    // The SDK tried again after a lost answer and met its own write.
                    Err(error) if standing_version(&error) == Some(version) => Ok(()),
                    Err(error) => Err(failure(write, "DynamoDB PutItem", error)),
                }
            }
            Write::Delete { key, condition } => {
                let condition = expression(*condition, now);
                let request = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(key)))
                    .set_condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                let deleted = request.send().await;
                deleted
                    .map(|_| ())
                    .map_err(|error| failure(write, "DynamoDB DeleteItem", error))
            }
            Write::Check { key, .. } => {
                let found = self.get(key).await.map_err(Failure::Final)?;
                check_condition(write, found.as_ref()).map_err(Failure::Final)
            }
        }
    }

    async fn write_all(&self, writes: &[(Write, u64)]) -> Result<(), Failure> {
        let now = self.now_seconds();
        let items = writes
            .iter()
            .map(|(write, version)| self.transact_item(write, *version, now));
        let items = items.collect::<Result<_, _>>().map_err(Failure::Final)?;
        // The SDK adds a token that makes its own retries idempotent.
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        let Err(error) = request.send().await else {
            return Ok(());
        };
        let Some((kind, index, code)) = cancelled_by(&error) else {
            return Err(Failure::Final(port_error("DynamoDB TransactWriteItems", error)));
        };
        let key = writes.get(index).map(|(write, _)| write.key());
        let place = key.map_or_else(String::new, |key| format!(" at {}/{}", key.pk, key.sk));
        let contended = code == "TransactionConflict";
        let error = Error::new(kind, format!("the transaction was cancelled by {code}{place}"));
        Err(if contended {
            Failure::Contended(error)
        } else {
            Failure::Final(error)
        })
    }

    fn transact_item(&self, write: &Write, version: u64, now: i64) -> Result<TransactWriteItem, Error> {
        let item = TransactWriteItem::builder();
        let item = match write {
            Write::Put {
                key,
                value,
                expires_at,
                condition,
            } => {
                let condition = expression(*condition, now);
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(item_attributes(key, value, version, *expires_at)))
                    .set_condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                put.build().map(|put| item.put(put))
            }
            Write::Delete { key, condition } => {
                let condition = expression(*condition, now);
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(key)))
                    .set_condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                delete.build().map(|delete| item.delete(delete))
            }
            Write::Check { key, condition } => {
                let condition = expression(*condition, now);
                let check = ConditionCheck::builder()
                    .table_name(&self.name)
                    .set_key(Some(key_attributes(key)))
                    .set_condition_expression(condition.text)
                    .set_expression_attribute_values(condition.values);
                check.build().map(|check| item.condition_check(check))
            }
        };
        let item = item.map_err(|error| Error::new(Kind::Internal, "building a transaction failed").with_source(error));
        item.map(|item| item.build())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the back-off is part of the call, as in the SDK"
    )]
    async fn pause(&self, attempt: u32) {
        let most = CONTENTION_PAUSE * 2_u32.pow(attempt - 1);
        let jitter = u32::try_from(self.entropy.next_u64() % 1000).unwrap_or_default();
        tokio::time::sleep(most / 2 + most / 2000 * jitter).await;
    }
}

/// The version of the item that stood in the way of a put.
fn standing_version(error: &SdkError<PutItemError>) -> Option<u64> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(failed) => read_version(failed.item()?),
        _ => None,
    }
}

fn failure<E: crate::error::Refusal>(write: &Write, call: &str, error: SdkError<E>) -> Failure {
    let contended = error.code() == Some("TransactionConflictException");
    let error = port_error(call, error);
    let key = write.key();
    if contended {
        Failure::Contended(error)
    } else if error.kind() == Kind::Conflict {
        let text = format!("the item {}/{} is not as expected", key.pk, key.sk);
        Failure::Final(Error::new(Kind::Conflict, text))
    } else {
        Failure::Final(error)
    }
}

/// Why DynamoDB cancelled a transaction: the reason that decides who acts, its place among the writes, its code.
fn cancelled_by(error: &SdkError<TransactWriteItemsError>) -> Option<(Kind, usize, String)> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error.as_service_error()? else {
        return None;
    };
    let reasons = cancelled.cancellation_reasons().iter().enumerate();
    let reasons = reasons.filter_map(|(index, reason)| {
        let code = reason.code()?;
        let kind = match code {
            "None" => return None,
            "ConditionalCheckFailed" => Kind::Conflict,
            "ValidationError" | "ItemCollectionSizeLimitExceeded" => Kind::Invalid,
            // TransactionConflict, ThrottlingError, ProvisionedThroughputExceeded.
            _ => Kind::Unavailable,
        };
        Some((kind, index, code.to_owned()))
    });
    // A condition that did not hold decides even where another item was only busy: trying again would not help.
    reasons.min_by_key(|(kind, ..)| match kind {
        Kind::Invalid => 0,
        Kind::Conflict => 1,
        _ => 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::TransactionCanceledException;

    fn cancelled(codes: &[&str]) -> SdkError<TransactWriteItemsError> {
        let reasons = codes
            .iter()
            .map(|code| CancellationReason::builder().code(*code).build());
        let cancelled = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons.collect()));
        let response = HttpResponse::new(400.try_into().unwrap(), aws_sdk_s3::primitives::SdkBody::empty());
        SdkError::service_error(
            TransactWriteItemsError::TransactionCanceledException(cancelled.build()),
            response,
        )
    }

    #[test]
    fn a_failed_condition_decides_over_contention() {
        let cases = [
            (&["None", "ConditionalCheckFailed"][..], Kind::Conflict, 1),
            (
                &["TransactionConflict", "None", "ConditionalCheckFailed"],
                Kind::Conflict,
                2,
            ),
            (&["None", "TransactionConflict"], Kind::Unavailable, 1),
            (&["ThrottlingError", "None"], Kind::Unavailable, 0),
            (&["ConditionalCheckFailed", "ValidationError"], Kind::Invalid, 1),
        ];
        for (codes, kind, index) in cases {
            let (found, at, _) = cancelled_by(&cancelled(codes)).unwrap();
            assert_eq!((found, at), (kind, index), "{codes:?}");
        }
    }
}
