//! Rules of runs that need a look inside.

use std::sync::Arc;

use tokio::sync::Barrier;
use tonic::Status;

use super::gateway::{Gateway, Reply, completed, good, refused, said};
use crate::messages::{message, part};
use crate::v1::part::Kind;
use crate::v1::{ArgumentsCheck, FinishReason, Role, ToolCall};
use crate::{Client, Function, Options, RunError, prompt};

/// A turn that calls these functions.
fn calls(names: &[&str]) -> Reply {
    let calls = names.iter().enumerate().map(|(number, name)| {
        part(Kind::ToolCall(ToolCall {
            id: format!("c{number}"),
            name: (*name).to_owned(),
            arguments_json: "{}".to_owned(),
            ..ToolCall::default()
        }))
    });
    let message = message(Role::Assistant, calls.collect());
    good([completed(FinishReason::ToolCalls, Some(message))])
}

#[tokio::test]
async fn functions_of_a_turn_run_at_the_same_time_and_answer_in_order() {
    let gateway = Gateway::start([calls(&["a", "b"]), said("Done.")]).await;
    let both = Arc::new(Barrier::new(2));
    let function = |name: &'static str| {
        let both = Arc::clone(&both);
        Function::new(name, "", "", move |call: ToolCall| {
            let both = Arc::clone(&both);
            async move {
                both.wait().await;
                Ok(call.name)
            }
        })
    };
    let mut run = gateway
        .client()
        .run_tools(prompt("m", "Hello"), [function("b"), function("a")]);
    while let Some(event) = run.next().await {
        event.unwrap();
    }
    let results = &gateway.request(1).messages[2].parts;
    let ids = results.iter().map(|part| match &part.kind {
        Some(Kind::ToolResult(result)) => result.tool_call_id.as_str(),
        _ => "",
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["c0", "c1"]);
    assert_eq!((run.messages().len(), run.answers().len()), (4, 2));
}

#[tokio::test]
async fn calls_that_are_no_json_are_sent_back_as_they_came() {
    let wrong = part(Kind::ToolCall(ToolCall {
        id: "c0".into(),
        name: "a".into(),
        arguments_json: r#"{"city":"#.into(),
        check: ArgumentsCheck::MalformedJson.into(),
        ..ToolCall::default()
    }));
    let said_first = message(Role::Assistant, vec![wrong]);
    let ended = completed(FinishReason::ToolCalls, Some(said_first.clone()));
    let gateway = Gateway::start([good([ended]), said("Done.")]).await;
    let function = Function::new("a", "", "", async |_| Ok(String::new()));
    let mut run = gateway.client().run_tools(prompt("m", "Hello"), [function]);
    while let Some(event) = run.next().await {
        event.unwrap();
    }
    assert_eq!(gateway.request(1).messages[1], said_first);
    assert_eq!(run.messages()[1], said_first);
}

#[tokio::test]
async fn an_error_of_a_function_arrives_as_it_is() {
    let gateway = Gateway::start([calls(&["a"])]).await;
    let broken = Function::new("a", "", "", async |_| {
        Err("x".parse::<u8>().unwrap_err().into())
    });
    let mut run = gateway.client().run_tools(prompt("m", "Hello"), [broken]);
    run.next().await.unwrap().unwrap();
    let Some(Err(RunError::Function(error))) = run.next().await else {
        panic!("the function failed");
    };
    assert!(error.is::<std::num::ParseIntError>());
    assert!(run.next().await.is_none());
}

#[test]
#[should_panic(expected = "a run makes at least one turn")]
fn a_run_without_turns_is_a_mistake() {
    let client = Client::connect("localhost:1", Options::new()).unwrap();
    let _run = client.run_tools(prompt("m", "Hello"), []).max_turns(0);
}

#[tokio::test]
async fn a_turn_that_is_refused_is_tried_again_inside_of_a_run() {
    let full = refused(Status::unavailable("Full."), Some("1"));
    let gateway = Gateway::start([calls(&["a"]), full, said("Done.")]).await;
    let function = Function::new("a", "", "", async |_| Ok(String::new()));
    let mut run = gateway.client().run_tools(prompt("m", "Hello"), [function]);
    while let Some(event) = run.next().await {
        event.unwrap();
    }
    assert_eq!((run.answers().len(), gateway.calls()), (2, 3));
}
