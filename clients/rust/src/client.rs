//! The client: one method per RPC.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::ServingStatus;
use crate::answer::Answer;
use crate::call::{Again, Caller, deadline};
use crate::error::Error;
use crate::function::Function;
use crate::metadata::{self, MetadataError};
use crate::models::Models;
use crate::options::{ConnectError, Options};
use crate::replicas::Replicas;
use crate::retry::Throttle;
use crate::run::Run;
use crate::stream::Stream;
use crate::target::Target;
use crate::v1::gateway_service_client::GatewayServiceClient;
use crate::v1::{
    GenerateRequest, GetMetricsRequest, GetMetricsResponse, GetRateLimitsRequest,
    GetRateLimitsResponse, ListModelsRequest, ListModelsResponse, ModelFilter,
};

/// Largest message that the client takes. A server with default settings sends no larger
/// one: `server.max_whole_answer_bytes` and 1 MiB around it. tonic's own default of 4 MiB
/// would fail large answers delivered whole.
const MAX_ANSWER_BYTES: usize = 33 * 1024 * 1024;

/// A gateway, with connections to all its replicas. Clones share them; they are closed
/// when the last clone and the last stream are gone. They live in the Tokio runtime of the call
/// that made them, and so does the client: after that runtime it is of no use in another.
#[derive(Clone)]
pub struct Client {
    caller: Arc<Caller>,
    timeout: Option<Duration>,
}

impl Client {
    /// Returns a client of the gateway at an address: `host:port`, or a target of gRPC's
    /// name resolution such as `dns:///sluice.default.svc:50051` or
    /// `ipv4:10.0.0.1:50051,10.0.0.2:50051`. Nothing is sent before the first call, which
    /// needs Tokio's runtime.
    ///
    /// # Errors
    ///
    /// The address or an option cannot be used.
    pub fn connect(address: &str, options: Options) -> Result<Self, ConnectError> {
        let target = Target::parse(address)?;
        let metadata = options.metadata()?;
        let endpoint = options.into_endpoint(&target)?;
        Ok(Self {
            caller: Arc::new(Caller {
                replicas: Arc::new(Replicas::new(target, endpoint)),
                throttle: Arc::new(Throttle::new()),
                metadata,
            }),
            timeout: None,
        })
    }

    /// Returns a client with the same connections whose every call must be over after
    /// this time, all its tries included; in a run of tools every turn. It is counted from
    /// when the method is called. The gateway is told, and stops as well. Without it there
    /// is no deadline.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self {
            caller: Arc::clone(&self.caller),
            timeout: Some(timeout),
        }
    }

    /// Returns a client with the same connections that sends metadata with every call, in a
    /// run of tools with every turn: pairs of names and values, both text. They are sent
    /// beside what this client sends already, and in place of what it sends by the same
    /// name, so that `authorization` replaces the token.
    ///
    /// # Errors
    ///
    /// A name or a value cannot be sent, or the name is gRPC's own.
    pub fn with_metadata(
        &self,
        metadata: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Self, MetadataError> {
        let added = metadata::read(metadata)?;
        Ok(Self {
            caller: Arc::new(Caller {
                replicas: Arc::clone(&self.caller.replicas),
                throttle: Arc::clone(&self.caller.throttle),
                metadata: metadata::with(&self.caller.metadata, added),
            }),
            timeout: self.timeout,
        })
    }

    /// Starts a turn, and streams what happens in it.
    pub fn generate(&self, request: GenerateRequest) -> Stream {
        Stream::start(Arc::clone(&self.caller), request, deadline(self.timeout))
    }

    /// Runs a turn to its end and returns the whole answer.
    pub async fn collect(&self, request: GenerateRequest) -> Result<Answer, Error> {
        self.generate(request).collect().await
    }

    /// Runs turns and the functions that the model calls in them, until it has no more
    /// calls. The functions are added to the request's own tools.
    pub fn run_tools(
        &self,
        request: GenerateRequest,
        functions: impl IntoIterator<Item = Function>,
    ) -> Run {
        Run::new(self.clone(), request, functions.into_iter().collect())
    }

    /// Returns one page of the models that can be called now.
    pub async fn list_models(
        &self,
        request: ListModelsRequest,
    ) -> Result<ListModelsResponse, Error> {
        self.call(request, Again::Policy, async |channel, request| {
            Ok(gateway(channel).list_models(request).await?.into_inner())
        })
        .await
    }

    /// Goes through all models that meet the filter's conditions, page by page.
    pub fn models(&self, filter: ModelFilter) -> Models {
        Models::new(self.clone(), filter)
    }

    /// Returns how much room is left upstream, and how long a call would have to wait.
    pub async fn get_rate_limits(
        &self,
        request: GetRateLimitsRequest,
    ) -> Result<GetRateLimitsResponse, Error> {
        self.call(request, Again::Policy, async |channel, request| {
            Ok(gateway(channel)
                .get_rate_limits(request)
                .await?
                .into_inner())
        })
        .await
    }

    /// Returns counters, latencies and health of the replica that answers.
    pub async fn get_metrics(
        &self,
        request: GetMetricsRequest,
    ) -> Result<GetMetricsResponse, Error> {
        self.call(request, Again::Policy, async |channel, request| {
            Ok(gateway(channel).get_metrics(request).await?.into_inner())
        })
        .await
    }

    /// Asks gRPC's health service about the whole gateway (`""`) or a part of it, such as
    /// `provider/openai`. One that it does not know is an error, `NOT_FOUND`.
    pub async fn health(&self, service: impl Into<String>) -> Result<ServingStatus, Error> {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        self.call(request, Again::Never, async |channel, request| {
            let answer = HealthClient::new(channel).check(request).await?;
            Ok(answer.into_inner().status())
        })
        .await
    }

    async fn call<M, T, Sent>(
        &self,
        request: M,
        again: Again,
        send: impl Fn(Channel, tonic::Request<M>) -> Sent,
    ) -> Result<T, Error>
    where
        M: prost::Message + Clone,
        Sent: Future<Output = Result<T, tonic::Status>>,
    {
        let caller = Arc::clone(&self.caller);
        caller
            .call(request, deadline(self.timeout), again, send)
            .await
    }
}

impl fmt::Debug for Client {
    /// Names the metadata without its values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = self.caller.metadata.as_ref().keys();
        f.debug_struct("Client")
            .field("target", self.caller.replicas.target())
            .field("timeout", &self.timeout)
            .field("metadata", &metadata.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Returns the stub for one try.
pub(crate) fn gateway(channel: Channel) -> GatewayServiceClient<Channel> {
    GatewayServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}
