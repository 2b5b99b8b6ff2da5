//! Properties of every codec: what is written is read back, no bytes make a decoder panic, and a
//! stream gives the same descriptors however it is cut.

mod wire_values;

use bytes::Bytes;
use filbert::wire::address::{pack_reaches, unpack_reaches};
use filbert::wire::bye::{self, Bye};
use filbert::wire::datagram::Datagram;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::ggep::{Extensions, Zeros};
use filbert::wire::handshake::{Block, Greeting, parse_block};
use filbert::wire::ping::Ping;
use filbert::wire::pong::Pong;
use filbert::wire::push::Push;
use filbert::wire::query::{self, Query};
use filbert::wire::query_hit::{self, QueryHit, Received, Record};
use filbert::wire::urn::Urn;
use filbert::wire::vendor::Vendor;
use filbert::wire::{Descriptor, Guid, cobs};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use wire_values::{blocks, byes, descriptors, extensions, greetings, hits, pings, pongs, pushes};
use wire_values::{datagrams, queries, reaches, urns, vendors};

/// Puts bytes of any origin through every decoder. What is read must be read back the same when
/// it is written again and still fits.
fn read_all(bytes: &[u8]) {
    let payload = Bytes::copy_from_slice(bytes);
    if let Ok(ping) = Ping::decode(&payload) {
        let _ = Ping::decode(&ping.encode());
    }
    if let Ok(pong) = Pong::decode(&payload) {
        let _ = (pong.is_ultrapeer(), pong.reaches(30).count());
        let _ = (
            pong.slots(),
            pong.daily_uptime(),
            pong.maker(),
            pong.guess(),
        );
        let _ = (pong.echo(), pong.accepts_tls(), pong.host_cache());
    }
    if let Ok(bye) = Bye::decode(&payload)
        && bye.message.len() + 3 <= bye::MAX_PAYLOAD
    {
        assert_eq!(Bye::decode(&bye.encode()), Ok(bye));
    }
    if let Ok(vendor) = Vendor::decode(&payload) {
        let _ = vendor.name().to_string();
        let again = Vendor::decode(&vendor.encode());
        assert_eq!(again, Ok(vendor));
    }
    if let Ok(datagram) = Datagram::decode(&payload) {
        for may_deflate in [false, true] {
            let again = datagram.encode(may_deflate).unwrap();
            assert_eq!(Datagram::decode(&again).as_ref(), Ok(&datagram));
        }
    }
    if let Ok(push) = Push::decode(&payload) {
        let _ = push.encode();
    }
    if let Ok(query) = Query::decode(&payload) {
        let _ = (
            query.search_text(),
            query.sha1s().count(),
            query.asks_for_newest(),
        );
        let again = query.encode();
        if again.len() <= query::MAX_PAYLOAD {
            assert_eq!(Query::decode(&again), Ok(query));
        }
    }
    let servent = query_hit::servent_of(&payload);
    if let Ok(hit) = QueryHit::decode(&payload) {
        assert_eq!(servent, Some(hit.servent));
        for record in &hit.results {
            let _ = (record.sha1(), record.tiger_root(), record.encoded_len());
            let _ = (record.created(), record.alternates(11).count());
        }
        let received = Received {
            muid: Guid::ZERO,
            hops: 0,
            own: Guid::ZERO,
            searched: Some("x"),
        };
        let _ = query_hit::flaw(&hit, &received);
        // Metadata that could not be read back is left out in writing; what is then read lasts.
        if let Ok(clean) = QueryHit::decode(&hit.encode()) {
            let files = |hit: &QueryHit| -> Vec<_> {
                let file = |record: &Record| (record.index, record.size, record.sha1());
                hit.results.iter().map(file).collect()
            };
            assert_eq!(files(&clean), files(&hit));
            assert_eq!(QueryHit::decode(&clean.encode()), Ok(clean));
        }
    }
    if let Ok((_, consumed)) = Extensions::decode(&payload) {
        assert!(consumed <= payload.len());
    }
    if let Ok(Some((block, consumed))) = parse_block(bytes) {
        assert!(consumed <= bytes.len());
        let _ = Greeting::from_headers(&block.headers);
    }
    let _ = cobs::decode(bytes);
    let mut decoder = FrameDecoder::new();
    decoder.buffer().extend_from_slice(bytes);
    while let Ok(Some(_)) = decoder.next() {}
}

/// Damage to a message: a byte changed, put in or taken out, or the end cut off.
#[derive(Clone, Debug)]
enum Damage {
    Change(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        match self {
            _ if length == 0 => {}
            Self::Change(at, byte) => bytes[at.index(length)] = *byte,
            Self::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    // Bytes that mean something somewhere come up more often than others.
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![
            0, 1, 0x1c, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc3, 0xe1, 0xff
        ]),
    ];
    let damage = prop_oneof![
        6 => (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Damage::Change(at, byte)),
        2 => (any::<Index>(), byte).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        2 => any::<Index>().prop_map(Damage::Remove),
        1 => any::<Index>().prop_map(Damage::Cut),
    ];
    vec(damage, 0..6)
}

/// The bytes of a good message of any kind.
fn messages() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        pings().prop_map(|value| value.encode()),
        pongs().prop_map(|value| value.encode()),
        byes().prop_map(|value| value.encode()),
        pushes().prop_map(|value| value.encode()),
        queries().prop_map(|value| value.encode()),
        hits().prop_map(|value| value.encode()),
        blocks().prop_map(|value| value.encode()),
        descriptors().prop_map(|value| value.encode().unwrap()),
        vendors().prop_map(|value| value.encode()),
        datagrams().prop_map(|value| value.encode(true).unwrap()),
    ]
}

proptest! {
    #[test]
    fn pings_are_read_back(ping in pings()) {
        prop_assert_eq!(Ping::decode(&ping.encode()), Ok(ping));
    }

    #[test]
    fn pongs_are_read_back(pong in pongs()) {
        prop_assert_eq!(Pong::decode(&pong.encode()), Ok(pong));
    }

    #[test]
    fn byes_are_read_back(bye in byes()) {
        prop_assert_eq!(Bye::decode(&bye.encode()), Ok(bye));
    }

    #[test]
    fn pushes_are_read_back(push in pushes()) {
        prop_assert_eq!(Push::decode(&push.encode()), Ok(push));
    }

    #[test]
    fn queries_are_read_back(query in queries()) {
        prop_assert_eq!(Query::decode(&query.encode()), Ok(query));
    }

    #[test]
    fn hits_are_read_back(hit in hits()) {
        let payload = hit.encode();
        let records: usize = hit.results.iter().map(|record| record.encoded_len()).sum();
        prop_assert_eq!(payload.len(), records + hit.encoded_len_without_records());
        prop_assert_eq!(query_hit::servent_of(&payload), Some(hit.servent));
        prop_assert_eq!(QueryHit::decode(&payload), Ok(hit));
    }

    #[test]
    fn vendor_messages_are_read_back(message in vendors()) {
        prop_assert_eq!(Vendor::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn datagrams_are_read_back(datagram in datagrams(), may_deflate in any::<bool>()) {
        let bytes = datagram.encode(may_deflate).unwrap();
        prop_assert!(bytes.len() <= 23 + datagram.descriptor.payload.len());
        prop_assert_eq!(Datagram::decode(&bytes), Ok(datagram));
    }

    #[test]
    fn addresses_are_read_back_with_their_bits(reaches in reaches(0..40)) {
        let (packed, bits) = pack_reaches(&reaches);
        prop_assert_eq!(unpack_reaches(&packed, &bits).collect::<Vec<_>>(), reaches);
    }

    #[test]
    fn urns_are_read_back(urn in urns()) {
        prop_assert_eq!(urn.to_string().parse::<Urn>(), Ok(urn));
        prop_assert_eq!(urn.to_string().to_lowercase().parse::<Urn>(), Ok(urn));
    }

    #[test]
    fn extensions_are_read_back(extensions in extensions(0..20)) {
        for zeros in [Zeros::Allowed, Zeros::Avoided] {
            let block = extensions.encode(zeros);
            prop_assert!(zeros == Zeros::Allowed || !block.contains(&0));
            if !extensions.is_empty() {
                let more = [&block[..], b"more"].concat();
                prop_assert_eq!(
                    Extensions::decode(&more.into()),
                    Ok((extensions.clone(), block.len()))
                );
            }
        }
    }

    #[test]
    fn blocks_are_read_back_once_whole(block in blocks(), more in vec(any::<u8>(), 0..30)) {
        let text = block.encode();
        let stream = [&text[..], &more].concat();
        for end in 0..text.len() {
            prop_assert_eq!(parse_block(&stream[..end]), Ok(None));
        }
        prop_assert_eq!(parse_block(&stream), Ok(Some((block, text.len()))));
    }

    #[test]
    fn greetings_are_heard_as_said(greeting in greetings(), block in blocks()) {
        let block = Block { headers: greeting.to_headers(), ..block };
        let (heard, _) = parse_block(&block.encode()).unwrap().unwrap();
        prop_assert_eq!(Greeting::from_headers(&heard.headers), greeting);
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(
        descriptors in vec(descriptors(), 0..8),
        cuts in vec(1_usize..300, 1..20),
    ) {
        let stream: Vec<u8> =
            descriptors.iter().flat_map(|descriptor| descriptor.encode().unwrap()).collect();
        let mut decoder = FrameDecoder::new();
        let mut read: Vec<Descriptor> = Vec::new();
        let mut rest = &stream[..];
        for &cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            decoder.buffer().extend_from_slice(now);
            while let Some(descriptor) = decoder.next().unwrap() {
                read.push(descriptor);
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(decoder.buffer().is_empty());
        prop_assert_eq!(read, descriptors);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn no_damage_makes_a_decoder_panic(message in messages(), damages in damages()) {
        let mut bytes = message.to_vec();
        for damage in &damages {
            damage.apply(&mut bytes);
        }
        read_all(&bytes);
    }
}
