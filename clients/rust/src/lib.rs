//! Client of Sluice, a gRPC gateway in front of AI providers.
//!
//! A [`Client`] streams turns ([`Client::generate`]), collects whole answers
//! ([`Client::collect`]) and runs tools ([`Client::run_tools`]); all calls fail with one
//! [`Error`]. Messages are those of the contract, in [`v1`].
//!
//! ```no_run
//! use sluice_client::{BoxError, Client, Options, prompt};
//!
//! # async fn example() -> Result<(), BoxError> {
//! let client = Client::connect("127.0.0.1:50051", Options::new())?;
//! let request = prompt("local/smollm2-135m-instruct", "Write one sentence about rivers.");
//! println!("{}", client.collect(request).await?.text());
//! # Ok(())
//! # }
//! ```

mod answer;
mod call;
mod client;
mod error;
mod function;
mod messages;
mod metadata;
mod models;
mod options;
mod replicas;
mod retry;
mod run;
mod stream;
mod target;
#[cfg(test)]
mod tests;

/// Messages and stubs of the contract, generated.
pub mod v1 {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    include!("generated/sluice.v1.rs");
}

mod service_config {
    #![allow(clippy::pedantic)]
    include!("generated/service_config.rs");
}

pub use answer::Answer;
pub use client::Client;
pub use error::{Error, QuotaViolation, Violation, status_name};
pub use function::{BoxError, Function, ToolError};
pub use messages::{prompt, system, tool_result, user};
pub use metadata::MetadataError;
pub use models::Models;
pub use options::{ConnectError, Options, Tls};
pub use run::{Run, RunError, TurnLimitError};
pub use stream::{Stream, TextStream};
pub use tonic::Code;
/// What the health service says.
pub use tonic_health::pb::health_check_response::ServingStatus;
