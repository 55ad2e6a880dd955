//! What is tried again, and what is not, against a server.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Status};

use super::gateway::{Gateway, Wire, refused, said, stalled};
use crate::v1::event::Kind;
use crate::v1::{Media, Part, Started, media::Source, part};
use crate::{Client, Options, prompt};

#[tokio::test]
async fn a_server_is_told_of_the_tries_before() {
    let full = || refused(Status::unavailable("Full."), Some("1"));
    let gateway = Gateway::start([full(), full(), said("Hi")]).await;
    let answer = gateway
        .client()
        .collect(prompt("m", "Hello"))
        .await
        .unwrap();
    assert_eq!(answer.text(), "Hi");
    let tried = |call: usize| {
        gateway
            .metadata(call)
            .get("grpc-previous-rpc-attempts")
            .cloned()
    };
    assert_eq!(tried(0), None);
    assert_eq!(tried(1).unwrap(), "1");
    assert_eq!(tried(2).unwrap(), "2");
}

#[tokio::test]
async fn a_pushback_that_is_no_number_of_milliseconds_stops() {
    for pushback in ["-1", "soon", "1.5", "99999999999999999999"] {
        let refusal = refused(Status::unavailable("Down."), Some(pushback));
        let gateway = Gateway::start([refusal]).await;
        let error = gateway
            .client()
            .collect(prompt("m", "Hello"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.status(), error.message()),
            (Code::Unavailable, "Down.")
        );
        assert_eq!(gateway.calls(), 1, "{pushback}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_to_be_kept_is_sent_once() {
    let gateway = Gateway::start([refused(Status::unavailable("Full."), Some("1"))]).await;
    let mut request = prompt("m", "What is it?");
    request.messages[0].parts.push(Part {
        kind: Some(part::Kind::Media(Media {
            source: Some(Source::Data(vec![0; 33 << 20].into())),
            ..Media::default()
        })),
        ..Part::default()
    });
    let error = gateway.client().collect(request).await.unwrap_err();
    assert_eq!((error.message(), gateway.calls()), ("Full.", 1));
}

#[tokio::test]
async fn a_connection_lost_before_output_is_tried_again() {
    let (silent, _left) = stalled([]);
    let gateway = Gateway::start([silent, said("Hi")]).await;
    let wire = Wire::to(&gateway).await;
    let client = Client::connect(&wire.address, Options::new()).unwrap();
    let collecting = tokio::spawn(async move { client.collect(prompt("m", "Hello")).await });
    gateway.called(1).await;
    wire.cut();
    assert_eq!(collecting.await.unwrap().unwrap().text(), "Hi");
    assert_eq!(gateway.calls(), 2);
}

#[tokio::test]
async fn a_connection_lost_after_output_is_unavailable_and_not_tried_again() {
    let started = Kind::Started(Started {
        generation_id: "gen-1".into(),
        ..Started::default()
    });
    let (half, _left) = stalled([started]);
    let gateway = Gateway::start([half, said("Hi")]).await;
    let wire = Wire::to(&gateway).await;
    let client = Client::connect(&wire.address, Options::new()).unwrap();
    let mut stream = client.generate(prompt("m", "Hello"));
    stream.next().await.unwrap().unwrap();
    wire.cut();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!((error.status(), error.reason()), (Code::Unavailable, ""));
    assert_eq!(error.generation_id(), "gen-1");
    assert!(stream.next().await.is_none());
    assert_eq!(gateway.calls(), 1);
}

#[tokio::test]
async fn a_deadline_holds_over_waits_as_well() {
    let gateway = Gateway::start([refused(Status::unavailable("Full."), Some("60000"))]).await;
    let client = gateway.client().with_timeout(Duration::from_millis(200));
    let called = client.collect(prompt("m", "Hello"));
    let error = timeout(Duration::from_secs(20), called)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.status(), Code::DeadlineExceeded);
    assert!(gateway.metadata(0).contains_key("grpc-timeout"));
}
