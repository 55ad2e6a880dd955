//! A gateway that says what it is told to.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_core::Stream;
use futures_util::stream::{self, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::v1::event::Kind;
use crate::v1::gateway_service_server::{GatewayService, GatewayServiceServer};
use crate::v1::{
    Completed, Event, FinishReason, GenerateRequest, GenerateResponse, GetMetricsRequest,
    GetMetricsResponse, GetRateLimitsRequest, GetRateLimitsResponse, ListModelsRequest,
    ListModelsResponse, Message, TextDelta,
};
use crate::{Client, Options};

/// What becomes of one Generate.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) events: Vec<Kind>,
    pub(crate) end: End,
}

/// What comes after the events.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Good,
    Bad(Status),
    /// Nothing; that the client left is told.
    Stall(Arc<Notify>),
}

/// A running gateway; it plays its replies in order.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) address: String,
    script: Arc<Mutex<VecDeque<Reply>>>,
    seen: watch::Sender<Vec<(MetadataMap, GenerateRequest)>>,
}

impl Gateway {
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Self {
            address: listener.local_addr().unwrap().to_string(),
            script: Arc::new(Mutex::new(replies.into_iter().collect())),
            seen: watch::Sender::default(),
        };
        let service =
            GatewayServiceServer::new(gateway.clone()).max_decoding_message_size(usize::MAX);
        let serving = Server::builder().serve_with_incoming(service, TcpIncoming::from(listener));
        tokio::spawn(serving);
        gateway
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.address, Options::new()).unwrap()
    }

    /// How many Generates came.
    pub(crate) fn calls(&self) -> usize {
        self.seen.borrow().len()
    }

    /// Waits until so many Generates came.
    pub(crate) async fn called(&self, times: usize) {
        let mut seen = self.seen.subscribe();
        seen.wait_for(|seen| seen.len() >= times).await.unwrap();
    }

    pub(crate) fn metadata(&self, call: usize) -> MetadataMap {
        self.seen.borrow()[call].0.clone()
    }

    pub(crate) fn request(&self, call: usize) -> GenerateRequest {
        self.seen.borrow()[call].1.clone()
    }
}

pub(crate) fn text(text: &str) -> Kind {
    Kind::TextDelta(TextDelta {
        part: 0,
        text: text.to_owned(),
    })
}

pub(crate) fn completed(reason: FinishReason, message: Option<Message>) -> Kind {
    Kind::Completed(Completed {
        finish_reason: reason.into(),
        message,
        ..Completed::default()
    })
}

pub(crate) fn good(events: impl IntoIterator<Item = Kind>) -> Reply {
    Reply {
        events: events.into_iter().collect(),
        end: End::Good,
    }
}

/// A whole answer of one word.
pub(crate) fn said(word: &str) -> Reply {
    good([text(word), completed(FinishReason::Stop, None)])
}

/// A refusal before anything else, with a pushback if there is one.
pub(crate) fn refused(status: Status, pushback: Option<&str>) -> Reply {
    let mut status = status;
    if let Some(value) = pushback {
        let value = value.parse().unwrap();
        status
            .metadata_mut()
            .insert("grpc-retry-pushback-ms", value);
    }
    Reply {
        events: Vec::new(),
        end: End::Bad(status),
    }
}

pub(crate) fn stalled(events: impl IntoIterator<Item = Kind>) -> (Reply, Arc<Notify>) {
    let left = Arc::new(Notify::new());
    let reply = Reply {
        events: events.into_iter().collect(),
        end: End::Stall(Arc::clone(&left)),
    };
    (reply, left)
}

/// Tells that it was dropped.
struct Left(Arc<Notify>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tonic::async_trait]
impl GatewayService for Gateway {
    type GenerateStream = Pin<Box<dyn Stream<Item = Result<GenerateResponse, Status>> + Send>>;

    async fn generate(
        &self,
        request: Request<GenerateRequest>,
    ) -> Result<Response<Self::GenerateStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.seen.send_modify(|seen| seen.push((metadata, request)));
        let reply = self.script.lock().unwrap().pop_front();
        let reply = reply.ok_or_else(|| Status::aborted("This call is not scripted."))?;
        let messages = reply.events.into_iter().map(|kind| {
            Ok(GenerateResponse {
                events: vec![Event { kind: Some(kind) }],
            })
        });
        let messages: Vec<Result<GenerateResponse, Status>> = messages.collect();
        match reply.end {
            End::Bad(status) if messages.is_empty() => Err(status),
            End::Bad(status) => {
                let end = stream::once(async { Err(status) });
                Ok(Response::new(Box::pin(stream::iter(messages).chain(end))))
            }
            End::Good => Ok(Response::new(Box::pin(stream::iter(messages)))),
            End::Stall(left) => {
                let left = Left(left);
                let end = stream::pending().inspect(move |_| {
                    let _kept = &left;
                });
                Ok(Response::new(Box::pin(stream::iter(messages).chain(end))))
            }
        }
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_rate_limits(
        &self,
        _: Request<GetRateLimitsRequest>,
    ) -> Result<Response<GetRateLimitsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_metrics(
        &self,
        _: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Stands between client and gateway, and can cut the connections.
pub(crate) struct Wire {
    pub(crate) address: String,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Wire {
    pub(crate) async fn to(gateway: &Gateway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            address: listener.local_addr().unwrap().to_string(),
            connections: Arc::default(),
        };
        let (connections, to) = (Arc::clone(&wire.connections), gateway.address.clone());
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(&to).await.unwrap();
                let copying = tokio::spawn(async move {
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
                connections.lock().unwrap().push(copying.abort_handle());
            }
        });
        wire
    }

    pub(crate) fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}
