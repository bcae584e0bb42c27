//! Independent series on several threads.

use super::{Evaluator, Result, Shared};
use crate::annotations::Annotations;

/// A thread is worth its start from about this many values on.
const WORTHWHILE: usize = 32 * 1024;

/// What one thread has found out: rows, annotations, samples in memory.
type Found<R> = Result<(Vec<R>, Annotations, usize)>;

impl Evaluator<'_> {
    /// `work` over all items: in pieces side by side where [`crate::Options::threads`] allows it and there is enough to
    /// do. Answers, annotations and errors are those of one piece, in the order of the items.
    pub(super) fn in_pieces<T: Sync, R: Send>(
        &self,
        items: &[T],
        values_each: usize,
        work: impl Fn(Evaluator<'_>, &[T]) -> Result<Vec<R>> + Sync,
    ) -> Result<Vec<R>> {
        let worthwhile = items.len().saturating_mul(values_each) / WORTHWHILE;
        let pieces = self.options().threads.min(worthwhile).min(items.len());
        if pieces < 2 {
            return work(*self, items);
        }
        let (grid, before) = (self.grid, self.shared.samples.get());
        let (options, fetched, beside) = (self.shared.options, self.shared.fetched, self.shared.beside);
        let work = &work;
        let piece = move |items: &[T]| -> Found<R> {
            let shared = Shared::new(options, fetched, beside);
            shared.samples.set(before);
            let rows = work(Evaluator { shared: &shared, grid }, items)?;
            Ok((rows, shared.annotations.into_inner(), shared.samples.get() - before))
        };
        let mut pieces = items.chunks(items.len().div_ceil(pieces));
        let first = pieces.next().unwrap_or_default();
        let found: Vec<Found<R>> = std::thread::scope(|scope| {
            let spawn = |items| {
                let thread = std::thread::Builder::new().name("promql".to_owned());
                // Without a thread the piece is this one's.
                thread.spawn_scoped(scope, move || piece(items)).map_err(|_| items)
            };
            let threads: Vec<_> = pieces.map(spawn).collect();
            let mut found = vec![piece(first)];
            found.extend(
                threads
                    .into_iter()
                    .map(|thread| match thread.map(|thread| thread.join()) {
                        Ok(Ok(found)) => found,
                        Ok(Err(panic)) => std::panic::resume_unwind(panic),
                        Err(items) => piece(items),
                    }),
            );
            found
        });
        let mut rows = Vec::with_capacity(items.len());
        for found in found {
            let (more, annotations, samples) = found?;
            rows.extend(more);
            self.notes().extend(annotations);
            self.charge(samples)?;
        }
        Ok(rows)
    }
}
