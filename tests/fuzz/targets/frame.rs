//! A stream gives the same descriptors however it is cut, and their bytes again.
#![no_main]

use bytes::BytesMut;
use filbert::wire::Descriptor;
use filbert::wire::frame::{FrameDecoder, FrameError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&step, stream)) = data.split_first() else {
        return;
    };
    let (whole, end) = descriptors(stream, stream.len().max(1));
    let (pieces, same_end) = descriptors(stream, usize::from(step).max(1));
    assert_eq!(whole, pieces);
    assert_eq!(end, same_end);

    let mut again = BytesMut::new();
    for descriptor in &whole {
        let bytes = descriptor.encode().expect("what was read is within limits");
        again.extend_from_slice(&bytes);
    }
    assert_eq!(again, stream[..again.len()]);
});

/// What comes out of a stream that arrives `step` bytes at a time, and what ended it.
fn descriptors(stream: &[u8], step: usize) -> (Vec<Descriptor>, Option<FrameError>) {
    let mut decoder = FrameDecoder::new();
    let mut found = Vec::new();
    for piece in stream.chunks(step) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.next() {
                Ok(Some(descriptor)) => found.push(descriptor),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}
