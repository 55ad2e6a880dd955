//! A turn as a stream: of events, or of its text alone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, vec};

use futures_core::future::BoxFuture;
use futures_core::stream::Stream as _;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Streaming;

use crate::answer::{Answer, Assembly};
use crate::call::{Again, Caller, deadline_exceeded};
use crate::client::gateway;
use crate::error::Error;
use crate::v1::{Event, GenerateRequest, GenerateResponse, event};

/// The events of a turn.
///
/// It is a [`futures_core::Stream`] as well, for those who have `futures` at hand. The
/// call begins when it is first read, and goes on as fast as it is read; to drop the
/// stream cancels the call. It ends after `Completed`; every other end is an [`Error`],
/// after which nothing comes any more.
///
/// What was read is kept for [`Stream::collect`], as long as the stream is; as text alone
/// ([`Stream::text`]) nothing is.
#[must_use = "a turn begins when its stream is read"]
pub struct Stream {
    state: State,
    deadline: Option<Instant>,
    /// Events of the last message that were not taken yet.
    events: vec::IntoIter<Event>,
    generation_id: String,
    is_completed: bool,
    /// What was read, for who collects; text alone is not kept.
    assembly: Option<Assembly>,
    /// How the turn ended, unless well.
    failure: Option<Error>,
}

enum State {
    Starting(BoxFuture<'static, Result<Opened, Error>>),
    Reading(Box<Streaming<GenerateResponse>>, Option<Pin<Box<Sleep>>>),
    Ended,
}

/// A call of which the first message is there. Until then it may be tried again.
struct Opened {
    first: Option<GenerateResponse>,
    rest: Streaming<GenerateResponse>,
}

impl Stream {
    pub(crate) fn start(
        caller: Arc<Caller>,
        request: GenerateRequest,
        deadline: Option<Instant>,
    ) -> Self {
        let opened = caller.call(
            request,
            deadline,
            Again::Policy,
            async |channel, request| {
                let mut rest = gateway(channel).generate(request).await?.into_inner();
                let first = rest.message().await?;
                Ok(Opened { first, rest })
            },
        );
        Self {
            state: State::Starting(Box::pin(opened)),
            deadline,
            events: vec::IntoIter::default(),
            generation_id: String::new(),
            is_completed: false,
            assembly: Some(Assembly::default()),
            failure: None,
        }
    }

    /// Returns the next event; `None` after the last one. To drop what this returns before it
    /// is ready loses no event.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns only the text as it comes, a refusal's words as well.
    pub fn text(mut self) -> TextStream {
        self.assembly = None;
        TextStream(self)
    }

    /// Reads to the end and returns the whole answer, with what was read before. A failure
    /// that was read before is told again.
    pub async fn collect(mut self) -> Result<Answer, Error> {
        while let Some(event) = self.next().await {
            event?;
        }
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.take_answer().ok_or_else(Error::truncated),
        }
    }

    /// Returns the answer of a turn that came to its end, once.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        let generation_id = std::mem::take(&mut self.generation_id);
        self.assembly.take()?.answer(generation_id)
    }

    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<GenerateResponse>, Error>> {
        match &mut self.state {
            State::Starting(opened) => {
                let Opened { first, rest } = ready!(opened.as_mut().poll(cx))?;
                let sleep = self
                    .deadline
                    .map(|deadline| Box::pin(sleep_until(deadline)));
                self.state = State::Reading(Box::new(rest), sleep);
                Poll::Ready(Ok(first))
            }
            State::Reading(rest, sleep) => {
                if let Some(sleep) = sleep
                    && sleep.as_mut().poll(cx).is_ready()
                {
                    return Poll::Ready(Err(deadline_exceeded()));
                }
                let message = ready!(Pin::new(rest.as_mut()).poll_next(cx));
                Poll::Ready(message.transpose().map_err(Error::from))
            }
            State::Ended => Poll::Ready(Ok(None)),
        }
    }

    fn keep(&mut self, event: &Event) {
        match &event.kind {
            Some(event::Kind::Started(started)) => {
                self.generation_id.clone_from(&started.generation_id);
            }
            Some(event::Kind::Completed(_)) => self.is_completed = true,
            _ => {}
        }
        if let Some(assembly) = &mut self.assembly {
            assembly.add(event);
        }
    }
}

impl futures_core::Stream for Stream {
    type Item = Result<Event, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            for event in this.events.by_ref() {
                // A kind that this contract does not know arrives as none.
                if event.kind.is_some() {
                    this.keep(&event);
                    return Poll::Ready(Some(Ok(event)));
                }
            }
            if matches!(this.state, State::Ended) {
                return Poll::Ready(None);
            }
            let error = match ready!(this.poll_message(cx)) {
                Ok(Some(message)) => {
                    this.events = message.events.into_iter();
                    continue;
                }
                Ok(None) if this.is_completed => None,
                Ok(None) => Some(Error::truncated()),
                Err(error) => Some(error),
            };
            this.state = State::Ended;
            this.failure = error.map(|error| error.of_turn(&this.generation_id));
            return Poll::Ready(this.failure.clone().map(Err));
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("generation_id", &self.generation_id)
            .finish_non_exhaustive()
    }
}

/// The text of a turn as it comes; see [`Stream`] for how it ends.
#[derive(Debug)]
#[must_use = "a turn begins when its stream is read"]
pub struct TextStream(Stream);

impl TextStream {
    /// Returns the next piece of text; `None` after the last one. To drop what this returns
    /// before it is ready loses no text.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl futures_core::Stream for TextStream {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let event = match ready!(Pin::new(&mut self.0).poll_next(cx)) {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            if let Some(event::Kind::TextDelta(delta)) = event.kind {
                return Poll::Ready(Some(Ok(delta.text)));
            }
        }
    }
}
