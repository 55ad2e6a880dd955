//! Messages in protobuf's JSON, by the contract's descriptors.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;
use sluice_client::BoxError;

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(include_bytes!("generated/descriptors.binpb").as_slice())
        .expect("the descriptors were generated")
});

fn descriptor(name: &str) -> MessageDescriptor {
    CONTRACT
        .get_message_by_name(&format!("sluice.v1.{name}"))
        .expect("the contract has the message")
}

/// Reads a message of the contract by its name.
pub(crate) fn read<M: Message + Default>(name: &str, value: Value) -> Result<M, BoxError> {
    let message = DynamicMessage::deserialize(descriptor(name), value)?;
    Ok(M::decode(message.encode_to_vec().as_slice())?)
}

/// Returns a message of the contract as JSON.
pub(crate) fn written(name: &str, message: &impl Message) -> Result<Value, BoxError> {
    let bytes = message.encode_to_vec();
    let message = DynamicMessage::decode(descriptor(name), bytes.as_slice())?;
    Ok(serde_json::to_value(message)?)
}
