//! GGEP blocks as JSON.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::hex;
use super::meaning::meaning;
use crate::wire::Error;
use crate::wire::ggep::Extensions;

/// An extension.
#[derive(Debug, Serialize)]
pub(super) struct Extension {
    id: String,
    data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<Value>,
}

/// A block.
#[derive(Debug, Serialize)]
pub(super) struct Block {
    extensions: Vec<Extension>,
}

/// The block at the start of `bytes`, and its length.
pub(super) fn take(bytes: &Bytes) -> Result<(Block, usize), Error> {
    let (extensions, length) = Extensions::decode(bytes)?;
    let extensions = list(&extensions);
    Ok((Block { extensions }, length))
}

/// Extensions in their order: unpacked data in hexadecimal digits, and what it says.
pub(super) fn list(extensions: &Extensions) -> Vec<Extension> {
    let describe = |extension: &crate::wire::ggep::Extension| {
        let id = extension.id.to_string();
        Extension {
            data: hex(&extension.data),
            meaning: meaning(&id, &extension.data, extensions),
            id,
        }
    };
    extensions.iter().map(describe).collect()
}
