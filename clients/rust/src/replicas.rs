//! The replicas behind an address, and whose turn it is.
//!
//! tonic connects to one address of a name, or chooses at random among those that it is
//! given. Here each address has a channel, and calls go to all in turn (round robin): a
//! call that is tried again meets another replica.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::target::Target;

/// How long it may take to connect to an address, and then to agree upon TLS. Far less than
/// the minutes of the system: a host that is gone says nothing at all.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// While calls are made a name is resolved again after this time, so that new replicas
/// get their share.
const RESOLVE_AGAIN: Duration = Duration::from_secs(30);

/// The same, where a replica could not be reached: it may have moved.
const RESOLVE_SOON: Duration = Duration::from_secs(1);

/// For this long a replica that could not be reached is asked last: where nobody answers
/// at all, each call would wait for it anew.
pub(crate) const REST: Duration = Duration::from_secs(10);

/// For this long after an attempt to connect failed, whoever wants the connection fails as it
/// did. Calls that wait for a connection are tonic's to keep, which would let each of them
/// wait for an attempt of its own, one after the other: the tenth for ten times the time
/// that connecting may take. Shorter than the shortest wait between tries.
const SAME_ATTEMPT: Duration = Duration::from_millis(100);

/// A replica and its connection, which is made at the first call.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) channel: Channel,
    pub(crate) address: SocketAddr,
    unreachable: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Replicas {
    target: Target,
    endpoint: Endpoint,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    replicas: Vec<Replica>,
    turn: usize,
    resolved: Option<Instant>,
}

impl Replicas {
    pub(crate) fn new(target: Target, endpoint: Endpoint) -> Self {
        Self {
            target,
            endpoint,
            state: Mutex::default(),
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns all replicas in the order in which a call shall try to reach them.
    pub(crate) async fn in_turn(self: &Arc<Self>) -> Result<Vec<Replica>, Status> {
        let now = Instant::now();
        let is_known = {
            let mut state = self.state();
            let is_known = !state.replicas.is_empty();
            if is_known && state.is_due(now) {
                // Once, and beside the calls: they go on with what is known, as they do when
                // this fails.
                state.resolved = Some(now);
                let replicas = Arc::clone(self);
                tokio::spawn(async move { replicas.resolve().await });
            }
            is_known
        };
        if !is_known {
            self.resolve().await?;
        }
        Ok(self.state().next(now))
    }

    /// Remembers whether a replica could be reached.
    pub(crate) fn tell(&self, replica: &Replica, reached: bool) {
        if reached && replica.unreachable.is_none() {
            return;
        }
        let mut state = self.state();
        let mut known = state.replicas.iter_mut();
        if let Some(known) = known.find(|known| known.address == replica.address) {
            known.unreachable = (!reached).then(Instant::now);
        }
    }

    /// Asks for the addresses; channels to those that are still there are kept.
    async fn resolve(&self) -> Result<(), Status> {
        let found = self.target.resolve().await;
        let addresses = match found {
            Ok(addresses) if !addresses.is_empty() => addresses,
            Ok(_) => return Err(self.unresolved("it has no addresses")),
            Err(error) => return Err(self.unresolved(&error.to_string())),
        };
        let mut state = self.state();
        let replicas = addresses.into_iter().map(|address| {
            let known = state.replicas.iter().find(|it| it.address == address);
            known.cloned().unwrap_or_else(|| self.replica(address))
        });
        state.replicas = replicas.collect();
        state.resolved = Some(Instant::now());
        Ok(())
    }

    fn unresolved(&self, reason: &str) -> Status {
        Status::unavailable(format!(
            "cannot resolve {}: {reason}",
            self.target.authority()
        ))
    }

    /// The endpoint keeps the name, for TLS and `:authority`; the connection goes to one
    /// of its addresses.
    fn replica(&self, address: SocketAddr) -> Replica {
        let attempts = Arc::new(Attempts::default());
        let connect = service_fn(move |_| {
            let attempts = Arc::clone(&attempts);
            async move { attempts.connect(address).await.map(TokioIo::new) }
        });
        Replica {
            channel: self.endpoint.connect_with_connector_lazy(connect),
            address,
            unreachable: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }
}

/// Attempts to connect to one address, of which there is one at a time.
#[derive(Debug, Default)]
struct Attempts(Mutex<Option<Failure>>);

/// How and when the last attempt failed.
#[derive(Clone, Debug)]
struct Failure {
    when: Instant,
    kind: io::ErrorKind,
    message: String,
}

impl Attempts {
    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        if let Some(failure) = self.just_failed() {
            return Err(io::Error::new(failure.kind, failure.message));
        }
        let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        *self.last() = connected.as_ref().err().map(|error| Failure {
            when: Instant::now(),
            kind: error.kind(),
            message: error.to_string(),
        });
        connected
    }

    fn just_failed(&self) -> Option<Failure> {
        let last = self.last();
        last.clone().filter(|it| it.when.elapsed() < SAME_ATTEMPT)
    }

    fn last(&self) -> MutexGuard<'_, Option<Failure>> {
        self.0.lock().expect("nothing panics while it is held")
    }
}

impl State {
    fn is_due(&self, now: Instant) -> bool {
        let any_unreachable = self.replicas.iter().any(|it| it.unreachable.is_some());
        let after = if any_unreachable {
            RESOLVE_SOON
        } else {
            RESOLVE_AGAIN
        };
        self.resolved.is_none_or(|resolved| now >= resolved + after)
    }

    fn next(&mut self, now: Instant) -> Vec<Replica> {
        let mut replicas = self.replicas.clone();
        if replicas.is_empty() {
            return replicas;
        }
        let first = self.turn % replicas.len();
        self.turn = first + 1;
        replicas.rotate_left(first);
        replicas.sort_by_key(|replica| replica.unreachable.is_some_and(|when| now < when + REST));
        if replicas[0].unreachable.is_some() {
            // Back after its rest: other calls go on without it until this one knows.
            let mut known = self.replicas.iter_mut();
            let first = known.find(|known| known.address == replicas[0].address);
            if let Some(first) = first {
                first.unreachable = Some(now);
            }
        }
        replicas
    }
}
