//! Streams that are left, and their end.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::gateway::{End, Gateway, Reply, completed, good, said, stalled, text};
use crate::prompt;
use crate::v1::event::Kind;
use crate::v1::{FinishReason, Started};

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
async fn streams_that_are_not_read_hold_up_no_others() {
    let megabyte = "x".repeat(1 << 20);
    let long = || good((0..8).map(|_| text(&megabyte)));
    let replies = (0..8).map(|_| long()).chain([said("Hi")]);
    let gateway = Gateway::start(replies).await;
    let client = gateway.client();
    let reading = async {
        let mut paused = Vec::new();
        for _ in 0..8 {
            let mut stream = client.generate(prompt("m", "Hello"));
            stream.next().await.unwrap().unwrap();
            paused.push(stream);
        }
        client.collect(prompt("m", "Hello")).await.unwrap().text()
    };
    assert_eq!(
        timeout(Duration::from_secs(20), reading).await,
        Ok("Hi".into())
    );
}

#[tokio::test]
async fn collecting_keeps_what_was_read_before() {
    let started = Kind::Started(Started {
        generation_id: "gen-1".into(),
        ..Started::default()
    });
    let ended = completed(FinishReason::Stop, None);
    let gateway = Gateway::start([good([started, text("Riv"), text("ers"), ended])]).await;
    let mut stream = gateway.client().generate(prompt("m", "Hello"));
    for _ in 0..2 {
        stream.next().await.unwrap().unwrap();
    }
    let answer = stream.collect().await.unwrap();
    assert_eq!(
        (answer.text(), answer.generation_id),
        ("Rivers".into(), "gen-1".into())
    );
}

#[tokio::test]
async fn a_failure_that_was_read_is_told_to_who_collects_afterwards() {
    let reply = Reply {
        events: vec![text("Riv"), completed(FinishReason::Stop, None)],
        end: End::Bad(Status::aborted("Broken.")),
    };
    let gateway = Gateway::start([reply]).await;
    let mut stream = gateway.client().generate(prompt("m", "Hello"));
    while let Some(event) = stream.next().await {
        assert!(event.is_ok() || event.is_err_and(|it| it.status() == Code::Aborted));
    }
    let error = stream.collect().await.unwrap_err();
    assert_eq!(
        (error.status(), error.message()),
        (Code::Aborted, "Broken.")
    );
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let gateway = Gateway::start((0..10).map(|_| said("Hi"))).await;
    let client = gateway.client();
    client.collect(prompt("m", "connects")).await.unwrap();
    let late = client.with_timeout(Duration::ZERO);
    for _ in 0..9 {
        let error = late.collect(prompt("m", "Hello")).await.unwrap_err();
        assert_eq!(error.status(), Code::DeadlineExceeded);
    }
    assert_eq!(gateway.calls(), 1);
}

#[tokio::test]
async fn a_deadline_beyond_what_grpc_can_say_is_none() {
    let gateway = Gateway::start([said("Hi")]).await;
    let ages = Duration::from_secs(1 << 40);
    let client = gateway.client().with_timeout(ages);
    let answer = client.collect(prompt("m", "Hello")).await.unwrap();
    assert_eq!(answer.text(), "Hi");
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
