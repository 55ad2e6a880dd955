//! One call over all its tries: whom it asks, what it carries, when it is tried again and
//! when it must be over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Request, Status};

use crate::error::{Error, caused_by};
use crate::replicas::Replicas;
use crate::retry::{MAX_RETRIED_REQUEST_BYTES, Throttle, Tries};

/// Metadata in which gRPC's libraries say how often they tried a call already (gRFC A6).
const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// Longest time that gRPC can say: eight digits, of hours.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(99_999_999 * 60 * 60);

/// What all calls of a client have in common.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) metadata: MetadataMap,
}

/// Whether a call that failed before its first message may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// As the service config says.
    Policy,
    /// The service config does not name it.
    Never,
}

impl Caller {
    /// Makes a call. `send` is one try; it ends with the first message of the answer.
    pub(crate) async fn call<M, T, Sent>(
        self: Arc<Self>,
        message: M,
        deadline: Option<Instant>,
        again: Again,
        send: impl Fn(Channel, Request<M>) -> Sent,
    ) -> Result<T, Error>
    where
        M: prost::Message + Clone,
        Sent: Future<Output = Result<T, Status>>,
    {
        let call = self.tries(message, deadline, again, send);
        match deadline {
            // Timers are a millisecond coarse, in which a call can be sent and paid for.
            Some(deadline) if deadline <= Instant::now() => Err(deadline_exceeded()),
            Some(deadline) => timeout_at(deadline, call)
                .await
                .unwrap_or_else(|_| Err(deadline_exceeded())),
            None => call.await,
        }
    }

    async fn tries<M, T, Sent>(
        &self,
        message: M,
        deadline: Option<Instant>,
        again: Again,
        send: impl Fn(Channel, Request<M>) -> Sent,
    ) -> Result<T, Error>
    where
        M: prost::Message + Clone,
        Sent: Future<Output = Result<T, Status>>,
    {
        let again = again == Again::Policy && message.encoded_len() <= MAX_RETRIED_REQUEST_BYTES;
        let mut tries = Tries::new(&self.throttle, again);
        loop {
            let request = || self.request(message.clone(), deadline, tries.failed());
            let status = match self.reach(request, &send).await {
                Ok(answer) => {
                    self.throttle.succeeded();
                    return Ok(answer);
                }
                Err(status) => status,
            };
            match tries.next(&status) {
                Some(wait) => sleep(wait).await,
                None => return Err(status.into()),
            }
        }
    }

    /// Makes one try, at the first replica that can be reached: where there was no
    /// connection nothing was sent.
    async fn reach<M, T, Sent>(
        &self,
        request: impl Fn() -> Request<M>,
        send: impl Fn(Channel, Request<M>) -> Sent,
    ) -> Result<T, Status>
    where
        Sent: Future<Output = Result<T, Status>>,
    {
        let mut failure = None;
        for replica in self.replicas.in_turn().await? {
            let result = send(replica.channel.clone(), request()).await;
            match result {
                Err(status) if caused_by::<ConnectError>(&status) => {
                    self.replicas.tell(&replica, false);
                    failure = Some(status);
                }
                result => {
                    self.replicas.tell(&replica, true);
                    return result;
                }
            }
        }
        Err(failure.unwrap_or_else(|| Status::unavailable("There is no replica.")))
    }

    fn request<M>(&self, message: M, deadline: Option<Instant>, tried: u32) -> Request<M> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata.clone();
        if tried > 0 {
            request
                .metadata_mut()
                .insert(PREVIOUS_ATTEMPTS, tried.into());
        }
        if let Some(deadline) = deadline {
            request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        }
        request
    }
}

/// Returns the moment at which a call that begins now must be over; `None` for lengths
/// of time beyond what gRPC can say.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    let timeout = timeout.filter(|it| *it <= LONGEST_TIMEOUT)?;
    Instant::now().checked_add(timeout)
}

pub(crate) fn deadline_exceeded() -> Error {
    Error::local(Code::DeadlineExceeded, "The deadline passed.")
}
