//! A query that was read is written so that it reads the same.
#![no_main]

use bytes::Bytes;
use filbert::wire::query::{MAX_PAYLOAD, Query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(query) = Query::decode(&Bytes::copy_from_slice(data)) else {
        return;
    };
    let _ = (query.search_text(), query.wanted().count());
    let payload = query.encode();
    // What came deflated may be too long once it is not.
    if payload.len() <= MAX_PAYLOAD {
        assert_eq!(Query::decode(&payload), Ok(query));
    }
});
