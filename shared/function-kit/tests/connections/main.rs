//! Mail and HTTP clients against servers on this machine that speak as real ones do.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod http_routes;
mod servers;
mod smtp;
