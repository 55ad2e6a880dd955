//! Answers and errors as the protocol writes them.

use serde_json::{Value, json};
use sluice_client::{Answer, BoxError, Error, status_name};

use crate::json::written;

pub(crate) fn answer(answer: &Answer) -> Result<Value, BoxError> {
    let calls: Result<Vec<Value>, BoxError> = answer
        .tool_calls()
        .into_iter()
        .map(|call| written("ToolCall", call))
        .collect();
    Ok(json!({
        "message": written("Message", &answer.message)?,
        "text": answer.text(),
        "refusal": answer.refusal(),
        "reasoning": answer.reasoning(),
        "tool_calls": calls?,
        "finish_reason": answer.finish_reason,
        "usage": answer.usage.as_ref().map(|it| written("Usage", it)).transpose()?,
        "cost": answer.cost.as_ref().map(|it| written("Cost", it)).transpose()?,
        "upstream": answer.upstream.as_ref().map(|it| written("Upstream", it)).transpose()?,
        "generation_id": answer.generation_id,
    }))
}

pub(crate) fn error(error: &Error) -> Value {
    let violations = error.violations().iter();
    let quota_violations = error.quota_violations().iter();
    json!({
        "status": status_name(error.status()),
        "reason": error.reason(),
        "message": error.message(),
        "retry_delay_ms": error.retry_delay().map(|delay| delay.as_secs_f64() * 1000.0),
        "violations": violations
            .map(|it| json!({"field": it.field, "description": it.description}))
            .collect::<Vec<_>>(),
        "quota_violations": quota_violations
            .map(|it| json!({"subject": it.subject, "description": it.description}))
            .collect::<Vec<_>>(),
        "metadata": error.metadata(),
        "generation_id": error.generation_id(),
    })
}
