//! The endpoints, by what they are about.

pub(crate) mod acknowledgements;
pub(crate) mod exemplars;
pub(crate) mod explain;
pub(crate) mod federate;
pub(crate) mod influx;
pub(crate) mod labels;
pub(crate) mod logs;
pub(crate) mod otlp;
pub(crate) mod pushgateway;
pub(crate) mod query;
pub(crate) mod rules;
pub(crate) mod selector;
pub(crate) mod status;
pub(crate) mod syntax;
pub(crate) mod targets;
pub(crate) mod write;
