//! A tree that was read is written so that it reads the same.
#![no_main]

use bytes::Bytes;
use filbert::wire::thex;
use filbert::wire::urn::TigerRoot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, rest)) = data.split_first_chunk::<8>() else {
        return;
    };
    let Some((root, body)) = rest.split_first_chunk::<24>() else {
        return;
    };
    let (size, root) = (u64::from_be_bytes(*size), TigerRoot::from_bytes(*root));
    if let Ok(tree) = thex::decode(&Bytes::copy_from_slice(body), size, root) {
        assert_eq!(tree.root(), root);
        assert_eq!(thex::decode(&thex::encode(&tree), size, root), Ok(tree));
    }
});
