//! A handshake block is read the same from its own bytes alone, and never from fewer.
#![no_main]

use filbert::wire::handshake::{Greeting, parse_block};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(Some((block, length))) = parse_block(data) else {
        return;
    };
    assert_eq!(
        parse_block(&data[..length]),
        Ok(Some((block.clone(), length)))
    );
    assert_eq!(parse_block(&data[..length - 1]), Ok(None));

    let said = Greeting::from_headers(&block.headers);
    assert_eq!(Greeting::from_headers(&said.to_headers()), said);
    // The first writing turns control characters into spaces; what it gave must then last. A line
    // may grow beyond its limit.
    if let Ok(Some((clean, _))) = parse_block(&block.encode()) {
        let bytes = clean.encode();
        assert_eq!(parse_block(&bytes), Ok(Some((clean, bytes.len()))));
    }
});
