//! COBS: bytes rewritten so that none of them is zero (protocol §9.2).

use super::Error;

/// Rewrites `data` without zero bytes. Empty data gives one byte.
#[must_use]
pub fn encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / 254 + 1);
    // Where the code of the open group stands; none when the data ended with a full group.
    let mut open = Some(0);
    out.push(0);
    for (position, &byte) in data.iter().enumerate() {
        if byte != 0 {
            out.push(byte);
        }
        let code = open.map_or(0, |at| out.len() - at);
        if byte == 0 || code == usize::from(u8::MAX) {
            close(&mut out, open);
            let more = byte == 0 || position + 1 < data.len();
            open = more.then_some(out.len());
            if more {
                out.push(0);
            }
        }
    }
    close(&mut out, open);
    out
}

/// Undoes [`encode`]. An empty last group after a full one is accepted.
///
/// # Errors
/// When a group is cut short or a byte is zero.
pub fn decode(data: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(data.len());
    let mut at = 0;
    while let Some(&code) = data.get(at) {
        let end = at + usize::from(code);
        let group = data
            .get(at + 1..end)
            .ok_or_else(|| Error::new(at, "COBS group cut short"))?;
        if let Some(zero) = group.iter().position(|&byte| byte == 0) {
            return Err(Error::new(at + 1 + zero, "zero byte inside COBS"));
        }
        out.extend_from_slice(group);
        at = end;
        if code != u8::MAX && at < data.len() {
            out.push(0);
        }
    }
    Ok(out)
}

/// Writes the code of the group that began at `open`.
fn close(out: &mut [u8], open: Option<usize>) {
    if let Some(at) = open {
        out[at] = u8::try_from(out.len() - at).expect("a group is closed at 255 bytes");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_answers() {
        let run = |first: u8, last: u8| (first..=last).collect::<Vec<u8>>();
        let full = [&[0xff][..], &run(1, 0xfe)].concat();
        for (raw, coded) in [
            (vec![], vec![1]),
            (vec![0], vec![1, 1]),
            (vec![0, 0], vec![1, 1, 1]),
            (vec![0x11, 0x22, 0, 0x33], vec![3, 0x11, 0x22, 2, 0x33]),
            (
                vec![0x11, 0x22, 0x33, 0x44],
                vec![5, 0x11, 0x22, 0x33, 0x44],
            ),
            (vec![0x11, 0, 0, 0], vec![2, 0x11, 1, 1, 1]),
            (run(1, 0xfe), full.clone()),
            (run(0, 0xfe), [&[1][..], &full].concat()),
            (run(1, 0xff), [&full[..], &[2, 0xff]].concat()),
            (
                [&run(1, 0xfe)[..], &[0]].concat(),
                [&full[..], &[1, 1]].concat(),
            ),
            (vec![0, 0xf2, 5, 0x2a, 1], vec![1, 5, 0xf2, 5, 0x2a, 1]),
        ] {
            assert_eq!(encode(&raw), coded);
            assert_eq!(decode(&coded), Ok(raw));
        }
        assert_eq!(decode(&[&full[..], &[1]].concat()), Ok(run(1, 0xfe)));
    }

    #[test]
    fn malformed_groups_are_refused() {
        assert!(decode(&[3, 1]).is_err());
        assert!(decode(&[0]).is_err());
        assert!(decode(&[3, 1, 0]).is_err());
    }

    proptest! {
        #[test]
        fn encoding_has_no_zero_and_decodes_back(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..700),
        ) {
            let coded = encode(&data);
            prop_assert!(!coded.contains(&0));
            prop_assert_eq!(decode(&coded), Ok(data));
        }

        #[test]
        fn long_runs_decode_back(length in 0_usize..1100, zero in 0_usize..1100) {
            let mut data = vec![7; length];
            if let Some(byte) = data.get_mut(zero) {
                *byte = 0;
            }
            prop_assert_eq!(decode(&encode(&data)), Ok(data));
        }
    }
}
