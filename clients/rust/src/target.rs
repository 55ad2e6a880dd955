//! Addresses as gRPC's name resolution writes them.

use std::io;
use std::net::{AddrParseError, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;

use crate::options::ConnectError;

/// What a client connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `host:port` or `dns:///host:port`: every address that the host resolves to.
    Name(String),
    /// `ipv4:` or `ipv6:` with addresses between commas: these.
    Addresses(Vec<SocketAddr>),
}

impl Target {
    pub(crate) fn parse(address: &str) -> Result<Self, ConnectError> {
        let wrong = || {
            ConnectError::new(format!(
                "{address:?} is no host:port, dns:///host:port or ipv4: and ipv6: with addresses"
            ))
        };
        if let Some(list) = address
            .strip_prefix("ipv4:")
            .or(address.strip_prefix("ipv6:"))
        {
            let addresses: Result<_, AddrParseError> = list.split(',').map(str::parse).collect();
            return addresses.map(Self::Addresses).map_err(|_| wrong());
        }
        let name = match address.strip_prefix("dns:") {
            // No place for a name server of one's own: the system's are asked.
            Some(name) => name.strip_prefix("///").unwrap_or(name),
            None => address,
        };
        let (host, port) = name.rsplit_once(':').ok_or_else(wrong)?;
        let is_host = match host.strip_prefix('[') {
            Some(literal) => literal
                .strip_suffix(']')
                .is_some_and(|it| it.parse::<Ipv6Addr>().is_ok()),
            None => !host.is_empty() && host.bytes().all(may_be_in_name),
        };
        // A number as Rust reads it may begin with +.
        let is_port = !port.starts_with('+') && port.parse::<u16>().is_ok();
        if !is_host || !is_port {
            return Err(wrong());
        }
        Ok(Self::Name(name.to_owned()))
    }

    /// What servers are told they were called by, and what their certificates must name.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Addresses(addresses) => addresses
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    }

    /// Returns the addresses as they are now, each once; asks the system's name servers for
    /// those of a name.
    pub(crate) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Name(name) => {
                let mut addresses = Vec::new();
                for address in lookup_host(name).await? {
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                Ok(addresses)
            }
            Self::Addresses(addresses) => Ok(addresses.clone()),
        }
    }
}

/// Whether a name of a host may have this character. Some have underscores, against the rules.
fn may_be_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}
