//! Lists of models over their pages.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tonic::Code;

use super::gateway::Gateway;
use crate::v1::ModelFilter;

#[tokio::test]
async fn a_page_that_nobody_waited_for_is_asked_for_again() {
    let gateway = Gateway::start([]).await;
    let mut models = gateway.client().models(ModelFilter::default());
    {
        let mut next = pin!(models.next());
        poll_fn(|cx| {
            assert!(next.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let error = models.next().await.unwrap().unwrap_err();
    assert_eq!(error.status(), Code::Unimplemented);
    assert!(models.next().await.is_none());
}
