//! Statuses as they may come, and what is made of them.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::Error;

fn status(details: ErrorDetails) -> Status {
    Status::with_error_details(Code::ResourceExhausted, "Slow.", details)
}

#[test]
fn details_that_cannot_be_read_leave_the_status() {
    let garbled = Status::with_details(Code::Aborted, "Later.", b"\xff\xff\xff".to_vec().into());
    let error = Error::from(garbled);
    assert_eq!((error.status(), error.message()), (Code::Aborted, "Later."));
    assert_eq!((error.reason(), error.retry_delay()), ("", None));
}

#[test]
fn a_reason_of_another_domain_is_not_the_gateways() {
    let mut details = ErrorDetails::new();
    details.set_error_info("SOMETHING", "proxy.example", [("host".into(), "a".into())]);
    let error = Error::from(status(details));
    assert_eq!((error.reason(), error.metadata().len()), ("", 0));
}

#[test]
fn an_error_is_shown_in_one_line() {
    let mut details = ErrorDetails::new();
    details.set_error_info("PROVIDER_RATE_LIMITED", "sluice.v1", []);
    details.set_retry_info(Some(Duration::from_millis(2500)));
    let error = Error::from(status(details));
    assert_eq!(
        error.to_string(),
        "PROVIDER_RATE_LIMITED: Slow.; try again in 2.5 s"
    );
    let bare = Error::from(Status::not_found("Nobody."));
    assert_eq!(bare.to_string(), "NOT_FOUND: Nobody.");
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_with_the_cause() {
    let client = crate::Client::connect("127.0.0.1:1", crate::Options::new()).unwrap();
    let error = client.health("").await.unwrap_err();
    assert_eq!((error.status(), error.reason()), (Code::Unavailable, ""));
    assert!(error.message().contains("refused"), "{}", error.message());
}
