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
    // Control characters become spaces on the way out, and a line may grow beyond its limit.
    let written = block.encode();
    if let Ok(Some((again, _))) = parse_block(&written) {
        assert_eq!(again.encode(), written);
    }
});
