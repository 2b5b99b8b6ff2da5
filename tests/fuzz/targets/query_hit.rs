//! A query hit that was written reads the same each time after.
#![no_main]

use bytes::Bytes;
use filbert::wire::query_hit::{QueryHit, servent_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(hit) = QueryHit::decode(&Bytes::copy_from_slice(data)) else {
        return;
    };
    assert_eq!(servent_of(data), Some(hit.servent));
    for record in &hit.results {
        let _ = (record.sha1(), record.tiger_root());
    }
    // Writing leaves out metadata that could not be read back, such as text that was not UTF-8;
    // what is then read must last. What came deflated may be too long once it is not.
    if let Ok(clean) = QueryHit::decode(&hit.encode()) {
        assert_eq!(QueryHit::decode(&clean.encode()), Ok(clean));
    }
});
