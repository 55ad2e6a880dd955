//! Metadata that callers give.

use std::time::Duration;

use tonic::metadata::MetadataMap;

use super::gateway::{Gateway, completed, good, refused, said};
use crate::v1::FinishReason;
use crate::{Client, Options, prompt};

const KEY: &str = "key-0123456789";

fn values<'a>(metadata: &'a MetadataMap, name: &str) -> Vec<&'a str> {
    let values = metadata.get_all(name).into_iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

fn offline() -> Client {
    Client::connect("localhost:1", Options::new()).unwrap()
}

#[tokio::test]
async fn every_turn_and_every_try_carries_it() {
    let paused = good([completed(FinishReason::Paused, None)]);
    let full = refused(tonic::Status::unavailable("Full."), Some("1"));
    let gateway = Gateway::start([paused, full, said("Done.")]).await;
    let options = Options::new().token("t");
    let client = Client::connect(&gateway.address, options).unwrap();
    let client = client.with_metadata([("sluice-priority", "low")]).unwrap();
    let mut run = client.run_tools(prompt("m", "Hello"), []);
    while let Some(event) = run.next().await {
        event.unwrap();
    }
    assert_eq!(gateway.calls(), 3);
    for call in 0..3 {
        let metadata = gateway.metadata(call);
        assert_eq!(values(&metadata, "sluice-priority"), ["low"]);
        assert_eq!(values(&metadata, "authorization"), ["Bearer t"]);
    }
}

#[tokio::test]
async fn it_goes_with_a_timeout_in_either_order_and_leaves_the_client_it_came_from() {
    let gateway = Gateway::start([said("Hi"), said("Hi"), said("Hi")]).await;
    let (client, minute) = (gateway.client(), Duration::from_secs(60));
    let low = [("sluice-priority", "low")];
    for client in [
        client.with_timeout(minute).with_metadata(low).unwrap(),
        client.with_metadata(low).unwrap().with_timeout(minute),
        client,
    ] {
        client.collect(prompt("m", "Hello")).await.unwrap();
    }
    for call in 0..2 {
        let metadata = gateway.metadata(call);
        assert_eq!(values(&metadata, "sluice-priority"), ["low"]);
        assert!(metadata.contains_key("grpc-timeout"));
    }
    let metadata = gateway.metadata(2);
    assert!(!metadata.contains_key("sluice-priority") && !metadata.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn later_values_go_in_place_of_earlier_ones_and_of_the_token() {
    let gateway = Gateway::start([said("Hi")]).await;
    let options = Options::new().token("t");
    let client = Client::connect(&gateway.address, options).unwrap();
    let client = client
        .with_metadata([("x-a", "1"), ("X-A", "2"), ("x-b", "1"), ("x-c", "1")])
        .and_then(|it| it.with_metadata([("authorization", "Basic c"), ("x-b", "2")]))
        .and_then(|it| it.with_metadata([("x-c", "2"), ("x-c", "3")]))
        .unwrap();
    client.collect(prompt("m", "Hello")).await.unwrap();
    let metadata = gateway.metadata(0);
    assert_eq!(values(&metadata, "authorization"), ["Basic c"]);
    assert_eq!(values(&metadata, "x-a"), ["1", "2"]);
    assert_eq!(values(&metadata, "x-b"), ["2"]);
    assert_eq!(values(&metadata, "x-c"), ["2", "3"]);
}

#[test]
fn values_are_not_shown() {
    let client = offline()
        .with_metadata([("sluice-provider-key", KEY)])
        .unwrap();
    let shown = format!("{client:#?}");
    assert!(shown.contains("sluice-provider-key") && !shown.contains(KEY));
    let request = prompt("m", "Hello");
    let stream = client.generate(request.clone());
    let run = client.run_tools(request, []);
    let models = client.models(crate::v1::ModelFilter::default());
    assert!(!format!("{stream:#?} {run:#?} {models:#?}").contains(KEY));
}

#[test]
fn what_cannot_be_sent_is_refused_and_not_shown() {
    for value in [format!("{KEY}\n"), format!("{KEY}ü"), format!("{KEY}\t")] {
        let pairs = [("sluice-provider-key", value)];
        let error = offline().with_metadata(pairs).unwrap_err();
        assert!(error.to_string().contains("sluice-provider-key"));
        assert!(!format!("{error:?} {error}").contains(KEY));
    }
    for name in [
        "",
        "a b",
        "ü",
        ":path",
        "x-bin",
        "TE",
        "content-type",
        "user-agent",
        "grpc-timeout",
    ] {
        let error = offline().with_metadata([(name, KEY)]).unwrap_err();
        assert!(!format!("{error:?} {error}").contains(KEY), "{name}");
    }
}
