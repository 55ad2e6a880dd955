//! What prints a client or its options shows no secret.

use super::gateway::{Gateway, said};
use crate::{Client, Options, Tls, prompt};

const SECRET: &str = "secret-0123456789";

#[tokio::test]
async fn a_token_is_sent_and_not_shown() {
    let gateway = Gateway::start([said("Hi")]).await;
    let options = Options::new().token(SECRET);
    assert!(!format!("{options:#?}").contains(SECRET));
    let client = Client::connect(&gateway.address, options).unwrap();
    assert!(!format!("{client:#?}").contains(SECRET));
    let stream = client.generate(prompt("m", "Hello"));
    assert!(!format!("{stream:#?}").contains(SECRET));
    stream.collect().await.unwrap();
    assert_eq!(
        gateway.metadata(0).get("authorization").unwrap(),
        &format!("Bearer {SECRET}")
    );
}

#[test]
fn a_token_that_cannot_be_sent_is_refused_and_not_shown() {
    let token = format!("{SECRET}\n");
    let error = Client::connect("localhost:1", Options::new().token(token)).unwrap_err();
    assert!(!format!("{error:?} {error}").contains(SECRET));
}

#[test]
fn a_key_is_not_shown() {
    let tls = Tls {
        key: Some(SECRET.into()),
        ..Tls::default()
    };
    let shown = format!("{tls:#?} {:#?}", Options::new().tls(tls.clone()));
    assert!(!shown.contains(SECRET) && !shown.contains(&format!("{:?}", SECRET.as_bytes())));
    let error = Client::connect("localhost:1", Options::new().tls(tls)).unwrap_err();
    assert_eq!(error.to_string(), "cert and key go together.");
}

#[test]
fn what_is_no_pem_is_refused_at_once_and_not_shown() {
    let other: Option<Vec<u8>> = Some(SECRET.into());
    let key = format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n");
    let key: Option<Vec<u8>> = Some(key.into());
    let cert = other.clone();
    for (tls, field) in [
        (
            Tls {
                ca: other.clone(),
                ..Tls::default()
            },
            "ca",
        ),
        (
            Tls {
                ca: key.clone(),
                ..Tls::default()
            },
            "ca",
        ),
        (
            Tls {
                ca: None,
                cert,
                key,
            },
            "cert",
        ),
    ] {
        let error = Client::connect("localhost:1", Options::new().tls(tls)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{field} holds no certificate in PEM.")
        );
    }
}
