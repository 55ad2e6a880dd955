//! Functions that a model may call.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;

use crate::messages::result;
use crate::v1::{ArgumentsCheck, Part, Tool, ToolCall};

/// Anything that a function may fail with.
pub type BoxError = Box<dyn StdError + Send + Sync>;

type Call = dyn Fn(ToolCall) -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync;

/// A function that the model may call.
#[derive(Clone)]
pub struct Function {
    tool: Tool,
    call: Arc<Call>,
}

/// A failure of a function that is the model's to deal with: it is told the message.
/// Any other error that a function returns ends the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError(String);

impl Function {
    /// Returns a function: its name (`[A-Za-z0-9_-]{1,64}`, unique in the request), what it
    /// does and when to use it, the JSON Schema of its arguments as JSON text (empty: it
    /// takes none), and what to call. That gets the call, with arguments that the gateway
    /// checked, and returns text. It must not block the thread, which its run shares with the
    /// other calls of the turn.
    pub fn new<F, Called>(
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema_json: impl Into<String>,
        call: F,
    ) -> Self
    where
        F: Fn(ToolCall) -> Called + Send + Sync + 'static,
        Called: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        Self {
            tool: Tool {
                name: name.into(),
                description: description.into(),
                input_schema_json: input_schema_json.into(),
                strict: false,
            },
            call: Arc::new(move |it| Box::pin(call(it))),
        }
    }

    /// Asks the provider for decoding constrained to the schema.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.tool.strict = true;
        self
    }

    pub(crate) fn tool(&self) -> &Tool {
        &self.tool
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("tool", &self.tool)
            .finish_non_exhaustive()
    }
}

impl ToolError {
    /// Returns a failure with what the model is told about it.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ToolError {}

/// Answers a call with what its function returns, or with what is wrong with the call.
pub(crate) async fn answer(call: ToolCall, function: Option<Function>) -> Result<Part, BoxError> {
    let function = match (wrong(&call), function) {
        (None, Some(function)) => function,
        (Some(wrong), Some(_)) => return Ok(result(&call, wrong, true)),
        (_, None) => return Ok(result(&call, unknown(&call), true)),
    };
    match (function.call)(call.clone()).await {
        Ok(text) => Ok(result(&call, text, false)),
        Err(error) => match error.downcast::<ToolError>() {
            Ok(error) => Ok(result(&call, error.0, true)),
            Err(error) => Err(error),
        },
    }
}

/// Returns what the model is told about a call that the gateway found wrong.
fn wrong(call: &ToolCall) -> Option<String> {
    match call.check() {
        ArgumentsCheck::MalformedJson => Some("The arguments are not valid JSON.".to_owned()),
        ArgumentsCheck::SchemaViolation => Some(format!(
            "The arguments do not match the schema: {}",
            call.violations.join("; ")
        )),
        ArgumentsCheck::UnknownTool => Some(unknown(call)),
        ArgumentsCheck::Valid | ArgumentsCheck::Unspecified => None,
    }
}

fn unknown(call: &ToolCall) -> String {
    format!("There is no function named {}.", call.name)
}
