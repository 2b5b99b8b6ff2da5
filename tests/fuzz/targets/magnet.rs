//! A magnet link that was read is written so that it reads the same.
#![no_main]

use filbert::wire::magnet::Magnet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(magnet) = text.parse::<Magnet>() {
        assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }
});
