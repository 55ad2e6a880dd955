//! Makes requests and messages of plain text.

use crate::v1::{GenerateRequest, Message, Part, Role, ToolCall, ToolResult, part::Kind};

/// Returns a request of one user message.
pub fn prompt(model: impl Into<String>, text: impl Into<String>) -> GenerateRequest {
    GenerateRequest {
        model: model.into(),
        messages: vec![user(text)],
        ..GenerateRequest::default()
    }
}

/// Returns a message with instructions from the application.
pub fn system(text: impl Into<String>) -> Message {
    message(Role::System, vec![part(Kind::Text(text.into()))])
}

/// Returns a message from the end user.
pub fn user(text: impl Into<String>) -> Message {
    message(Role::User, vec![part(Kind::Text(text.into()))])
}

/// Returns a message with what one call returned.
pub fn tool_result(call: &ToolCall, text: impl Into<String>) -> Message {
    message(Role::Tool, vec![result(call, text, false)])
}

/// Returns the part that answers a call.
pub(crate) fn result(call: &ToolCall, text: impl Into<String>, is_error: bool) -> Part {
    part(Kind::ToolResult(ToolResult {
        tool_call_id: call.id.clone(),
        parts: vec![part(Kind::Text(text.into()))],
        is_error,
    }))
}

pub(crate) fn message(role: Role, parts: Vec<Part>) -> Message {
    Message {
        role: role.into(),
        parts,
    }
}

pub(crate) fn part(kind: Kind) -> Part {
    Part {
        kind: Some(kind),
        ..Part::default()
    }
}
