//! What the conformance run cannot see.

mod answers;
mod connections;
mod errors;
mod gateway;
mod metadata;
mod models;
mod readme;
mod retries;
mod runs;
mod secrets;
mod streams;
mod tries;
