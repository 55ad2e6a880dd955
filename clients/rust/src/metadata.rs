//! What goes with a call beside its request.

use std::fmt;

use tonic::metadata::{Ascii, AsciiMetadataKey, MetadataMap, MetadataValue};

/// Names beside `grpc-…` that are gRPC's own: what a caller says by them would be dropped
/// or break the call.
const RESERVED: [&str; 3] = ["content-type", "te", "user-agent"];

/// A name or a value of metadata that cannot be sent. It tells the name and never the
/// value, which may be a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataError(String);

/// Reads names and values. A name that stands there twice has both values.
pub(crate) fn read(
    pairs: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> Result<MetadataMap, MetadataError> {
    let mut metadata = MetadataMap::new();
    for (name, value) in pairs {
        let name = read_name(name.as_ref())?;
        let value = hidden(value.as_ref()).ok_or_else(|| {
            MetadataError(format!(
                "The value of {name} has characters that cannot be sent."
            ))
        })?;
        metadata.append(name, value);
    }
    Ok(metadata)
}

/// Returns a value that is hidden from whatever prints it; `None` when it has characters
/// that cannot be sent. gRPC has fewer than HTTP, whose headers tonic takes.
pub(crate) fn hidden(value: &str) -> Option<MetadataValue<Ascii>> {
    let is_sendable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let mut value = MetadataValue::try_from(value)
        .ok()
        .filter(|_| is_sendable)?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns metadata with other metadata, whose values go in place of those of the same name.
pub(crate) fn with(metadata: &MetadataMap, other: MetadataMap) -> MetadataMap {
    let mut headers = metadata.clone().into_headers();
    headers.extend(other.into_headers());
    MetadataMap::from_headers(headers)
}

fn read_name(name: &str) -> Result<AsciiMetadataKey, MetadataError> {
    let key = AsciiMetadataKey::from_bytes(name.as_bytes())
        .map_err(|_| MetadataError(format!("{name:?} is no name of metadata that is text.")))?;
    if key.as_str().starts_with("grpc-") || RESERVED.contains(&key.as_str()) {
        return Err(MetadataError(format!("{key} is gRPC's own.")));
    }
    Ok(key)
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MetadataError {}
