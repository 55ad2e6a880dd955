//! Waits between tries, and the throttle, without a server.

use std::time::Duration;

use tonic::{Code, Status};

use crate::retry::{Throttle, Tries};

fn unavailable(pushback: Option<&str>) -> Status {
    let mut status = Status::unavailable("Down.");
    if let Some(value) = pushback {
        let value = value.parse().unwrap();
        status
            .metadata_mut()
            .insert("grpc-retry-pushback-ms", value);
    }
    status
}

fn assert_about(wait: Option<Duration>, seconds: f64) {
    let wait = wait.unwrap().as_secs_f64();
    assert!(
        wait >= seconds * 0.8 && wait <= seconds * 1.2,
        "{wait} instead of {seconds}"
    );
}

#[test]
fn waits_grow_and_five_tries_are_all() {
    let throttle = Throttle::new();
    let mut tries = Tries::new(&throttle, true);
    for seconds in [0.25, 0.5, 1.0, 2.0] {
        assert_about(tries.next(&unavailable(None)), seconds);
    }
    assert_eq!(tries.next(&unavailable(None)), None);
}

#[test]
fn waits_differ() {
    let throttle = Throttle::new();
    let wait = || Tries::new(&throttle, true).next(&unavailable(None));
    let first = wait();
    assert!((0..20).any(|_| wait() != first));
}

#[test]
fn a_pushback_is_waited_exactly_and_begins_the_waits_anew() {
    let throttle = Throttle::new();
    let mut tries = Tries::new(&throttle, true);
    assert_about(tries.next(&unavailable(None)), 0.25);
    assert_about(tries.next(&unavailable(None)), 0.5);
    assert_eq!(
        tries.next(&unavailable(Some("7000"))),
        Some(Duration::from_secs(7))
    );
    assert_about(tries.next(&unavailable(None)), 0.25);
}

#[test]
fn other_statuses_are_not_tried_again_whatever_the_server_says_of_it() {
    let throttle = Throttle::new();
    for code in [
        Code::InvalidArgument,
        Code::Internal,
        Code::DeadlineExceeded,
    ] {
        let mut status = Status::new(code, "");
        status
            .metadata_mut()
            .insert("grpc-retry-pushback-ms", 5.into());
        assert_eq!(Tries::new(&throttle, true).next(&status), None);
    }
}

#[test]
fn the_throttle_stops_retries_at_half_and_successes_allow_them_again() {
    let throttle = Throttle::new();
    for _ in 0..499 {
        assert!(
            Tries::new(&throttle, true)
                .next(&unavailable(None))
                .is_some()
        );
    }
    assert_eq!(Tries::new(&throttle, true).next(&unavailable(None)), None);
    for _ in 0..2 {
        throttle.succeeded();
    }
    assert!(
        Tries::new(&throttle, true)
            .next(&unavailable(None))
            .is_some()
    );
}

#[test]
fn the_throttle_counts_a_server_that_says_stop() {
    let throttle = Throttle::new();
    let mut stop = Status::internal("");
    stop.metadata_mut()
        .insert("grpc-retry-pushback-ms", "-1".parse().unwrap());
    for _ in 0..500 {
        assert_eq!(Tries::new(&throttle, true).next(&stop), None);
    }
    assert_eq!(Tries::new(&throttle, true).next(&unavailable(None)), None);
}
