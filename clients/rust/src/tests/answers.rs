//! Answers that are put together from deltas.

use super::gateway::{Gateway, completed, good, text};
use crate::messages::part;
use crate::v1::event::Kind;
use crate::v1::part::Kind as PartKind;
use crate::v1::{
    FinishReason, PartFinished, PartStarted, ReasoningDelta, RefusalStart, Role, TextDelta,
    TextStart, ToolArgumentsDelta, ToolCall, ToolCallStart, part_started,
};
use crate::{Answer, prompt, user};

fn opened(part: u32, kind: part_started::Kind) -> Kind {
    Kind::PartStarted(PartStarted {
        part,
        kind: Some(kind),
    })
}

fn more(part: u32, text: &str) -> Kind {
    let text = text.to_owned();
    Kind::TextDelta(TextDelta { part, text })
}

async fn collected(events: impl IntoIterator<Item = Kind>) -> Answer {
    let gateway = Gateway::start([good(events)]).await;
    gateway
        .client()
        .collect(prompt("m", "Hello"))
        .await
        .unwrap()
}

#[tokio::test]
async fn interleaved_parts_stay_apart_and_in_order() {
    let call = ToolCall {
        id: "c1".into(),
        name: "look".into(),
        arguments_json: r#"{"at":1}"#.into(),
        ..ToolCall::default()
    };
    let start = ToolCallStart {
        id: call.id.clone(),
        name: call.name.clone(),
    };
    let answer = collected([
        Kind::ReasoningDelta(ReasoningDelta {
            part: 0,
            text: "Hm.".into(),
        }),
        opened(2, part_started::Kind::ToolCall(start)),
        opened(1, part_started::Kind::Text(TextStart {})),
        more(1, "Riv"),
        Kind::ToolArgumentsDelta(ToolArgumentsDelta {
            part: 2,
            fragment: r#"{"at":"#.into(),
        }),
        more(1, "ers"),
        Kind::PartFinished(PartFinished {
            part: 2,
            tool_call: Some(call.clone()),
        }),
        completed(FinishReason::ToolCalls, None),
    ])
    .await;
    assert_eq!(answer.message.role(), Role::Assistant);
    assert_eq!(
        (answer.reasoning(), answer.text()),
        ("Hm.".into(), "Rivers".into())
    );
    assert_eq!(answer.tool_calls(), [&call]);
    assert_eq!(answer.message.parts.len(), 3);
}

#[tokio::test]
async fn a_refusal_is_not_text() {
    let answer = collected([
        opened(0, part_started::Kind::Refusal(RefusalStart {})),
        more(0, "No."),
        completed(FinishReason::Refusal, None),
    ])
    .await;
    assert_eq!(
        (answer.refusal(), answer.text()),
        ("No.".into(), String::new())
    );
}

#[tokio::test]
async fn parts_of_which_nothing_came_are_left_out() {
    let unknown = PartStarted {
        part: 1,
        kind: None,
    };
    let answer = collected([
        opened(0, part_started::Kind::Text(TextStart {})),
        Kind::PartStarted(unknown),
        completed(FinishReason::Stop, None),
    ])
    .await;
    assert_eq!(answer.message.parts, []);
}

#[tokio::test]
async fn the_gateways_message_goes_before_the_deltas() {
    let answer = collected([
        text("a"),
        completed(FinishReason::Stop, Some(user("whole"))),
    ])
    .await;
    assert_eq!(answer.message.parts, [part(PartKind::Text("whole".into()))]);
}
