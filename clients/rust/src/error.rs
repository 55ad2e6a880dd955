//! How a failed call ends.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::{RetryInfo, StatusExt as _, pb};

/// Domain of the reasons that a gateway gives.
const DOMAIN: &str = "sluice.v1";

/// A call that failed: gRPC's status, and what the gateway told about it.
#[derive(Clone, Debug)]
pub struct Error(Box<Details>);

/// A field of a request that breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Path of the field, such as `messages[0].parts`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

/// A limit that is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaViolation {
    /// Whose limit.
    pub subject: String,
    /// Which limit.
    pub description: String,
}

#[derive(Clone, Debug)]
struct Details {
    status: Code,
    reason: String,
    message: String,
    retry_delay: Option<Duration>,
    violations: Vec<Violation>,
    quota_violations: Vec<QuotaViolation>,
    metadata: BTreeMap<String, String>,
    generation_id: String,
}

impl Error {
    /// gRPC's status.
    #[must_use]
    pub fn status(&self) -> Code {
        self.0.status
    }

    /// Name of an `ErrorReason` without its prefix, as the gateway sent it, such as
    /// `PROVIDER_RATE_LIMITED`: newer gateways may send names that are unknown here.
    /// Empty when no gateway spoke.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// What happened, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How long to wait before another call makes sense; `None` when none was told.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// What is wrong with a request that breaks the contract.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0.violations
    }

    /// Limits that are used up.
    #[must_use]
    pub fn quota_violations(&self) -> &[QuotaViolation] {
        &self.0.quota_violations
    }

    /// What else the gateway told: `provider`, `model`, `http_status` and others.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// Id of the turn at the gateway, to be quoted in support requests; empty when the
    /// turn did not begin, or no gateway spoke.
    #[must_use]
    pub fn generation_id(&self) -> &str {
        &self.0.generation_id
    }

    /// An error of the client itself, of which no gateway spoke.
    pub(crate) fn local(status: Code, message: impl Into<String>) -> Self {
        Self::from(Status::new(status, message))
    }

    /// A stream that ended well without having come to its end.
    pub(crate) fn truncated() -> Self {
        let mut error = Self::local(Code::Unavailable, "The stream ended without Completed.");
        "STREAM_TRUNCATED".clone_into(&mut error.0.reason);
        error
    }

    /// The error of a turn of which `Started` told the id, unless the status told it.
    pub(crate) fn of_turn(mut self, generation_id: &str) -> Self {
        if self.0.generation_id.is_empty() {
            generation_id.clone_into(&mut self.0.generation_id);
        }
        self
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let info = status
            .get_details_error_info()
            .filter(|info| info.domain == DOMAIN)
            .unwrap_or_else(|| tonic_types::ErrorInfo::new("", DOMAIN, []));
        // The ids of others are not those of turns.
        let told_by_gateway = !info.reason.is_empty();
        let request = status.get_details_bad_request();
        let quota = status.get_details_quota_failure();
        Self(Box::new(Details {
            status: code(&status),
            reason: info.reason,
            message: with_causes(status.message(), status.source()),
            retry_delay: retry_delay(&status),
            violations: request
                .into_iter()
                .flat_map(|it| it.field_violations)
                .map(|it| Violation {
                    field: it.field,
                    description: it.description,
                })
                .collect(),
            quota_violations: quota
                .into_iter()
                .flat_map(|it| it.violations)
                .map(|it| QuotaViolation {
                    subject: it.subject,
                    description: it.description,
                })
                .collect(),
            metadata: info.metadata.into_iter().collect(),
            generation_id: status
                .get_details_request_info()
                .filter(|_| told_by_gateway)
                .map(|it| it.request_id)
                .unwrap_or_default(),
        }))
    }
}

/// Returns the wait that a status tells. One below nothing, of which tonic's own reading
/// makes 0, is none.
fn retry_delay(status: &Status) -> Option<Duration> {
    let details = pb::Status::decode(status.details()).ok()?.details;
    let told = details
        .iter()
        .filter(|it| it.type_url == RetryInfo::TYPE_URL)
        .find_map(|it| pb::RetryInfo::decode(it.value.as_slice()).ok()?.retry_delay)?;
    told.try_into().ok()
}

impl fmt::Display for Error {
    /// Writes `PROVIDER_RATE_LIMITED: the message; try again in 2.5 s`, with the status
    /// where there is no reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.reason() {
            "" => status_name(self.status()),
            reason => reason,
        };
        write!(f, "{name}: {}", self.message())?;
        if let Some(delay) = self.retry_delay() {
            write!(f, "; try again in {} s", delay.as_secs_f64())?;
        }
        Ok(())
    }
}

impl StdError for Error {}

/// Returns gRPC's name of a status, such as `RESOURCE_EXHAUSTED`.
#[must_use]
pub fn status_name(status: Code) -> &'static str {
    match status {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Returns the status as gRPC's other libraries would tell it. tonic has UNKNOWN,
/// CANCELLED or INTERNAL for connections that were lost, and CANCELLED for its timer.
/// Only what it made of an error of its own has a source; a server's word has none.
pub(crate) fn code(status: &Status) -> Code {
    if status.source().is_none() {
        status.code()
    } else if caused_by::<TimeoutExpired>(status) {
        Code::DeadlineExceeded
    } else {
        match status.code() {
            Code::Unknown | Code::Cancelled | Code::Internal => Code::Unavailable,
            code => code,
        }
    }
}

/// Whether an error of this type is among the causes of a status.
pub(crate) fn caused_by<E: StdError + 'static>(status: &Status) -> bool {
    causes(status.source()).any(<dyn StdError>::is::<E>)
}

/// Returns a message with its causes, which tonic leaves out: "transport error" alone
/// helps nobody.
pub(crate) fn with_causes(message: &str, cause: Option<&(dyn StdError + 'static)>) -> String {
    let mut text = message.to_owned();
    let telling = causes(cause).filter(|cause| !cause.is::<tonic::transport::Error>());
    for cause in telling.map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

fn causes<'a>(
    first: Option<&'a (dyn StdError + 'static)>,
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(first, |&cause| cause.source())
}
