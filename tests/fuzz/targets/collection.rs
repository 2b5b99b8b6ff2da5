//! A collection that was read is written again byte for byte.
#![no_main]

use filbert::wire::collection::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(manifest) = Manifest::decode(text) {
        let signed = manifest.collection.text(&manifest.key);
        let again = Manifest::seal(&signed, &manifest.signature);
        assert_eq!(again.as_bytes(), text);
    }
});
