//! A query hit that was read is written so that it reads the same.
#![no_main]

use bytes::Bytes;
use filbert::wire::query_hit::{MAX_PAYLOAD, QueryHit, servent_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(hit) = QueryHit::decode(&Bytes::copy_from_slice(data)) else {
        return;
    };
    assert_eq!(servent_of(data), Some(hit.servent));
    for record in &hit.results {
        let _ = (record.sha1(), record.tiger_root());
    }
    let payload = hit.encode();
    // What came deflated may be too long once it is not.
    if payload.len() <= MAX_PAYLOAD {
        assert_eq!(QueryHit::decode(&payload), Ok(hit));
    }
});
