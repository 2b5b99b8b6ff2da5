//! Blocks of a handshake as JSON.

use bytes::Bytes;
use serde::Serialize;

use crate::wire::Error;
use crate::wire::handshake::{StartLine, parse_block};

/// A block.
#[derive(Debug, Serialize)]
pub(super) struct Block {
    line: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    headers: Vec<Header>,
}

#[derive(Debug, Serialize)]
struct Header {
    name: String,
    value: String,
}

/// The block at the start of `bytes`, and its length.
pub(super) fn take(bytes: &Bytes) -> Result<(Block, usize), Error> {
    let cut = Error::new(bytes.len(), "handshake block without its blank line");
    let (block, length) = parse_block(bytes)?.ok_or(cut)?;
    let headers = block.headers.iter().map(|(name, value)| Header {
        name: name.to_owned(),
        value: value.to_owned(),
    });
    let described = Block {
        line: block.line.to_string(),
        code: match block.line {
            StartLine::Connect { .. } => None,
            StartLine::Status { code, .. } => Some(code),
        },
        headers: headers.collect(),
    };
    Ok((described, length))
}
