//! The commands that need no servent: `hash`, `magnet`, `decode`, and how bad input ends.

#![cfg(feature = "cli")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const HELLO: &[u8] = b"hello world";

fn filbert(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filbert"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "FILBERT_HOME",
        "FILBERT_API",
        "FILBERT_LISTEN",
        "FILBERT_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// Exit status and stdout of a command that is given `input`.
fn run(arguments: &[&str], input: &[u8]) -> (i32, String) {
    let mut child = filbert(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hello(directory: &Path) -> String {
    let path = directory.join("hello world & more.txt");
    std::fs::write(&path, HELLO).unwrap();
    path.to_str().unwrap().to_owned()
}

fn output(arguments: &[&str]) -> Output {
    filbert(arguments).output().unwrap()
}

#[test]
fn hash_prints_what_others_can_check() {
    let directory = tempfile::tempdir().unwrap();
    let file = hello(directory.path());
    let urn = "urn:bitprint:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN.\
        ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI";
    let plain = output(&["hash", &file]);
    assert_eq!(
        text(&plain.stdout),
        format!("{urn}  hello world & more.txt\n")
    );
    assert_eq!(text(&plain.stderr), "", "no bar without a terminal");
    let json = output(&["hash", "--json", &file]);
    let magnet = format!("magnet:?xt={urn}&dn=hello%20world%20%26%20more.txt&xl=11");
    let expected = format!(
        "[{{\"name\":\"hello world & more.txt\",\"size\":11,\
         \"sha1\":\"FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN\",\
         \"tth\":\"ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI\",\
         \"urn\":\"{urn}\",\"magnet\":\"{magnet}\"}}]\n"
    );
    assert_eq!(text(&json.stdout), expected);
    assert_eq!(
        text(&output(&["magnet", &file]).stdout),
        format!("{magnet}\n")
    );
}

#[test]
fn hash_goes_on_after_a_file_it_cannot_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = hello(directory.path());
    let output = output(&["hash", "--json", "/nowhere/at all", &file]);
    assert_eq!(output.status.code(), Some(1));
    let hashed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(hashed.as_array().unwrap().len(), 1);
    assert!(text(&output.stderr).starts_with("filbert: cannot read /nowhere/at all: "));
}

const PING: &str = "10111213141516 17ff191a1b1c1d1e00 00010007000000 c3835343504101";
const PING_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"ping","ttl":1,"hops":0,"length":7,"#,
    r#""payload":{"extensions":[{"id":"SCP","data":"01","#,
    r#""meaning":{"ipv6":false,"no_ipv4":false,"tls":false,"ultrapeer_slots":true}}]}}"#,
);
const PONG: &str = "10111213141516 17ff191a1b1c1d1e00 01010030000000 ca18c000020a0c00000010000000 \
    c3 024455 42100e 025550 43011405 025643 455445535410 83495050 46c6336407ca18";
const PONG_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"pong","ttl":1,"hops":0,"length":48,"#,
    r#""payload":{"port":6346,"ip":"192.0.2.10","files":12,"kibibytes":16,"extensions":["#,
    r#"{"id":"DU","data":"100e","meaning":3600},{"id":"UP","data":"011405","#,
    r#""meaning":{"leaf_slots":20,"ultrapeer_slots":5,"version":1}},"#,
    r#"{"id":"VC","data":"5445535410","meaning":{"vendor":"TEST","version":"1.0"}},"#,
    r#"{"id":"IPP","data":"c6336407ca18","meaning":["198.51.100.7:6346"]}]}}"#,
);
const QUERY: &str = "c000020aa1a2a3a4ffa5a6a7a8ca1800 80040015000000 bc00 6c696e75782069736f00 \
    c3 02534f40 814d4180";
const QUERY_JSON: &str = concat!(
    r#"{"guid":"c000020aa1a2a3a4ffa5a6a7a8ca1800","type":"query","ttl":4,"hops":0,"length":21,"#,
    r#""payload":{"flags":{"word":"0xbc00","firewalled":false,"xml":true,"leaf_guided":true,"#,
    r#""ggep_hash":true,"out_of_band":true,"firewall_transfer":false,"reliable_udp":false,"#,
    r#""max_hits":null},"text":"linux iso","urns":[],"#,
    r#""extensions":[{"id":"SO","data":"","meaning":true},"#,
    r#"{"id":"M","data":"80","meaning":["unix_program"]}]}}"#,
);
const URN_QUERY: &str = "10111213141516 17ff191a1b1c1d1e00 80040033000000 9800 5c00 \
    75726e3a736861313a464b5847594e4f4a4a374833 49464f3335465055424334 343545504f5152584e 1c \
    c382505240";
const URN_QUERY_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"query","ttl":4,"hops":0,"length":51,"#,
    r#""payload":{"flags":{"word":"0x9800","firewalled":false,"xml":false,"leaf_guided":true,"#,
    r#""ggep_hash":true,"out_of_band":false,"firewall_transfer":false,"reliable_udp":false,"#,
    r#""max_hits":null},"text":"\\","urns":["urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN"],"#,
    r#""extensions":[{"id":"PR","data":"","meaning":true}]}}"#,
);
const HIT: &str = "c000020aa1a2a3a4ffa5a6a7a8ca1800 810500d2000000 02 ca18c000020a00020000 \
    05000000 0b000000 68656c6c6f2e74787400 c3 01486d \
    022aae6c35c94fcfb415dbe95f408b9ce91ee846edca1158e471d147bb714a6b1b8a537ff756f7abe1b63dc11d \
    4243544501 04f15365 c3414c544702cb057109ca18 00 \
    06000000 ffffffff 6269672e69736f00 \
    75726e3a736861313a56474d54344e5348413241 57564f5236455659585155 47434e534f4e42574535 1c \
    c3c24c46460105f2052a01 00 \
    54455354 022d29 c3045055534846c6336407ca18 82424840 000102030405060708090a0b0c0d0e0f";
const HIT_JSON: &str = concat!(
    r#"{"guid":"c000020aa1a2a3a4ffa5a6a7a8ca1800","type":"query_hit","ttl":5,"hops":0,"#,
    r#""length":210,"payload":{"port":6346,"ip":"192.0.2.10","speed":512,"results":["#,
    r#"{"index":5,"size":11,"name":"hello.txt","sha1":"FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN","#,
    r#""tth":"ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI","urns":[],"metadata":[],"extensions":["#,
    r#"{"id":"H","data":"022aae6c35c94fcfb415dbe95f408b9ce91ee846ed"#,
    r#"ca1158e471d147bb714a6b1b8a537ff756f7abe1b63dc11d","#,
    r#""meaning":"urn:bitprint:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN."#,
    r#"ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI"},"#,
    r#"{"id":"CT","data":"00f15365","meaning":1700000000},"#,
    r#"{"id":"ALT","data":"cb007109ca18","meaning":["203.0.113.9:6346"]}]},"#,
    r#"{"index":6,"size":5000000000,"name":"big.iso","sha1":"VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5","#,
    r#""tth":null,"urns":["urn:sha1:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5"],"metadata":[],"#,
    r#""extensions":[]}],"trailer":{"vendor":"TEST","push":true,"busy":false,"uploaded":true,"#,
    r#""measured":null,"extensions":[{"id":"PUSH","data":"c6336407ca18","#,
    r#""meaning":["198.51.100.7:6346"]},{"id":"BH","data":"","meaning":true}],"#,
    r#""xml":null},"servent":"000102030405060708090a0b0c0d0e0f"}}"#,
);
const PUSH: &str = "10111213141516 17ff191a1b1c1d1e00 4004001a000000 \
    000102030405060708090a0b0c0d0e0f 05000000 c000024d cb18";
const PUSH_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"push","ttl":4,"hops":0,"length":26,"#,
    r#""payload":{"servent":"000102030405060708090a0b0c0d0e0f","index":5,"ip":"192.0.2.77","#,
    r#""port":6347,"extensions":[]}}"#,
);
const BYE: &str = "10111213141516 17ff191a1b1c1d1e00 02010026000000 c800 \
    5368757474696e6720646f776e0d0a5365727665723a20544553542f302e310d0a0d0a00";
const BYE_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"bye","ttl":1,"hops":0,"length":38,"#,
    r#""payload":{"code":200,"message":"Shutting down\r\nServer: TEST/0.1\r\n\r\n"}}"#,
);
const HSEP: &str = "10111213141516 17ff191a1b1c1d1e00 cd010003000000 01fe00";
const HSEP_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"0xcd","ttl":1,"hops":0,"length":3,"#,
    r#""payload":"01fe00"}"#,
);
const SUPPORTED: &str = "10111213141516 17ff191a1b1c1d1e00 31010022000000 0000000000000000 0300 \
    4245415204000100 4c494d4515000100 47544b4707000200";
const SUPPORTED_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"vendor","ttl":1,"hops":0,"length":34,"#,
    r#""payload":{"name":"null/0v0","message":"messages_supported","#,
    r#""supported":["BEAR/4v1","LIME/21v1","GTKG/7v2"]}}"#,
);
const HOPS_FLOW: &str = "10111213141516 17ff191a1b1c1d1e00 31010009000000 4245415204000100 00";
const HOPS_FLOW_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"vendor","ttl":1,"hops":0,"length":9,"#,
    r#""payload":{"name":"BEAR/4v1","message":"hops_flow","hops":0}}"#,
);
const CLAIM: &str = "10111213141516 17ff191a1b1c1d1e00 31090012000000 4c494d450b000300 03 \
    c382534f44deadbeef";
const CLAIM_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"vendor","ttl":9,"hops":0,"length":18,"#,
    r#""payload":{"name":"LIME/11v3","message":"out_of_band_claim","#,
    r#""token":"deadbeef","wanted":3}}"#,
);
const HEAD_PONG: &str = "d3daab8fa58e656bff3c88c5c6fbac00 31010017000000 4c494d4518000100 0a01 \
    47544b47 ec 0006 2d140002ca18";
const HEAD_PONG_JSON: &str = concat!(
    r#"{"guid":"d3daab8fa58e656bff3c88c5c6fbac00","type":"vendor","ttl":1,"hops":0,"length":23,"#,
    r#""payload":{"name":"LIME/24v1","message":"head_pong","#,
    r#""alternates":[{"address":"45.20.0.2:6346","tls":false}],"downloading":false,"#,
    r#""firewalled":false,"holding":"complete","push_alternates":"","queue":-20,"ranges":[],"#,
    r#""tls":false,"vendor":"GTKG"}}"#,
);
const UNKNOWN: &str = "10111213141516 17ff191a1b1c1d1e00 3101000b000000 5859 5a5a 01000200 010203";
const UNKNOWN_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"vendor","ttl":1,"hops":0,"length":11,"#,
    r#""payload":{"name":"XYZZ/1v2","message":"unknown","data":"010203"}}"#,
);

const RESET: &str = "10111213141516 17ff191a1b1c1d1e00 30010006000000 00 00000100 07";
const RESET_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"route_table_update","ttl":1,"hops":0,"#,
    r#""length":6,"payload":{"variant":"reset","slots":65536,"infinity":7}}"#,
);
const PATCH: &str = "10111213141516 17ff191a1b1c1d1e00 30010009000000 01 01 01 00 04 00a00000";
const PATCH_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"route_table_update","ttl":1,"hops":0,"#,
    r#""length":9,"payload":{"variant":"patch","sequence":1,"of":1,"compressor":"none","#,
    r#""entry_bits":4,"slots":8,"changed":1,"data":"00a00000"}}"#,
);
const XML_QUERY: &str = "10111213141516 17ff191a1b1c1d1e00 80040026000000 a000 6c696e757800 \
    3c3f786d6c2076657273696f6e3d22312e30223f3e3c617564696f732f3e";
const XML_QUERY_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"query","ttl":4,"hops":0,"length":38,"#,
    r#""payload":{"flags":{"word":"0xa000","firewalled":false,"xml":true,"leaf_guided":false,"#,
    r#""ggep_hash":false,"out_of_band":false,"firewall_transfer":false,"reliable_udp":false,"#,
    r#""max_hits":null},"text":"linux","urns":[],"#,
    r#""metadata":["<?xml version=\"1.0\"?><audios/>"],"extensions":[]}}"#,
);
const DEFLATED: &str =
    "10111213141516 17ff191a1b1c1d1e00 01810010000000 789c3b25718081898b010a0015c001af";
const DEFLATED_JSON: &str = concat!(
    r#"{"guid":"1011121314151617ff191a1b1c1d1e00","type":"pong","ttl":129,"hops":0,"length":16,"#,
    r#""deflated":true,"payload":{"port":6346,"ip":"192.0.2.10","files":0,"kibibytes":0,"#,
    r#""extensions":[]}}"#,
);

/// Every whole message of protocol §19.6, vendor messages, pieces of a route table, XML, a deflated
/// datagram, and one of a kind that is not understood.
const MESSAGES: [(&str, &str); 17] = [
    (PING, PING_JSON),
    (PONG, PONG_JSON),
    (QUERY, QUERY_JSON),
    (URN_QUERY, URN_QUERY_JSON),
    (HIT, HIT_JSON),
    (PUSH, PUSH_JSON),
    (BYE, BYE_JSON),
    (HSEP, HSEP_JSON),
    (SUPPORTED, SUPPORTED_JSON),
    (HOPS_FLOW, HOPS_FLOW_JSON),
    (CLAIM, CLAIM_JSON),
    (HEAD_PONG, HEAD_PONG_JSON),
    (UNKNOWN, UNKNOWN_JSON),
    (RESET, RESET_JSON),
    (PATCH, PATCH_JSON),
    (XML_QUERY, XML_QUERY_JSON),
    (DEFLATED, DEFLATED_JSON),
];

fn unhex(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
}

#[test]
fn every_message_of_the_protocol_is_decoded() {
    for (hex, json) in MESSAGES {
        assert_eq!(
            run(&["decode"], hex.as_bytes()),
            (0, format!("{json}\n")),
            "{hex}"
        );
    }
}

#[test]
fn raw_bytes_and_several_descriptors_are_decoded() {
    let all: Vec<u8> = MESSAGES.iter().flat_map(|(hex, _)| unhex(hex)).collect();
    let lines: Vec<&str> = MESSAGES.iter().map(|(_, json)| *json).collect();
    let (exit, out) = run(&["decode", "-"], &all);
    assert_eq!((exit, out.lines().collect()), (0, lines));
    assert_eq!(run(&["decode"], b""), (0, String::new()));
}

#[test]
fn the_first_unsound_descriptor_is_told_with_its_place() {
    let ping = unhex(PING);
    for (name, bytes, error) in [
        (
            "header",
            [&ping[..], &ping[..5]].concat(),
            r#"{"error":"descriptor header cut short","offset":35}"#,
        ),
        (
            "payload",
            [&ping[..], &ping[..28]].concat(),
            r#"{"error":"payload cut short","offset":58}"#,
        ),
    ] {
        let expected = format!("{PING_JSON}\n{error}\n");
        assert_eq!(run(&["decode"], &bytes), (1, expected), "{name}");
    }
    let mut long = ping;
    long[21] = 1;
    let error = r#"{"error":"a payload has at most 65535 bytes","offset":19}"#;
    assert_eq!(run(&["decode"], &long), (1, format!("{error}\n")));
    let one_letter = "10111213141516 17ff191a1b1c1d1e00 80040004000000 80007600";
    let (exit, out) = run(&["decode"], one_letter.as_bytes());
    assert!(exit == 0 && out.contains(r#""text":"v""#), "{out}");
    // A query without the NUL behind its text.
    let query = "10111213141516 17ff191a1b1c1d1e00 80040004000000 98006162";
    let (exit, out) = run(&["decode"], query.as_bytes());
    let error: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(exit, 1);
    assert!(
        error["error"].is_string() && error["offset"].as_u64() >= Some(23),
        "{out}"
    );
}

#[test]
fn handshakes_and_extensions_are_decoded() {
    let block = b"GNUTELLA/0.6 503 Full\r\nUser-Agent: TEST/0.1\r\nX-Try: 192.0.2.1:6346\r\n\r\n";
    let expected = concat!(
        r#"{"line":"GNUTELLA/0.6 503 Full","code":503,"headers":["#,
        r#"{"name":"User-Agent","value":"TEST/0.1"},{"name":"X-Try","value":"192.0.2.1:6346"}]}"#,
        "\n",
    );
    assert_eq!(
        run(&["decode", "--kind", "handshake"], block),
        (0, expected.to_owned())
    );
    assert_eq!(
        run(
            &["decode", "--kind", "handshake"],
            b"GET / HTTP/1.1\r\n\r\n"
        )
        .0,
        1
    );
    assert_eq!(run(&["decode", "--kind", "handshake"], &block[..40]).0, 1);
    let expected = concat!(
        r#"{"extensions":[{"id":"SCP","data":"01","#,
        r#""meaning":{"ipv6":false,"no_ipv4":false,"tls":false,"ultrapeer_slots":true}}]}"#,
        "\n",
    );
    assert_eq!(
        run(&["decode", "--kind", "ggep"], b"c3835343504101"),
        (0, expected.to_owned())
    );
    let (exit, out) = run(&["decode", "--kind", "ggep"], b"c38353435041");
    assert!(exit == 1 && out.starts_with("{\"error\":"), "{out}");
}

#[test]
fn heads_of_http_are_decoded_and_bodies_passed_over() {
    let request = "GET /uri-res/N2R?urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN HTTP/1.1\r\n\
        Host: 192.0.2.1:6346\r\nRange: bytes=0-10\r\n\r\n";
    let response = "HTTP/1.1 206 Partial Content\r\nServer: TEST/0.1\r\nContent-Length: 11\r\n\
        Content-Range: bytes 0-10/11\r\nX-Alt: tls=8,192.0.2.2:6346\r\n\r\nhello world";
    let busy = "HTTP/1.1 503 Queued (slot 3)\r\nX-Queued: ID=ec63; position=3\r\n\r\n";
    let expected = [
        concat!(
            r#"{"line":"GET /uri-res/N2R?urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN HTTP/1.1","#,
            r#""method":"GET","target":"/uri-res/N2R?urn:sha1:FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN","#,
            r#""headers":[{"name":"Host","value":"192.0.2.1:6346","meaning":"192.0.2.1:6346"},"#,
            r#"{"name":"Range","value":"bytes=0-10","meaning":[{"first":0,"last":10}]}],"body":0}"#,
        ),
        concat!(
            r#"{"line":"HTTP/1.1 206 Partial Content","code":206,"reason":"Partial Content","#,
            r#""headers":[{"name":"Server","value":"TEST/0.1"},"#,
            r#"{"name":"Content-Length","value":"11","meaning":11},"#,
            r#"{"name":"Content-Range","value":"bytes 0-10/11","#,
            r#""meaning":{"first":0,"last":10,"total":11}},"#,
            r#"{"name":"X-Alt","value":"tls=8,192.0.2.2:6346","#,
            r#""meaning":[{"address":"192.0.2.2:6346","tls":true}]}],"body":11}"#,
        ),
        concat!(
            r#"{"line":"HTTP/1.1 503 Queued (slot 3)","code":503,"reason":"Queued (slot 3)","#,
            r#""headers":[{"name":"X-Queued","value":"ID=ec63; position=3","#,
            r#""meaning":{"ID":"ec63","position":3}}],"body":0}"#,
        ),
    ];
    let stream = [request, response, busy].concat();
    let (exit, out) = run(&["decode", "--kind", "http"], stream.as_bytes());
    assert_eq!(
        (exit, out.lines().collect::<Vec<_>>()),
        (0, expected.to_vec())
    );
    let old = "GET /get/4/two words.mp3/ HTTP/1.0\r\n\r\nGET /get/4/x\r\nHost: 192.0.2.1\r\n\r\n";
    let (exit, out) = run(&["decode", "--kind", "http"], old.as_bytes());
    assert!(
        exit == 0 && out.contains(r#""target":"/get/4/two words.mp3/""#),
        "{out}"
    );
    assert!(out.contains(r#""line":"GET /get/4/x","#), "{out}");
    let given = "GIV 7:101112131415161718191a1b1c1d1e1f/file\n\nOPTIONS * HTTP/1.1\r\n\r\n";
    let (exit, out) = run(&["decode", "--kind", "http"], given.as_bytes());
    let giv = r#""giv":{"index":7,"name":"file","servent":"101112131415161718191a1b1c1d1e1f"}"#;
    assert!(exit == 0 && out.contains(giv), "{out}");
    assert!(out.contains(r#""method":"OPTIONS","target":"*""#), "{out}");
    for wrong in [&request[..40], "GNUTELLA CONNECT/0.6\r\n\r\n"] {
        let (exit, out) = run(&["decode", "--kind", "http"], wrong.as_bytes());
        assert!(exit == 1 && out.starts_with("{\"error\":"), "{out}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let many = unhex(PING).repeat(20_000);
    let mut child = filbert(&["decode"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&many));
    child
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 100])
        .unwrap();
    writer.join().unwrap().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

#[test]
fn a_wrong_command_line_is_told_in_time() {
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["search"],
        &["search", "x", "--min-size", "big"],
        &["search", "x", "--limit", "0"],
        &["get", "hello.txt"],
        &["get", "urn:sha1:short"],
        &["run", "--listen", "here"],
        &["status", "--api", "nowhere"],
        &["connect", "no port"],
        &["decode", "--kind", "tea"],
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn help_and_version_are_data() {
    for argument in ["--help", "--version", "help"] {
        let output = output(&[argument]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("filbert") && output.stderr.is_empty());
    }
}

#[test]
fn without_a_daemon_the_commands_say_so() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    for arguments in [
        &["status"][..],
        &["peers", "--json"],
        &["downloads"],
        &["results"],
        &["share", "ls"],
        &["stop"],
        &["connect", "127.0.0.1:1"],
    ] {
        let output = output(&[&["--home", home], arguments].concat());
        assert_eq!(output.status.code(), Some(4), "{arguments:?}");
        let error = text(&output.stderr);
        assert!(error.contains("start one with `filbert run`"), "{error}");
        assert_eq!((error.lines().count(), output.stdout.len()), (1, 0));
    }
}

#[test]
fn settings_are_shown_with_their_origin_and_mistakes_with_their_line() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    let file = Path::new(home).join("filbert.toml");
    let path = output(&["--home", home, "config", "path"]);
    assert_eq!(text(&path.stdout).trim_end(), file.to_str().unwrap());
    std::fs::write(&file, "[limits]\nleaves = 40\n").unwrap();
    let shown = output(&["--home", home, "config", "show", "--origin", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let leaves = serde_json::json!({"name": "limits.leaves", "value": "40", "origin": "file"});
    assert!(shown.as_array().unwrap().contains(&leaves), "{shown}");
    std::fs::write(&file, "[limits]\nleafs = 40\n").unwrap();
    for command in [&["config", "check"][..], &["run"]] {
        let refused = output(&[&["--home", home], command].concat());
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        let said = text(&refused.stderr);
        assert!(said.contains("line 2") && said.contains("leafs"), "{said}");
    }
}
