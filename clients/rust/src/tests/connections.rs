//! Addresses, and who is asked behind them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, advance};
use tonic::Code;
use tonic::transport::Endpoint;

use super::gateway::{Gateway, said};
use crate::replicas::{CONNECT_TIMEOUT, REST, Replicas};
use crate::target::Target;
use crate::{Client, Options, prompt};

#[test]
fn addresses_are_those_of_grpc() {
    let name = |name: &str| Ok(Target::Name(name.to_owned()));
    assert_eq!(Target::parse("localhost:50051"), name("localhost:50051"));
    assert_eq!(Target::parse("dns:///sluice.svc:1"), name("sluice.svc:1"));
    assert_eq!(Target::parse("dns:sluice.svc:1"), name("sluice.svc:1"));
    assert_eq!(Target::parse("[::1]:50051"), name("[::1]:50051"));
    let list = vec!["10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap()];
    assert_eq!(
        Target::parse("ipv4:10.0.0.1:1,10.0.0.2:2"),
        Ok(Target::Addresses(list))
    );
    for wrong in [
        "",
        "sluice",
        "sluice:x",
        ":1",
        "http://sluice:1",
        "::1:2",
        "ipv4:",
        "dns://1.1.1.1/a:1",
        "unix:/run/sluice",
        "sluice:+1",
        "a b:1",
        "a?b:1",
        "a,b:1",
        "[]:1",
        "[sluice]:1",
    ] {
        let error = Target::parse(wrong).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{wrong:?} is no ")), "{error}");
    }
}

#[tokio::test]
async fn a_literal_address_of_ip_version_6_resolves_to_itself() {
    let found = Target::parse("[::1]:50051")
        .unwrap()
        .resolve()
        .await
        .unwrap();
    assert_eq!(found, ["[::1]:50051".parse().unwrap()]);
}

#[tokio::test]
async fn calls_go_to_all_replicas_in_turn() {
    let one = Gateway::start([said("one"), said("one")]).await;
    let other = Gateway::start([said("other"), said("other")]).await;
    let address = format!("ipv4:{},{}", one.address, other.address);
    let client = Client::connect(&address, Options::new()).unwrap();
    for word in ["one", "other", "one", "other"] {
        assert_eq!(
            client.collect(prompt("m", "Hello")).await.unwrap().text(),
            word
        );
    }
}

#[tokio::test]
async fn a_replica_that_is_not_there_costs_no_try() {
    let gateway = Gateway::start([said("Hi"), said("Hi")]).await;
    let address = format!("ipv4:127.0.0.1:1,{}", gateway.address);
    let client = Client::connect(&address, Options::new()).unwrap();
    for _ in 0..2 {
        assert_eq!(
            client.collect(prompt("m", "Hello")).await.unwrap().text(),
            "Hi"
        );
    }
    for call in 0..2 {
        assert!(
            !gateway
                .metadata(call)
                .contains_key("grpc-previous-rpc-attempts")
        );
    }
}

/// Calls that wait for one connection fail together: the time to connect is not spent by each
/// of them after the other.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn calls_wait_for_one_attempt_to_connect() {
    let hole = Hole::dig();
    let client = Client::connect(&hole.address, Options::new()).unwrap();
    let start = Instant::now();
    let calls = (0..5).map(|_| client.health(""));
    for result in join_all(calls).await {
        assert_eq!(result.unwrap_err().status(), Code::Unavailable);
    }
    assert!(
        start.elapsed() < CONNECT_TIMEOUT * 2,
        "{:?}",
        start.elapsed()
    );
}

/// While one call finds out whether a replica came back, no other waits for it.
#[tokio::test(start_paused = true)]
async fn one_call_alone_tries_a_replica_that_was_not_there() {
    let target = Target::parse("ipv4:127.0.0.1:1,127.0.0.1:2").unwrap();
    let replicas = Arc::new(Replicas::new(
        target,
        Endpoint::from_static("http://sluice"),
    ));
    let missing = replicas.in_turn().await.unwrap().swap_remove(0);
    replicas.tell(&missing, false);
    advance(REST).await;
    let mut tries = Vec::new();
    for _ in 0..4 {
        let first = replicas.in_turn().await.unwrap().swap_remove(0);
        tries.extend((first.address == missing.address).then_some(first));
    }
    assert_eq!(tries.len(), 1);
    replicas.tell(&tries[0], true);
    let first = &replicas.in_turn().await.unwrap()[0];
    let second = &replicas.in_turn().await.unwrap()[0];
    assert_ne!(first.address, second.address);
}

/// Where nobody answers: a listener whose backlog is full.
#[cfg(target_os = "linux")]
struct Hole {
    address: String,
    _listener: std::net::TcpListener,
    _waiting: Vec<std::net::TcpStream>,
}

#[cfg(target_os = "linux")]
impl Hole {
    fn dig() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let soon = Duration::from_millis(100);
        let connect = || std::net::TcpStream::connect_timeout(&address, soon).ok();
        Self {
            address: address.to_string(),
            _waiting: std::iter::from_fn(connect).collect(),
            _listener: listener,
        }
    }
}

#[tokio::test]
async fn the_client_names_itself() {
    let gateway = Gateway::start([said("Hi")]).await;
    gateway
        .client()
        .collect(prompt("m", "Hello"))
        .await
        .unwrap();
    let metadata = gateway.metadata(0);
    let agent = metadata.get("user-agent").unwrap().to_str().unwrap();
    let expected = concat!("sluice-rust/", env!("CARGO_PKG_VERSION"), " ");
    assert!(agent.starts_with(expected), "{agent}");
}
