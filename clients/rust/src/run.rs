//! Runs of tools: turns, and the functions that the model calls between them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use futures_core::stream::Stream as _;
use futures_util::future::try_join_all;

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::function::{self, BoxError, Function};
use crate::messages::message;
use crate::stream::Stream;
use crate::v1::{Event, FinishReason, GenerateRequest, Message, Part, Role, ToolCall};

/// Turns of a run unless it is told otherwise.
const MAX_TURNS: usize = 10;

/// How a run of tools fails.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// A turn failed.
    Call(Error),
    /// All turns were made, and the last one still wants more.
    TurnLimit(TurnLimitError),
    /// A function failed with something else than a [`crate::ToolError`].
    Function(BoxError),
}

/// All turns of a run were made, and the last one still wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnLimitError {
    /// How many turns were allowed.
    pub max_turns: usize,
}

/// The events of all turns of a run of tools.
///
/// It is a [`futures_core::Stream`] as well. To drop it cancels the turn or the functions
/// that run; those of one turn run at the same time, in the task that reads the run, which
/// a panic in one of them reaches. When one breaks, the others of its turn are dropped. It ends when the model has no more
/// calls, when it calls a tool of the request for which there is no function (these calls
/// are the caller's, and nothing of that turn is run), or with a [`RunError`].
#[must_use = "a run begins when it is read"]
pub struct Run {
    client: Client,
    request: GenerateRequest,
    functions: HashMap<String, Function>,
    /// Names of tools that the request itself declares.
    declared: HashSet<String>,
    max_turns: usize,
    answers: Vec<Answer>,
    state: State,
}

enum State {
    /// Before a turn.
    Next,
    Turn(Box<Stream>),
    Functions(BoxFuture<'static, Result<Vec<Part>, BoxError>>),
    Ended,
}

impl Run {
    pub(crate) fn new(
        client: Client,
        mut request: GenerateRequest,
        functions: Vec<Function>,
    ) -> Self {
        let declared = request.tools.iter().map(|tool| tool.name.clone()).collect();
        let tools = functions.iter().map(Function::tool).cloned();
        request.tools.extend(tools);
        Self {
            client,
            request,
            functions: functions
                .into_iter()
                .map(|function| (function.tool().name.clone(), function))
                .collect(),
            declared,
            max_turns: MAX_TURNS,
            answers: Vec::new(),
            state: State::Next,
        }
    }

    /// Makes at most so many turns; without this ten.
    ///
    /// # Panics
    ///
    /// With 0: a run that makes no turn is a mistake in the program.
    #[track_caller]
    pub fn max_turns(mut self, turns: usize) -> Self {
        assert!(turns > 0, "a run makes at least one turn");
        self.max_turns = turns;
        self
    }

    /// The conversation so far, the request's own messages included.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.request.messages
    }

    /// The answers so far, one per turn that came to its end.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Returns the next event; `None` after the last one. To drop what this returns before it
    /// is ready loses no event, and lets the functions that run wait.
    pub async fn next(&mut self) -> Option<Result<Event, RunError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Keeps a turn's answer, and returns what comes after it.
    fn after(&mut self, answer: Answer) -> Result<State, RunError> {
        self.request.messages.push(answer.message.clone());
        let reason = answer.finish_reason();
        let calls: Vec<ToolCall> = answer.tool_calls().into_iter().cloned().collect();
        self.answers.push(answer);
        let goes_on = match reason {
            FinishReason::Paused => true,
            FinishReason::ToolCalls => {
                !calls.is_empty() && !calls.iter().any(|call| self.is_callers(call))
            }
            _ => false,
        };
        if !goes_on {
            return Ok(State::Ended);
        }
        // Before the functions are called: nobody would hear of their results.
        if self.answers.len() >= self.max_turns {
            return Err(RunError::TurnLimit(TurnLimitError {
                max_turns: self.max_turns,
            }));
        }
        if reason == FinishReason::Paused {
            return Ok(State::Next);
        }
        let answers = calls.into_iter().map(|call| {
            let function = self.functions.get(&call.name).cloned();
            function::answer(call, function)
        });
        Ok(State::Functions(Box::pin(try_join_all(
            answers.collect::<Vec<_>>(),
        ))))
    }

    /// Whether a call is of a tool that the request declares and no function serves.
    fn is_callers(&self, call: &ToolCall) -> bool {
        self.declared.contains(&call.name) && !self.functions.contains_key(&call.name)
    }

    /// Goes on until there is an event to hand out; `None` at the end.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, RunError>> {
        loop {
            self.state = match &mut self.state {
                State::Next => {
                    let turn = self.client.generate(self.request.clone());
                    State::Turn(Box::new(turn))
                }
                State::Turn(turn) => match ready!(Pin::new(turn.as_mut()).poll_next(cx)) {
                    Some(event) => {
                        return Poll::Ready(event.map(Some).map_err(RunError::Call));
                    }
                    None => match turn.take_answer() {
                        Some(answer) => self.after(answer)?,
                        None => State::Ended,
                    },
                },
                State::Functions(results) => {
                    let parts = ready!(results.as_mut().poll(cx)).map_err(RunError::Function)?;
                    self.request.messages.push(message(Role::Tool, parts));
                    State::Next
                }
                State::Ended => return Poll::Ready(Ok(None)),
            };
        }
    }
}

impl futures_core::Stream for Run {
    type Item = Result<Event, RunError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let step = ready!(this.poll_step(cx));
        if !matches!(step, Ok(Some(_))) {
            this.state = State::Ended;
        }
        Poll::Ready(step.transpose())
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("functions", &self.functions)
            .field("max_turns", &self.max_turns)
            .field("turns", &self.answers.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::TurnLimit(error) => error.fmt(f),
            Self::Function(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    /// An error that is shown as it is has the same cause as well.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::TurnLimit(error) => error.source(),
            Self::Function(error) => error.source(),
        }
    }
}

impl fmt::Display for TurnLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} turns were made, and the last one wants more.",
            self.max_turns
        )
    }
}

impl std::error::Error for TurnLimitError {}
