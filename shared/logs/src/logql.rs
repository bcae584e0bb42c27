//! LogQL.

mod lex;
mod selector;

pub use lex::ParseError;
pub use selector::parse_selector;
