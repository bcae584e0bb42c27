//! Room for deep queries: what recurses deeper than a thread's stack is sure to hold runs on a larger one.

/// How deep a query may be to be handled on the caller's own stack.
pub(crate) const SHALLOW: usize = 40;

/// The stack of deep queries, bytes: of [`MAX_DEPTH`](crate::parser::MAX_DEPTH) levels, each takes less than 64 KiB
/// even without optimisation. Memory is taken for what is used alone.
const STACK: usize = 64 << 20;

/// Runs `work` on a large stack. `None` where the system gives no thread.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("promql".to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).ok()?;
        match thread.join() {
            Ok(answer) => Some(answer),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
