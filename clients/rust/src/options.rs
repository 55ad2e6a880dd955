//! How a client is set up.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::error::with_causes;
use crate::metadata::hidden;
use crate::replicas::CONNECT_TIMEOUT;
use crate::target::Target;

/// Silence on a connection with calls on it after which the client pings the server, so
/// that one that is gone without a word is noticed. Thirty: proxies commonly cut a
/// connection after 60 silent seconds, and servers disconnect clients that ping faster
/// than `server.min_client_ping_seconds`, which is 10 unless set otherwise.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);

/// How long the answer to such a ping may take before the connection counts as lost.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How much a connection takes before its streams are read: as much as HTTP/2 can say.
/// What waits in a stream is bounded by the stream's own window; hyper's 5 MB for all
/// streams of a connection are used up by three whose readers pause, and nothing else would
/// arrive on it.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;

const USER_AGENT: &str = concat!("sluice-rust/", env!("CARGO_PKG_VERSION"));

type Adjust = Box<dyn FnOnce(Endpoint) -> Endpoint + Send>;

/// What a client may be told beside the address: a token, TLS, and options of tonic's.
#[derive(Default)]
pub struct Options {
    token: Option<String>,
    tls: Option<Tls>,
    adjust: Option<Adjust>,
}

/// Makes a connection encrypted. All fields hold PEM and are optional.
#[derive(Clone, Default)]
pub struct Tls {
    /// Authorities to trust; without it the system's.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate, for mutual TLS.
    pub cert: Option<Vec<u8>>,
    /// Its private key.
    pub key: Option<Vec<u8>>,
}

/// An address or an option that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError(String);

impl Options {
    /// No token, plaintext.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a token as `authorization: Bearer …` with every call; an empty one is none.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Encrypts the connections.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Changes tonic's settings of a connection, after the client made its own.
    #[must_use]
    pub fn endpoint(mut self, adjust: impl FnOnce(Endpoint) -> Endpoint + Send + 'static) -> Self {
        self.adjust = Some(Box::new(adjust));
        self
    }

    /// Returns what goes with every call.
    pub(crate) fn metadata(&self) -> Result<MetadataMap, ConnectError> {
        let mut metadata = MetadataMap::new();
        // An empty one is what a variable of the environment that is not set becomes.
        if let Some(token) = self.token.as_ref().filter(|it| !it.is_empty()) {
            let value = hidden(&format!("Bearer {token}")).ok_or_else(|| {
                ConnectError::new("The token has characters that cannot be sent.")
            })?;
            metadata.insert("authorization", value);
        }
        Ok(metadata)
    }

    /// Returns the settings of a connection to one of the target's addresses.
    pub(crate) fn into_endpoint(self, target: &Target) -> Result<Endpoint, ConnectError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", target.authority()))
            .and_then(|endpoint| endpoint.user_agent(USER_AGENT))
            .map_err(|error| ConnectError::caused(&error))?
            .http2_keep_alive_interval(KEEPALIVE_TIME)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(false)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        if let Some(tls) = self.tls {
            endpoint = endpoint
                .tls_config(tls.config()?)
                .map_err(|error| ConnectError::caused(&error))?;
        }
        Ok(match self.adjust {
            Some(adjust) => adjust(endpoint),
            None => endpoint,
        })
    }
}

impl Tls {
    fn config(self) -> Result<ClientTlsConfig, ConnectError> {
        let config = ClientTlsConfig::new().timeout(CONNECT_TIMEOUT);
        let config = match self.ca {
            Some(ca) => config.ca_certificate(Certificate::from_pem(has_certificate("ca", ca)?)),
            None => config.with_native_roots(),
        };
        match (self.cert, self.key) {
            (None, None) => Ok(config),
            (Some(cert), Some(key)) => {
                let cert = has_certificate("cert", cert)?;
                Ok(config.identity(Identity::from_pem(cert, key)))
            }
            _ => Err(ConnectError::new("cert and key go together.")),
        }
    }
}

/// Refuses what holds no certificate. tonic takes it for no authorities, and then trusts
/// nobody, which looks as if the server were at fault.
fn has_certificate(field: &str, pem: Vec<u8>) -> Result<Vec<u8>, ConnectError> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(BEGIN.len()).any(|it| it == BEGIN) {
        Ok(pem)
    } else {
        let message = format!("{field} holds no certificate in PEM.");
        Err(ConnectError::new(message))
    }
}

impl ConnectError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    fn caused(error: &tonic::transport::Error) -> Self {
        Self(with_causes(&error.to_string(), error.source()))
    }
}

impl fmt::Debug for Options {
    /// Hides the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("token", &self.token.as_ref().map(|_| Hidden))
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Tls {
    /// Hides the key, and leaves out the rest of the PEM.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("ca", &self.ca.is_some())
            .field("cert", &self.cert.is_some())
            .field("key", &self.key.as_ref().map(|_| Hidden))
            .finish()
    }
}

struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConnectError {}
