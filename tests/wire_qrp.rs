//! Query routing tables captured from servents in use, gtk-gnutella 1.2.3 and GnutellaBun 1.2:
//! each, put together from its messages, has the words of the files that its sender shares.
//!
//! A case in `data/vectors/route_tables.json` is `{name, meaning, from, hex, expect}`, where `hex`
//! lists the messages in the order in which they came.

use data_encoding::HEXLOWER;
use filbert::overlay::limits::Limits;
use filbert::overlay::query_routing::{LookedUp, Receiver, Refusal, Table, updates};
use filbert::wire::Kind;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::query::Query;
use filbert::wire::route_table_update::RouteTableUpdate;
use serde_json::Value;

const TABLES: &str = include_str!("data/vectors/route_tables.json");

fn cases() -> Vec<Value> {
    serde_json::from_str(TABLES).unwrap()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
}

/// The update that the message is; its bytes are those that we would write.
fn update(hex: &str) -> RouteTableUpdate {
    let mut decoder = FrameDecoder::new();
    decoder
        .buffer()
        .extend_from_slice(&HEXLOWER.decode(hex.as_bytes()).unwrap());
    let descriptor = decoder.next().unwrap().unwrap();
    assert_eq!(descriptor.header.kind, Kind::RouteTableUpdate);
    let update = RouteTableUpdate::decode(&descriptor.payload).unwrap();
    assert_eq!(update.encode(), descriptor.payload);
    update
}

/// The table after the last message of a case.
fn table(case: &Value) -> Result<Table, Refusal> {
    let mut receiver = match case["from"].as_str().unwrap() {
        "leaf" => Receiver::leaf(),
        _ => Receiver::ultrapeer(),
    };
    let mut last = None;
    for hex in texts(&case["hex"]) {
        last = receiver.receive(&update(hex), &Limits::default())?;
    }
    Ok(last.expect("the last message completes a table"))
}

fn lookup(words: &str) -> LookedUp {
    LookedUp::new(&Query::keywords(words).unwrap())
}

#[test]
fn captured_tables_have_the_words_of_their_files() {
    let cases = cases();
    assert_eq!(cases.len(), 8);
    for case in &cases {
        let (name, expect) = (&case["name"], &case["expect"]);
        let table = match table(case) {
            Ok(table) => table,
            Err(refusal) => {
                assert_eq!(expect["refused"], refusal.to_string(), "{name}");
                continue;
            }
        };
        assert_eq!(expect["slots"], table.slots(), "{name}");
        assert_eq!(expect["present"], table.present(), "{name}");
        for word in texts(&expect["words"]) {
            assert!(table.matches(&lookup(word)), "{name}: {word}");
        }
        for word in texts(&expect["absent"]) {
            assert!(!table.matches(&lookup(word)), "{name}: {word}");
        }
    }
}

/// What an ultrapeer does between the vendors: a table that one told with one bit a slot goes to
/// the other with four.
#[test]
fn a_captured_table_is_told_on_in_our_coding() {
    let case = cases().into_iter().find(|case| {
        let name = case["name"].as_str().unwrap();
        name.starts_with("bun/up_from_leaf")
    });
    let table = table(&case.unwrap()).unwrap();
    let mut receiver = Receiver::ultrapeer();
    let mut told = None;
    for update in updates(None, &Table::aggregate([&table])) {
        told = receiver.receive(&update, &Limits::default()).unwrap();
    }
    assert_eq!(told, Some(table));
}
