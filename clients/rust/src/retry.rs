//! When a call is tried again: the retry policy and throttle of the service config, by
//! the rules of gRPC's libraries (gRFC A6), since tonic has none.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Mutex;
use std::time::Duration;

use tonic::Status;

use crate::error;
use crate::service_config::{
    BACKOFF_MULTIPLIER, INITIAL_BACKOFF, MAX_ATTEMPTS, MAX_BACKOFF, MAX_TOKENS,
    RETRYABLE_STATUS_CODES, TOKEN_RATIO,
};

/// Largest request that is kept until its first output, so that it can be sent again; a
/// larger one is sent once. As much as a server with default settings takes, so that what
/// it refuses as too large is not sent five times.
pub(crate) const MAX_RETRIED_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// Trailer in which a server says after how many milliseconds to come back, or, with
/// anything else than such a number, that it is no use.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Each wait that no server named is longer or shorter by up to this share of it, so that
/// callers who failed together do not come back together.
const JITTER: f64 = 0.2;

/// Ends retries of all calls of a client while more tries fail than succeed.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<f64>);

impl Throttle {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(MAX_TOKENS))
    }

    /// Counts a call that succeeded.
    pub(crate) fn succeeded(&self) {
        self.add(TOKEN_RATIO);
    }

    /// Counts a try that failed, and returns whether another is allowed.
    fn failed(&self) -> bool {
        self.add(-1.0) > MAX_TOKENS / 2.0
    }

    fn add(&self, tokens: f64) -> f64 {
        let mut held = self.0.lock().expect("nothing panics while it is held");
        *held = (*held + tokens).clamp(0.0, MAX_TOKENS);
        *held
    }
}

/// The tries of one call.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    throttle: &'a Throttle,
    allowed: u32,
    made: u32,
    /// Waits since a server last named one.
    backoffs: i32,
}

impl<'a> Tries<'a> {
    /// Tries of a call, as many as the service config allows or only one.
    pub(crate) fn new(throttle: &'a Throttle, again: bool) -> Self {
        Self {
            throttle,
            allowed: if again { MAX_ATTEMPTS } else { 1 },
            made: 0,
            backoffs: 0,
        }
    }

    /// How many tries failed already.
    pub(crate) fn failed(&self) -> u32 {
        self.made
    }

    /// Takes a try that failed, and returns how long to wait before the next one; `None`
    /// when there shall be none.
    pub(crate) fn next(&mut self, status: &Status) -> Option<Duration> {
        self.made += 1;
        let retryable = RETRYABLE_STATUS_CODES.contains(&error::code(status));
        let pushback = Pushback::of(status);
        let counts = retryable || pushback == Pushback::Stop;
        let throttled = counts && !self.throttle.failed();
        if !retryable || throttled || self.made >= self.allowed {
            return None;
        }
        match pushback {
            Pushback::Stop => None,
            Pushback::Wait(wait) => {
                self.backoffs = 0;
                Some(wait)
            }
            Pushback::Absent => {
                let wait = backoff(self.backoffs);
                self.backoffs += 1;
                Some(wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * random()))
            }
        }
    }
}

/// What a server said of another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pushback {
    Absent,
    Wait(Duration),
    Stop,
}

impl Pushback {
    fn of(status: &Status) -> Self {
        let Some(value) = status.metadata().get(PUSHBACK) else {
            return Self::Absent;
        };
        let milliseconds = value.to_str().ok().and_then(|text| text.parse().ok());
        milliseconds.map_or(Self::Stop, |it| Self::Wait(Duration::from_millis(it)))
    }
}

/// Returns the wait before a try, without its jitter.
fn backoff(number: i32) -> Duration {
    INITIAL_BACKOFF
        .mul_f64(BACKOFF_MULTIPLIER.powi(number))
        .min(MAX_BACKOFF)
}

/// Returns a random number from 0 up to 1. The standard library has random numbers only
/// as the keys of its hash tables, which are good enough to spread waits.
fn random() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}
