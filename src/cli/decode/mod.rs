//! `filbert decode`: what captured bytes say.

mod descriptor;
mod ggep;
mod handshake;
mod http;
mod http_headers;
mod meaning;
mod route_table;
mod vendor;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::output;
use crate::wire;

/// The longest input.
const MAX_INPUT: u64 = 256 << 20;

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// What the bytes are
    #[arg(long, value_enum, default_value_t = Kind::Descriptors)]
    kind: Kind,
    /// Where they are, in hexadecimal digits or raw; - is stdin
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Descriptors, one behind the other
    Descriptors,
    /// Blocks of a handshake
    Handshake,
    /// GGEP blocks
    Ggep,
    /// Requests and responses of HTTP, whose bodies are passed over
    Http,
}

/// What is wrong with the bytes, and where, as it is printed.
#[derive(Debug, Serialize)]
struct Malformed {
    error: &'static str,
    offset: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let bytes = unhex(read(&arguments.file)?);
    let decoded = match arguments.kind {
        Kind::Descriptors => each(&bytes, descriptor::take),
        Kind::Handshake => each(&bytes, handshake::take),
        Kind::Ggep => each(&bytes, ggep::take),
        Kind::Http => each(&bytes, http::take),
    };
    match decoded? {
        None => Ok(Exit::Ok),
        Some(wire::Error { what, offset }) => {
            output::json(&Malformed {
                error: what,
                offset,
            })?;
            Ok(Exit::Error)
        }
    }
}

/// Prints one item after the other; gives what is wrong with the first that is not sound, its
/// offset counted from the start of the input.
fn each<T: Serialize>(
    bytes: &Bytes,
    take: impl Fn(&Bytes) -> Result<(T, usize), wire::Error>,
) -> Result<Option<wire::Error>, Failure> {
    let mut at = 0;
    while at < bytes.len() {
        match take(&bytes.slice(at..)) {
            Ok((item, length)) => {
                output::json(&item)?;
                at += length;
            }
            Err(error) => return Ok(Some(wire::Error::new(at + error.offset, error.what))),
        }
    }
    Ok(None)
}

fn read(file: &PathBuf) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| {
        let message = format!("cannot read {}: {error}", file.display());
        Failure::new(Exit::Error, message)
    };
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    input
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_INPUT {
        let message = format!("{} has more than {MAX_INPUT} bytes", file.display());
        return Err(Failure::new(Exit::Error, message));
    }
    Ok(bytes)
}

/// The bytes that hexadecimal digits stand for, or the input itself when it is anything else.
fn unhex(input: Vec<u8>) -> Bytes {
    let mut digits = input.clone();
    digits.retain(|byte| !byte.is_ascii_whitespace());
    match HEXLOWER_PERMISSIVE.decode(&digits) {
        Ok(bytes) => bytes.into(),
        Err(_) => input.into(),
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    HEXLOWER_PERMISSIVE.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_with_spaces_and_anything_else_as_it_is() {
        assert_eq!(unhex(b" 00 fF\n".to_vec()), &b"\x00\xff"[..]);
        assert_eq!(unhex(b"00f".to_vec()), &b"00f"[..]);
        assert_eq!(unhex(b"\x00\xff".to_vec()), &b"\x00\xff"[..]);
        assert!(unhex(Vec::new()).is_empty());
    }
}
