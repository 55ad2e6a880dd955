//! Streams that are left, and their end.

use futures_util::StreamExt as _;
use tonic::Code;

use super::gateway::{Gateway, good, said, stalled, text};
use crate::prompt;

#[tokio::test]
async fn dropping_a_stream_cancels_the_call() {
    let (half, left) = stalled([text("Riv")]);
    let gateway = Gateway::start([half]).await;
    let mut stream = gateway.client().generate(prompt("m", "Hello"));
    stream.next().await.unwrap().unwrap();
    drop(stream);
    left.notified().await;
}

#[tokio::test]
async fn dropping_a_call_before_output_cancels_it() {
    let (silent, left) = stalled([]);
    let gateway = Gateway::start([silent]).await;
    let client = gateway.client();
    let collecting = tokio::spawn(async move { client.collect(prompt("m", "Hello")).await });
    gateway.called(1).await;
    collecting.abort();
    left.notified().await;
}

#[tokio::test]
async fn nothing_is_sent_before_a_stream_is_read() {
    let gateway = Gateway::start([said("second")]).await;
    let client = gateway.client();
    drop(client.generate(prompt("m", "first")));
    client.collect(prompt("m", "second")).await.unwrap();
    assert_eq!(gateway.calls(), 1);
}

#[tokio::test]
async fn nothing_comes_after_an_end() {
    let gateway = Gateway::start([good([text("Riv")])]).await;
    let mut pieces = gateway.client().generate(prompt("m", "Hello")).text();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "Riv");
    let error = pieces.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.status(), error.reason()),
        (Code::Unavailable, "STREAM_TRUNCATED")
    );
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn streams_work_with_the_crate_futures() {
    let gateway = Gateway::start([said("Hi")]).await;
    let pieces = gateway.client().generate(prompt("m", "Hello")).text();
    let pieces = pieces.map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(pieces.await, ["Hi"]);
}
