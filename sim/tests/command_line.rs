//! The program from outside: its streams and exit codes.

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn program(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_filbert-sim"));
    command.args(arguments.split(' '));
    command
}

fn run(arguments: &str) -> Output {
    program(arguments).output().unwrap()
}

#[test]
fn rows_are_data_and_the_run_is_not() {
    let output = run("reach --topology grid:w=5,h=5 --ttl 1-2 --sources 12 --format csv --seed 9");
    assert!(output.status.success());
    let rows = "graph,source,ttl,reached,messages,duplicates\n\
                \"grid:w=5,h=5\",12,1,4,4,0\n\
                \"grid:w=5,h=5\",12,2,12,16,4\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), rows);
    let log = String::from_utf8(output.stderr).unwrap();
    for line in [
        "QUERY copies        20\n",
        "threads             1\n",
        "seed                9\n",
    ] {
        assert!(log.contains(line), "{log}");
    }
}

#[test]
fn json_is_one_object() {
    let output = run("reach --topology grid:w=5,h=5 --ttl 2 --sources 12 --format json");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["rows"][0]["reached"], 12);
    assert_eq!(value["run"]["messages"], 16);
    assert!(value["run"]["seconds"].as_f64().is_some());
}

#[test]
fn errors_are_one_line_and_tell_use_from_trouble() {
    for (arguments, code, complaint) in [
        (
            "reach --graph /no/such/file --ttl 7",
            1,
            "cannot read /no/such/file",
        ),
        (
            "reach --graph Cargo.toml --ttl 7",
            1,
            "Cargo.toml is no graph: line 1",
        ),
        (
            "reach --topology grid:w=2,h=2 --ttl 7 --sources 9",
            2,
            "no node 9 in the graph",
        ),
        (
            "reach --topology grid:w=2,h=2 --ttl 7 --sources random:9",
            2,
            "only 4 nodes",
        ),
        (
            "reach --topology grid:w=2,h=2 --ttl 7 --engine graph --wire",
            2,
            "leave out --wire",
        ),
        (
            "reach --topology grid:w=2,h=2 --ttl 7 --engine graph --latency uniform:1-2",
            2,
            "leave out --latency",
        ),
        (
            "topology grid:w=2,h=2 -o /no/such/dir/file",
            1,
            "cannot write /no/such/dir/file",
        ),
    ] {
        let output = run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(
            error.contains(complaint) && error.lines().count() == 1,
            "{error}"
        );
        assert!(output.stdout.is_empty());
    }
    for arguments in [
        "reach",
        "reach --topology ring:n=5 --ttl 7",
        "topology",
        "whirl",
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = program("topology gnm:n=20000,m=50000")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn a_graph_survives_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("made.txt");
    let file = file.to_str().unwrap();
    let made = run(&format!("topology ba:n=300,m=2 --seed 4 --stats -o {file}"));
    assert!(made.status.success());
    let read = run(&format!("topology --graph {file} --stats --seed 4"));
    let tail = |output: &Output| {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(tail(&made), tail(&read));
    assert!(tail(&made).contains("edges       596\n"));
    let json = run(&format!("topology --graph {file} --stats --json"));
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&value["graph"], &value["nodes"]),
        (&"made".into(), &300.into())
    );
}
