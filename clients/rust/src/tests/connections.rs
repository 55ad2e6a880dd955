//! Addresses, and who is asked behind them.

use super::gateway::{Gateway, said};
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
