//! Edge lists as the Stanford collection (SNAP) writes them: one edge a line as two node ids,
//! and comments behind `#`.

use std::io::{self, Write};

use super::{Error, Graph, MAX_EDGES};

/// Reads an edge list: two ids a line with blanks between, blank lines and lines that begin with
/// `#` skipped. Direction means nothing.
///
/// # Errors
/// At the first line that is something else, and when there is more than a graph may hold.
pub fn parse_edge_list(text: &str) -> Result<Graph, Error> {
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let found = || line.chars().take(QUOTED).collect();
        pairs.push(pair(line).ok_or_else(|| Error::Line {
            line: index + 1,
            found: found(),
        })?);
        if pairs.len() > MAX_EDGES {
            return Err(Error::TooLarge);
        }
    }
    Graph::from_edges(&pairs)
}

/// Writes a graph as an edge list, each edge once with its smaller end first, in order, below
/// the `comments`. The format has no word for a node without an edge.
///
/// # Errors
/// Those of `out`.
pub fn write_edge_list(graph: &Graph, comments: &[&str], out: &mut impl Write) -> io::Result<()> {
    for line in comments.iter().flat_map(|comment| comment.lines()) {
        writeln!(out, "# {line}")?;
    }
    for node in graph.iter() {
        for &neighbour in graph
            .neighbours(node)
            .iter()
            .filter(|&&neighbour| neighbour > node)
        {
            writeln!(out, "{}\t{}", graph.id(node), graph.id(neighbour))?;
        }
    }
    Ok(())
}

fn pair(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    let edge = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some(edge)
}

/// How much of a wrong line an error repeats, in characters.
const QUOTED: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_blanks_and_line_ends_do_not_matter() {
        let graph = parse_edge_list("# Nodes: 3\r\n\r\n1\t2\r\n 2  3 \n#1 9\n2 1").unwrap();
        assert_eq!((graph.nodes(), graph.edges()), (3, 2));
    }

    #[test]
    fn an_error_tells_the_line() {
        for (text, line, found) in [
            ("1 2\n3\n", 2, "3"),
            ("1 2 3", 1, "1 2 3"),
            ("# fine\n\n1 -2", 3, "1 -2"),
            ("1 99999999999999999999", 1, "1 99999999999999999999"),
        ] {
            let error = Error::Line {
                line,
                found: found.to_owned(),
            };
            assert_eq!(parse_edge_list(text), Err(error));
        }
        let Err(Error::Line { found, .. }) = parse_edge_list(&"x".repeat(5000)) else {
            panic!("no edge list");
        };
        assert_eq!(found.len(), QUOTED);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(pairs in prop::collection::vec((0..50_u64, 0..50_u64), 0..200)) {
            let proper: Vec<_> = pairs.into_iter().filter(|(a, b)| a != b).collect();
            let graph = Graph::from_edges(&proper).unwrap();
            let mut text = Vec::new();
            write_edge_list(&graph, &["two\nlines", "third"], &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            prop_assert!(text.starts_with("# two\n# lines\n# third\n"));
            prop_assert_eq!(parse_edge_list(&text).unwrap(), graph);
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = parse_edge_list(&text);
        }
    }
}
