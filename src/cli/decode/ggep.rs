//! GGEP blocks as JSON.

use bytes::Bytes;
use serde::Serialize;

use super::hex;
use crate::wire::Error;
use crate::wire::ggep::Extensions;

/// An extension.
#[derive(Debug, Serialize)]
pub(super) struct Extension {
    id: String,
    data: String,
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

/// Extensions in their order, unpacked data in hexadecimal digits.
pub(super) fn list(extensions: &Extensions) -> Vec<Extension> {
    let describe = |extension: &crate::wire::ggep::Extension| Extension {
        id: extension.id.to_string(),
        data: hex(&extension.data),
    };
    extensions.iter().map(describe).collect()
}
