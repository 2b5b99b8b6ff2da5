//! Small parsers shared by the codecs.

use std::net::Ipv4Addr;

use bytes::Bytes;
use nom::error::Error as NomError;
use nom::number::complete::be_u32;
use nom::{IResult, Parser};

use super::{Error, Guid};

/// Reads the fixed part of `payload`; what is left is a slice of it. Short or wrong bytes are an
/// error that says `what`.
pub(super) fn fixed<'a, O>(
    payload: &'a Bytes,
    mut parser: impl Parser<&'a [u8], Output = O, Error = NomError<&'a [u8]>>,
    what: &'static str,
) -> Result<(Bytes, O), Error> {
    match parser.parse(payload) {
        Ok((rest, value)) => Ok((payload.slice_ref(rest), value)),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
            Err(Error::new(payload.len() - error.input.len(), what))
        }
        Err(nom::Err::Incomplete(_)) => Err(Error::new(payload.len(), what)),
    }
}

/// An address in network order.
pub(super) fn ipv4(input: &[u8]) -> IResult<&[u8], Ipv4Addr> {
    be_u32.map(Ipv4Addr::from_bits).parse(input)
}

/// Sixteen bytes.
pub(super) fn guid(input: &[u8]) -> IResult<&[u8], Guid> {
    nom::number::complete::be_u128
        .map(|bits| Guid::from_bytes(bits.to_be_bytes()))
        .parse(input)
}

/// Bytes up to a NUL, which is taken too.
pub(super) fn terminated(input: &[u8]) -> IResult<&[u8], &[u8]> {
    use nom::bytes::complete::{tag, take_till};
    (take_till(|byte| byte == 0), tag(&[0_u8][..]))
        .map(|(text, _)| text)
        .parse(input)
}
