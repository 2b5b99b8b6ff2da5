//! Requests and responses of HTTP as JSON.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::http_headers::meaning;
use crate::wire::{Error, Guid};

/// The most headers in a head.
const MAX_HEADERS: usize = 128;

/// A head, and how long the body behind it is as far as that is there.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    line: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    giv: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    headers: Vec<Header>,
    body: usize,
}

#[derive(Debug, Serialize)]
struct Header {
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<Value>,
}

/// The head at the start of `bytes`, and its length with that of its body.
pub(super) fn take(bytes: &Bytes) -> Result<(Head, usize), Error> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let (mut head, length) = match bytes.starts_with(b"HTTP/") {
        true => response(bytes, &mut headers)?,
        false => request(bytes, &mut headers)?,
    };
    head.body = body(&head, &bytes[length..]);
    let whole = length + head.body;
    Ok((head, whole))
}

/// A request, or the line with which a servent that was pushed gives itself to be asked. Old
/// servents leave spaces in its target, or the version out.
fn request<'a>(
    bytes: &'a [u8],
    headers: &mut [httparse::Header<'a>],
) -> Result<(Head, usize), Error> {
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .map(|at| at + 1);
    let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let line = String::from_utf8_lossy(line).trim_end().to_owned();
    let unknown = Error::new(0, "not the head of an HTTP request or response");
    let (method, target) = line.split_once(' ').ok_or(unknown)?;
    let (target, _) = target.rsplit_once(" HTTP/1.").unwrap_or((target, ""));
    let sound = target.starts_with('/') || target == "*" || method == "GIV";
    if !method.bytes().all(|byte| byte.is_ascii_uppercase()) || !sound {
        return Err(unknown);
    }
    let parsed = httparse::parse_headers(rest, headers).map(|status| match status {
        httparse::Status::Complete((length, headers)) => {
            httparse::Status::Complete((length, described(headers)))
        }
        httparse::Status::Partial => httparse::Status::Partial,
    });
    let (length, headers) = whole(parsed, bytes)?;
    let head = Head {
        method: Some(method.to_owned()),
        target: Some(target.to_owned()),
        giv: (method == "GIV").then(|| giv(target)).flatten(),
        line,
        code: None,
        reason: None,
        headers,
        body: 0,
    };
    Ok((head, bytes.len() - rest.len() + length))
}

/// What a `GIV` says: `INDEX:SERVENT/NAME` (protocol §6.2).
fn giv(target: &str) -> Option<Value> {
    let (index, rest) = target.split_once(':')?;
    let (servent, name) = rest.split_once('/')?;
    let index: u32 = index.parse().ok()?;
    let servent: Guid = servent.parse().ok()?;
    Some(json!({ "index": index, "servent": servent.to_string(), "name": name }))
}

fn response<'a>(
    bytes: &'a [u8],
    headers: &mut [httparse::Header<'a>],
) -> Result<(Head, usize), Error> {
    let mut response = httparse::Response::new(headers);
    let length = whole(response.parse(bytes), bytes)?;
    let code = response.code.unwrap_or_default();
    let reason = response.reason.unwrap_or_default().to_owned();
    let version = response.version.unwrap_or_default();
    let line = format!("HTTP/1.{version} {code} {reason}");
    let head = Head {
        line: line.trim_end().to_owned(),
        method: None,
        target: None,
        giv: None,
        code: Some(code),
        reason: Some(reason),
        headers: described(response.headers),
        body: 0,
    };
    Ok((head, length))
}

fn whole<T>(parsed: httparse::Result<T>, bytes: &[u8]) -> Result<T, Error> {
    match parsed {
        Ok(httparse::Status::Complete(parsed)) => Ok(parsed),
        Ok(httparse::Status::Partial) => {
            Err(Error::new(bytes.len(), "HTTP head without its blank line"))
        }
        Err(httparse::Error::TooManyHeaders) => Err(Error::new(0, "HTTP head above 128 headers")),
        Err(_) => Err(Error::new(0, "not the head of an HTTP request or response")),
    }
}

fn described(headers: &[httparse::Header<'_>]) -> Vec<Header> {
    let describe = |header: &httparse::Header<'_>| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        Header {
            name: header.name.to_owned(),
            meaning: meaning(header.name, &value),
            value,
        }
    };
    headers.iter().map(describe).collect()
}

/// How many of the bytes behind a head are its body: as many as it says, all when a response says
/// nothing, and none when another head begins there, as behind an answer to HEAD.
fn body(head: &Head, rest: &[u8]) -> usize {
    let begins_head = ["HTTP/1.", "GET ", "HEAD "]
        .iter()
        .any(|start| rest.starts_with(start.as_bytes()));
    let said = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("Content-Length"))
        .and_then(|header| header.value.trim().parse::<usize>().ok());
    match said {
        _ if begins_head => 0,
        Some(length) => length.min(rest.len()),
        None if head.method.is_some() => 0,
        None => rest.len(),
    }
}
