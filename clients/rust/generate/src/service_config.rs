//! The service config as constants: tonic reads none, and users of the client shall not
//! carry a JSON parser for one file.

use std::error::Error;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceConfig {
    load_balancing_config: Vec<LoadBalancing>,
    /// Not used: tonic watches no health.
    #[serde(rename = "healthCheckConfig")]
    _health_check_config: serde_json::Value,
    method_config: [MethodConfig; 1],
    retry_throttling: RetryThrottling,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum LoadBalancing {
    RoundRobin {},
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MethodConfig {
    name: [Name; 1],
    wait_for_ready: bool,
    retry_policy: RetryPolicy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    service: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetryPolicy {
    max_attempts: u32,
    initial_backoff: String,
    max_backoff: String,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RetryThrottling {
    max_tokens: u32,
    token_ratio: f64,
}

/// Returns the constants of a service config. What the client has no way to obey is
/// refused here instead of being left out.
pub(crate) fn constants(json: &str) -> Result<String, Box<dyn Error>> {
    let config: ServiceConfig = serde_json::from_str(json)?;
    let [method] = config.method_config;
    let [name] = method.name;
    if !matches!(
        config.load_balancing_config[..],
        [LoadBalancing::RoundRobin {}]
    ) || name.service != "sluice.v1.GatewayService"
        || method.wait_for_ready
    {
        return Err("the service config has what the Rust client cannot do".into());
    }
    let policy = method.retry_policy;
    let codes: Vec<String> = policy
        .retryable_status_codes
        .iter()
        .map(|code| variant(code))
        .collect();
    Ok(format!(
        "// This file is generated from service_config.json.
use std::time::Duration;

use tonic::Code;

/// Tries of a call, the first one included.
pub(crate) const MAX_ATTEMPTS: u32 = {attempts};
/// Wait before the second try, where the server named none.
pub(crate) const INITIAL_BACKOFF: Duration = Duration::from_millis({initial});
/// Longest such wait.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_millis({longest});
/// By how much each wait is longer than the one before.
pub(crate) const BACKOFF_MULTIPLIER: f64 = {multiplier:?};
/// Statuses after which a call may be tried again.
pub(crate) const RETRYABLE_STATUS_CODES: &[Code] = &[{codes}];
/// Tokens of a full throttle; half of them or fewer stop retries.
pub(crate) const MAX_TOKENS: f64 = {tokens:?};
/// Tokens that a call which succeeds gives back; one that fails takes 1.
pub(crate) const TOKEN_RATIO: f64 = {ratio:?};
",
        attempts = policy.max_attempts,
        initial = milliseconds(&policy.initial_backoff)?,
        longest = milliseconds(&policy.max_backoff)?,
        multiplier = policy.backoff_multiplier,
        codes = codes.join(", "),
        tokens = f64::from(config.retry_throttling.max_tokens),
        ratio = config.retry_throttling.token_ratio,
    ))
}

/// Returns the milliseconds of a duration in protobuf's JSON, such as `0.25s`.
fn milliseconds(text: &str) -> Result<u128, Box<dyn Error>> {
    let seconds: f64 = text
        .strip_suffix('s')
        .ok_or("a duration ends in s")?
        .parse()?;
    Ok(std::time::Duration::try_from_secs_f64(seconds)?.as_millis())
}

/// Returns tonic's name of a status: `Code::ResourceExhausted` for `RESOURCE_EXHAUSTED`.
fn variant(code: &str) -> String {
    let words = code.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_lowercase())
    });
    format!("Code::{}", words.collect::<String>())
}
