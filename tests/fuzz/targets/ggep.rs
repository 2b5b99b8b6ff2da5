//! Extensions that were read are written so that they read the same, with zeros and without.
#![no_main]

use bytes::Bytes;
use filbert::wire::ggep::{Extensions, Zeros};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok((extensions, consumed)) = Extensions::decode(&Bytes::copy_from_slice(data)) else {
        return;
    };
    assert!(consumed <= data.len());
    if extensions.is_empty() {
        return;
    }
    for zeros in [Zeros::Allowed, Zeros::Avoided] {
        let block = extensions.encode(zeros);
        let length = block.len();
        assert!(zeros == Zeros::Allowed || !block.contains(&0));
        assert_eq!(Extensions::decode(&block), Ok((extensions.clone(), length)));
    }
});
