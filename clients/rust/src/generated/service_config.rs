// This file is generated from service_config.json.
use std::time::Duration;

use tonic::Code;

/// Tries of a call, the first one included.
pub(crate) const MAX_ATTEMPTS: u32 = 5;
/// Wait before the second try, where the server named none.
pub(crate) const INITIAL_BACKOFF: Duration = Duration::from_millis(250);
/// Longest such wait.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_millis(2000);
/// By how much each wait is longer than the one before.
pub(crate) const BACKOFF_MULTIPLIER: f64 = 2.0;
/// Statuses after which a call may be tried again.
pub(crate) const RETRYABLE_STATUS_CODES: &[Code] = &[Code::Unavailable, Code::ResourceExhausted];
/// Tokens of a full throttle; half of them or fewer stop retries.
pub(crate) const MAX_TOKENS: f64 = 1000.0;
/// Tokens that a call which succeeds gives back; one that fails takes 1.
pub(crate) const TOKEN_RATIO: f64 = 1.0;
