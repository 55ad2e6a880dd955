//! What each order does with the client.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_core::Stream;
use sluice_client::v1::{Event, ListModelsRequest, ToolCall};
use sluice_client::{BoxError, Client, Error, Function, Run, RunError, ToolError};

use crate::answers::{answer, error};
use crate::json::{read, written};
use crate::lines::{self, Lines};
use crate::order::{Call, FunctionOrder, Order, Outcome};

/// How the reading of a stream ended.
enum End<E> {
    /// By itself.
    Done,
    /// As the order told.
    Cancelled,
    Failed(E),
}

/// Carries out an order, and writes what it saw.
pub(crate) async fn carry_out(mut order: Order, lines: &mut Lines) -> Result<(), BoxError> {
    let client = order.client()?;
    let request = order.request.take();
    match order.call {
        Call::Generate => {
            let stream = client.generate(read("GenerateRequest", request)?);
            let end = follow(stream, &order, lines, event).await?;
            ended(end)
        }
        Call::Text => {
            let stream = client.generate(read("GenerateRequest", request)?).text();
            let text = |text: &String| Ok(lines::write("text", text)?);
            let end = follow(stream, &order, lines, text).await?;
            ended(end)
        }
        Call::Collect => {
            let collected = client.collect(read("GenerateRequest", request)?).await;
            told(collected, "answer", |it| answer(&it))
        }
        Call::RunTools => {
            let functions = order.functions.iter().map(function);
            let mut run = client.run_tools(read("GenerateRequest", request)?, functions);
            if let Some(turns) = order.max_turns {
                run = run.max_turns(turns);
            }
            run_tools(run, &order, lines).await
        }
        Call::Models => {
            let models = models(&client, read("ListModelsRequest", request)?).await;
            told(models, "models", |it| Ok(it.into()))
        }
        Call::GetRateLimits => {
            let limits = client
                .get_rate_limits(read("GetRateLimitsRequest", request)?)
                .await;
            told(limits, "response", |it| {
                written("GetRateLimitsResponse", &it)
            })
        }
        Call::GetMetrics => {
            let metrics = client
                .get_metrics(read("GetMetricsRequest", request)?)
                .await;
            told(metrics, "response", |it| written("GetMetricsResponse", &it))
        }
        Call::Health => {
            let health = client.health(order.service).await;
            told(health, "health", |it| Ok(it.as_str_name().into()))
        }
    }
}

async fn run_tools(mut run: Run, order: &Order, lines: &mut Lines) -> Result<(), BoxError> {
    match follow(&mut run, order, lines, event).await? {
        End::Done => {}
        End::Cancelled => lines::write("cancelled", true)?,
        End::Failed(RunError::Call(it)) => lines::write("error", error(&it))?,
        End::Failed(RunError::TurnLimit(_)) => lines::write("turn_limit", true)?,
        End::Failed(it) => lines::write("broken", it.to_string())?,
    }
    let messages = run.messages().iter().map(|it| written("Message", it));
    let answers = run.answers().iter().map(answer);
    lines::write(
        "run",
        serde_json::json!({
            "messages": messages.collect::<Result<Vec<_>, _>>()?,
            "answers": answers.collect::<Result<Vec<_>, _>>()?,
        }),
    )?;
    Ok(())
}

/// Reads a stream, pausing and leaving where the order says so.
async fn follow<T, E>(
    mut stream: impl Stream<Item = Result<T, E>> + Unpin,
    order: &Order,
    lines: &mut Lines,
    mut write: impl FnMut(&T) -> Result<(), BoxError>,
) -> Result<End<E>, BoxError> {
    if order.cancel_after == Some(0) {
        // The call begins when its stream is first read.
        poll_fn(|cx| {
            let _ = Pin::new(&mut stream).poll_next(cx);
            Poll::Ready(())
        })
        .await;
        return Ok(End::Cancelled);
    }
    let mut written = 0;
    while let Some(item) = poll_fn(|cx| pin!(&mut stream).poll_next(cx)).await {
        match item {
            Ok(item) => write(&item)?,
            Err(error) => return Ok(End::Failed(error)),
        }
        written += 1;
        if order.pause_after == Some(written) {
            lines::write("paused", true)?;
            lines.read().await?;
        }
        if order.cancel_after == Some(written) {
            return Ok(End::Cancelled);
        }
    }
    Ok(End::Done)
}

/// Tells how a stream of one turn ended, unless by itself.
fn ended(end: End<Error>) -> Result<(), BoxError> {
    match end {
        End::Done => {}
        End::Cancelled => lines::write("cancelled", true)?,
        End::Failed(it) => lines::write("error", error(&it))?,
    }
    Ok(())
}

/// Writes what a call returned, or how it failed.
fn told<T>(
    result: Result<T, Error>,
    name: &str,
    value: impl FnOnce(T) -> Result<serde_json::Value, BoxError>,
) -> Result<(), BoxError> {
    match result {
        Ok(result) => lines::write(name, value(result)?)?,
        Err(it) => lines::write("error", error(&it))?,
    }
    Ok(())
}

fn event(event: &Event) -> Result<(), BoxError> {
    Ok(lines::write("event", written("Event", event)?)?)
}

async fn models(client: &Client, request: ListModelsRequest) -> Result<Vec<String>, Error> {
    let models = client
        .models(request.filter.unwrap_or_default())
        .page_size(request.page_size);
    let models = models.collect().await?;
    Ok(models.into_iter().map(|model| model.name).collect())
}

fn function(order: &FunctionOrder) -> Function {
    let outcome = order.outcome.clone();
    let call = move |call: ToolCall| {
        let outcome = outcome.clone();
        async move {
            lines::write("called", written("ToolCall", &call)?)?;
            match outcome {
                Outcome::Returns(text) => Ok(text),
                Outcome::Fails(text) => Err(ToolError::new(text).into()),
                Outcome::Breaks(text) => Err(text.into()),
            }
        }
    };
    Function::new(
        &order.name,
        &order.description,
        &order.input_schema_json,
        call,
    )
}
