//! The contracts, against an emulator (or AWS itself).
//!
//! They run where `PARAPET_TEST_ENDPOINT` names one, such as `http://127.0.0.1:4566`; `infra/localstack/up` starts one.
//! Each test makes its own bucket, table and queues, and removes them at its end.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests on a real service wait in real time, read their own switch and say why they are skipped"
)]

mod emulator {
    pub(crate) mod objects;
    pub(crate) mod queues;
    pub(crate) mod resources;
    pub(crate) mod table;
}
