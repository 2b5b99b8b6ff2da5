//! Rust sources as words and paths: enough of a reader to see who names whom.
//!
//! Comments and the contents of strings are left out, so that a rule speaks of code only.

/// A word or mark of a source file, and the line it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// A path such as `crate::wire::Guid`; a brace group gives one for each of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    pub(crate) segments: Vec<&'a str>,
    pub(crate) line: usize,
    /// How many modules are open around it inside the file.
    pub(crate) depth: usize,
}

impl Path<'_> {
    /// Whether the path begins with these segments, written as `a::b`.
    pub(crate) fn begins_with(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        prefix
            .split("::")
            .all(|part| segments.next() == Some(&part))
    }
}

/// The words and marks of a source, without comments and without what strings hold.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            '\'' => character_or_lifetime(rest),
            _ if word_start(first) => {
                let word = word_length(rest);
                match raw_string(rest, word) {
                    Some(length) => length,
                    None => {
                        tokens.push(Token {
                            text: &rest[..word],
                            line,
                        });
                        word
                    }
                }
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ => {
                let length = if rest.starts_with("::") {
                    2
                } else {
                    first.len_utf8()
                };
                tokens.push(Token {
                    text: &rest[..length],
                    line,
                });
                length
            }
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
}

/// Every path of two or more segments, and every group of a `use` as its members.
pub(crate) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut paths = Vec::new();
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" => braces.push(at >= 2 && tokens[at - 2].text == "mod"),
            "}" => drop(braces.pop()),
            text if text.starts_with(word_start)
                && tokens.get(at + 1).is_some_and(|next| next.text == "::") =>
            {
                let depth = braces.iter().filter(|module| **module).count();
                at = expand(tokens, at, &[], depth, &mut paths);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

/// Reads one path or group at `at` behind `prefix` and returns where it ends.
fn expand<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    prefix: &[&'a str],
    depth: usize,
    paths: &mut Vec<Path<'a>>,
) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        if token.text == "{" {
            at += 1;
            while let Some(token) = tokens.get(at) {
                match token.text {
                    "}" => return at + 1,
                    "," => at += 1,
                    _ => at = expand(tokens, at, &segments, depth, paths),
                }
            }
            return at;
        }
        if token.text != "*" && !token.text.starts_with(word_start) {
            // A group's member ends here, or something odd follows that no rule speaks of.
            at += usize::from(segments.len() == prefix.len());
            break;
        }
        segments.push(token.text);
        at += 1;
        let goes_on = tokens.get(at).is_some_and(|next| next.text == "::")
            && tokens.get(at + 1).is_some_and(|next| {
                matches!(next.text, "{" | "*") || next.text.starts_with(word_start)
            });
        if !goes_on {
            break;
        }
        at += 1;
    }
    if tokens.get(at).is_some_and(|token| token.text == "as") && !prefix.is_empty() {
        at += 2;
    }
    if segments.len() > 1 {
        paths.push(Path {
            segments,
            line,
            depth,
        });
    }
    at
}

fn word_start(first: char) -> bool {
    first == '_' || first.is_alphanumeric()
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| c != '_' && !c.is_alphanumeric())
        .unwrap_or(rest.len())
}

/// The length of a string that begins with a prefix such as `r#`, `b` or `br`, if one does.
fn raw_string(rest: &str, word: usize) -> Option<usize> {
    let prefix = &rest[..word];
    let body = &rest[word..];
    if matches!(prefix, "b" | "c") && body.starts_with('"') {
        return Some(word + string(body));
    }
    if prefix == "b" && body.starts_with('\'') {
        return Some(word + character_or_lifetime(body));
    }
    if !matches!(prefix, "r" | "br" | "cr") {
        return None;
    }
    let marks = body.len() - body.trim_start_matches('#').len();
    if !body[marks..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(marks));
    let start = word + marks + 1;
    let length = rest[start..]
        .find(&end)
        .map_or(rest.len(), |found| start + found + end.len());
    Some(length)
}

fn string(rest: &str) -> usize {
    quoted(rest, '"').unwrap_or(rest.len())
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut inner = rest[1..].chars();
    match (inner.next(), inner.next()) {
        (Some('\\'), _) => quoted(rest, '\'').unwrap_or(rest.len()),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 1 + word_length(&rest[1..]),
    }
}

/// The length of a text in quotes, both of them included, where a backslash hides the next.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut hidden = false;
    for (at, c) in rest.char_indices().skip(1) {
        if hidden {
            hidden = false;
        } else if c == '\\' {
            hidden = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

fn block_comment(rest: &str) -> usize {
    let mut open = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            open += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            open -= 1;
            at += 2;
            if open == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::{paths, tokens};

    fn words(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.text).collect()
    }

    fn joined(text: &str) -> Vec<String> {
        paths(&tokens(text))
            .iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn comments_and_strings_hold_no_words() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        assert_eq!(words(r#"a "b \" c" d"#), ["a", "d"]);
        assert_eq!(words(r###"a r#"b " c"# br"d" b"e" f"###), ["a", "f"]);
        assert_eq!(words(r"a '\'' 'b' b'c' '{' d"), ["a", "d"]);
        assert_eq!(words("a<'life> b"), ["a", "<", ">", "b"]);
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let text = "a /*\n*/ b \"\n\" c\nd";
        let lines: Vec<usize> = tokens(text).iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
    }

    #[test]
    fn groups_are_spread_out() {
        assert_eq!(
            joined("use crate::{wire::{self, Guid as Id, urn::*}, overlay};"),
            [
                "crate::wire::self",
                "crate::wire::Guid",
                "crate::wire::urn::*",
                "crate::overlay"
            ]
        );
        assert_eq!(
            joined("let x: crate::wire::Guid = std::fs::read::<u8>(a::b);"),
            ["crate::wire::Guid", "std::fs::read", "a::b"]
        );
    }

    #[test]
    fn modules_inside_a_file_are_counted() {
        let text = "a::b; mod m { fn f() { c::d } } e::f";
        let depths: Vec<usize> = paths(&tokens(text)).iter().map(|path| path.depth).collect();
        assert_eq!(depths, [0, 1, 0]);
    }
}
