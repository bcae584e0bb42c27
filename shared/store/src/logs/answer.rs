//! Answers to LogQL queries over what is stored.

use super::{Columns, LogQuery, LogReader, LogStats, Order};
use parapet_logs::LogRecord;
use parapet_logs::logql::{Answer, Direction, Evaluation, EvaluationError, Expr, Parameters};
use parapet_ports::Error;
use std::ops::ControlFlow;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The query cannot be evaluated, or passed a limit.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The store cannot be read.
    #[error(transparent)]
    Port(#[from] Error),
}

impl LogReader {
    /// Answers a LogQL query, and says what was read for it. Of lines no more are read than the limit asks for;
    /// `goes_on` is asked for each record, and once it says no, the answer is of what was read so far.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub async fn answer(
        &self,
        tenant: &str,
        expr: &Expr,
        parameters: Parameters,
        goes_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(Answer, LogStats), AnswerError> {
        let mut evaluation = Evaluation::new(expr, parameters)?;
        let mut stats = LogStats::default();
        for number in 0..evaluation.selections().len() {
            let mut selection = evaluation.selections()[number].clone();
            let steps = selection.steps.take();
            let query = LogQuery {
                columns: Columns {
                    message: false,
                    raw: selection.line,
                    ..Columns::ALL
                },
                order: match parameters.direction {
                    Direction::Backward => Order::NewestFirst,
                    Direction::Forward => Order::OldestFirst,
                },
                ..LogQuery::from(selection)
            };
            if let Some(steps) = steps {
                let goes_on = |held: usize| goes_on() && held <= parameters.max_samples;
                let kind = |record: &LogRecord| evaluation.counts_for(number, record).transpose();
                let (counts, read) = self.count(tenant, &query, &steps, &kind, &goes_on).await?;
                stats.add(&read);
                for count in counts {
                    evaluation.add(number, &count.kind?, &count.steps)?;
                }
                continue;
            }
            let mut fault = None;
            let mut visit = |record: LogRecord| {
                if let Err(error) = evaluation.push(number, &record) {
                    fault = Some(error);
                    return ControlFlow::Break(());
                }
                let is_past = evaluation.bound_ns().is_some_and(|bound| match parameters.direction {
                    Direction::Backward => record.timestamp_ns <= bound,
                    Direction::Forward => record.timestamp_ns >= bound,
                });
                if is_past || !goes_on() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            stats.add(&self.search(tenant, &query, &mut visit).await?);
            if let Some(error) = fault {
                return Err(error.into());
            }
        }
        Ok((evaluation.finish()?, stats))
    }
}
