//! Whole answers: what a turn's events amount to.

use std::collections::BTreeMap;

use crate::messages::{message, part};
use crate::v1::{
    Completed, Cost, Event, FinishReason, Message, Part, Reasoning, Role, Timing, ToolCall,
    Upstream, Usage, event, part::Kind, part_started,
};

/// A turn that came to its end.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// What the model said, ready to be appended to the conversation. Where the gateway
    /// left it out for its size it is put together from the deltas, and lacks the
    /// providers' own state.
    pub message: Message,
    /// Number of a [`FinishReason`]; a newer gateway may send others.
    pub finish_reason: i32,
    /// Tokens.
    pub usage: Option<Usage>,
    /// Money; `None` when no price is known.
    pub cost: Option<Cost>,
    /// Where the time went.
    pub timing: Option<Timing>,
    /// Who served.
    pub upstream: Option<Upstream>,
    /// Id of the turn at the gateway, to be quoted in support requests.
    pub generation_id: String,
}

impl Answer {
    /// Why the model stopped; UNSPECIFIED for numbers that have no name here.
    #[must_use]
    pub fn finish_reason(&self) -> FinishReason {
        FinishReason::try_from(self.finish_reason).unwrap_or_default()
    }

    /// The visible text, a refusal not included.
    #[must_use]
    pub fn text(&self) -> String {
        self.joined(|kind| match kind {
            Kind::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The model's words of refusal; empty when it did not refuse.
    #[must_use]
    pub fn refusal(&self) -> String {
        self.joined(|kind| match kind {
            Kind::Refusal(text) => Some(text),
            _ => None,
        })
    }

    /// The readable reasoning.
    #[must_use]
    pub fn reasoning(&self) -> String {
        self.joined(|kind| match kind {
            Kind::Reasoning(reasoning) => Some(&reasoning.text),
            _ => None,
        })
    }

    /// The calls that the model made, in order.
    #[must_use]
    pub fn tool_calls(&self) -> Vec<&ToolCall> {
        self.kinds()
            .filter_map(|kind| match kind {
                Kind::ToolCall(call) => Some(call),
                _ => None,
            })
            .collect()
    }

    fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.message
            .parts
            .iter()
            .filter_map(|part| part.kind.as_ref())
    }

    fn joined(&self, text: impl Fn(&Kind) -> Option<&String>) -> String {
        self.kinds().filter_map(text).map(String::as_str).collect()
    }
}

/// A turn as far as its events have come.
#[derive(Default)]
pub(crate) struct Assembly {
    parts: BTreeMap<u32, OpenPart>,
    completed: Option<Completed>,
}

/// A part of which deltas come.
#[derive(Default)]
struct OpenPart {
    kind: OpenKind,
    text: String,
}

#[derive(Default)]
enum OpenKind {
    /// Of a kind that this contract does not know, or nothing is known of it yet.
    #[default]
    Unknown,
    Text,
    Refusal,
    Reasoning,
    Call(ToolCall),
}

impl Assembly {
    /// Keeps what an event tells.
    pub(crate) fn add(&mut self, event: &Event) {
        match event.kind.as_ref() {
            Some(event::Kind::PartStarted(started)) => {
                self.part(started.part).kind = opened(started.kind.as_ref());
            }
            Some(event::Kind::TextDelta(delta)) => {
                self.part(delta.part).append(&delta.text, || OpenKind::Text);
            }
            Some(event::Kind::ReasoningDelta(delta)) => {
                self.part(delta.part)
                    .append(&delta.text, || OpenKind::Reasoning);
            }
            Some(event::Kind::ToolArgumentsDelta(delta)) => {
                self.part(delta.part)
                    .append(&delta.fragment, || OpenKind::Call(ToolCall::default()));
            }
            Some(event::Kind::PartFinished(finished)) => {
                if let Some(call) = &finished.tool_call {
                    self.part(finished.part).kind = OpenKind::Call(call.clone());
                }
            }
            Some(event::Kind::Completed(completed)) => self.completed = Some(completed.clone()),
            Some(event::Kind::Started(_) | event::Kind::LogprobsDelta(_)) | None => {}
        }
    }

    /// Returns the answer; `None` when the turn did not come to its end.
    pub(crate) fn answer(self, generation_id: String) -> Option<Answer> {
        let completed = self.completed?;
        let parts = self.parts;
        Some(Answer {
            message: completed.message.unwrap_or_else(|| {
                let parts = parts.into_values().filter_map(OpenPart::closed);
                message(Role::Assistant, parts.collect())
            }),
            finish_reason: completed.finish_reason,
            usage: completed.usage,
            cost: completed.cost,
            timing: completed.timing,
            upstream: completed.upstream,
            generation_id,
        })
    }

    fn part(&mut self, index: u32) -> &mut OpenPart {
        self.parts.entry(index).or_default()
    }
}

fn opened(kind: Option<&part_started::Kind>) -> OpenKind {
    match kind {
        Some(part_started::Kind::Text(_)) => OpenKind::Text,
        Some(part_started::Kind::Refusal(_)) => OpenKind::Refusal,
        Some(part_started::Kind::Reasoning(_)) => OpenKind::Reasoning,
        Some(part_started::Kind::ToolCall(start)) => OpenKind::Call(ToolCall {
            id: start.id.clone(),
            name: start.name.clone(),
            ..ToolCall::default()
        }),
        None => OpenKind::Unknown,
    }
}

impl OpenPart {
    /// Appends a piece; a delta alone tells of what kind its part is, if nothing did.
    fn append(&mut self, piece: &str, kind: impl FnOnce() -> OpenKind) {
        if matches!(self.kind, OpenKind::Unknown) {
            self.kind = kind();
        }
        self.text.push_str(piece);
    }

    /// Returns the part; `None` when it is empty or unknown.
    fn closed(self) -> Option<Part> {
        let kind = match self.kind {
            OpenKind::Call(mut call) => {
                if call.arguments_json.is_empty() {
                    call.arguments_json = match self.text {
                        text if text.is_empty() => "{}".to_owned(),
                        text => text,
                    };
                }
                Kind::ToolCall(call)
            }
            _ if self.text.is_empty() => return None,
            OpenKind::Text => Kind::Text(self.text),
            OpenKind::Refusal => Kind::Refusal(self.text),
            OpenKind::Reasoning => Kind::Reasoning(Reasoning {
                text: self.text,
                redacted: false,
            }),
            OpenKind::Unknown => return None,
        };
        Some(part(kind))
    }
}
