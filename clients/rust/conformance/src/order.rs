//! Orders, as they are read.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sluice_client::{BoxError, Client, Options, Tls};

/// One line of the input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) connect: Connect,
    pub(crate) call: Call,
    #[serde(default = "empty")]
    pub(crate) request: Value,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    timeout_ms: Option<u64>,
    pub(crate) cancel_after: Option<usize>,
    pub(crate) pause_after: Option<usize>,
    #[serde(default)]
    pub(crate) functions: Vec<FunctionOrder>,
    pub(crate) max_turns: Option<usize>,
    #[serde(default)]
    pub(crate) service: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    Generate,
    Text,
    Collect,
    RunTools,
    Models,
    GetRateLimits,
    GetMetrics,
    Health,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    address: String,
    token: Option<String>,
    tls: Option<TlsPaths>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsPaths {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

/// A function, and what it shall do.
#[derive(Deserialize)]
pub(crate) struct FunctionOrder {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) input_schema_json: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Returns(String),
    Fails(String),
    Breaks(String),
}

impl Order {
    /// Returns a client as it is told.
    pub(crate) fn client(&self) -> Result<Client, BoxError> {
        let Connect {
            address,
            token,
            tls,
        } = &self.connect;
        let mut options = Options::new();
        if let Some(token) = token {
            options = options.token(token);
        }
        if let Some(paths) = tls {
            let read = |path: &Option<String>| path.as_ref().map(fs::read).transpose();
            options = options.tls(Tls {
                ca: read(&paths.ca)?,
                cert: read(&paths.cert)?,
                key: read(&paths.key)?,
            });
        }
        let client = Client::connect(address, options)?.with_metadata(&self.metadata)?;
        Ok(match self.timeout_ms {
            Some(milliseconds) => client.with_timeout(Duration::from_millis(milliseconds)),
            None => client,
        })
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}
