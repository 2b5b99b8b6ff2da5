//! File names a stranger chose, made safe to write.

/// Bytes a safe name may have: below every file system's 255, with room for a number.
pub const MAX_NAME: usize = 200;

/// An extension longer than this is no extension, but the tail of a name.
const MAX_EXTENSION: usize = 32;

/// What a name becomes when nothing of it can be kept.
const UNNAMED: &str = "unnamed";

/// `name` as one component that is safe to create in any folder of any file system.
///
/// No path separator or other character that a file system reserves, no control character, no mark
/// that turns the direction of writing (which would hide the true extension), no name of a device,
/// no leading dot, at most [`MAX_NAME`] bytes with the extension kept, and never empty.
#[must_use]
pub fn safe_file_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if is_reserved(c) { '_' } else { c })
        .collect();
    let mut safe = trimmed(&shortened(trimmed(&clean))).to_owned();
    if safe.is_empty() {
        return UNNAMED.to_owned();
    }
    if is_device(&safe) {
        safe.insert(0, '_');
        safe = trimmed(&shortened(&safe)).to_owned();
    }
    safe
}

/// `name` with ` (number)` before its extension; 0 is the name itself.
#[must_use]
pub fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    format!("{stem} ({number}){extension}")
}

/// Characters that show as nothing, or change how the others show.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// Characters that some file system keeps for itself.
fn is_reserved(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// Without leading dots, which hide a file, and without trailing dots and blanks, which Windows
/// drops silently.
fn trimmed(name: &str) -> &str {
    let edge = |c: char| c == '.' || c.is_whitespace();
    name.trim_matches(edge)
}

/// At most [`MAX_NAME`] bytes, cut from the end of the stem.
fn shortened(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let room = MAX_NAME - extension.len();
    format!("{}{extension}", &stem[..stem.floor_char_boundary(room)])
}

/// The stem and the extension with its dot, which may be empty.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION => name.split_at(dot),
        _ => (name, ""),
    }
}

/// Whether Windows would open a device instead of a file of this name.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let stem = stem.to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$" => true,
        other => ["COM", "LPT"].iter().any(|port| {
            other.strip_prefix(port).is_some_and(|number| {
                let mut chars = number.chars();
                matches!(chars.next(), Some('0'..='9' | '¹' | '²' | '³')) && chars.next().is_none()
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn assert_safe(name: &str) {
        let safe = safe_file_name(name);
        assert!(!safe.is_empty() && safe.len() <= MAX_NAME, "{safe:?}");
        let mut parts = Path::new(&safe).components();
        assert!(
            matches!(parts.next(), Some(Component::Normal(_))),
            "{safe:?}"
        );
        assert_eq!(parts.next(), None, "{safe:?}");
        assert!(
            !safe.starts_with('.') && !safe.ends_with(['.', ' ']),
            "{safe:?}"
        );
        assert!(
            !safe.chars().any(|c| is_invisible(c) || is_reserved(c)),
            "{safe:?}"
        );
        assert!(!is_device(&safe), "{safe:?}");
    }

    #[test]
    fn keeps_an_honest_name() {
        for name in [
            "Green Valley Concerto (demo).mp3",
            "été — 東京.txt",
            "a.tar.gz",
            "-x",
            "COM10",
        ] {
            assert_eq!(safe_file_name(name), name);
        }
    }

    #[test]
    fn never_leaves_the_folder() {
        for name in [
            "../../etc/passwd",
            "..",
            ".",
            "",
            "/",
            "\\",
            "..\\..\\boot.ini",
            "/etc/passwd",
            "C:\\x",
            "a/../b",
            "....//",
            "~/x",
            "\0",
            "a\0/b",
            " .. ",
            "\u{202E}../x",
        ] {
            assert_safe(name);
        }
        assert_eq!(safe_file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(safe_file_name(".."), UNNAMED);
        assert_eq!(safe_file_name(".bashrc"), "bashrc");
    }

    #[test]
    fn hides_nothing() {
        assert_eq!(safe_file_name("song\u{202E}3pm.exe"), "song3pm.exe");
        assert_eq!(safe_file_name("a\nb\tc\u{7f}\u{85}.txt"), "abc.txt");
        assert_eq!(safe_file_name("NUL\0.txt"), "_NUL.txt");
    }

    #[test]
    fn names_no_device() {
        for name in [
            "con",
            "CON.txt",
            "nul.tar.gz",
            "Com1",
            "LPT9.log",
            "com¹",
            "AUX ",
            "aux .txt",
            "CONIN$",
            "C\u{200E}ON",
            "prn.",
        ] {
            assert_safe(name);
        }
        assert_eq!(safe_file_name("CON.txt"), "_CON.txt");
    }

    #[test]
    fn cuts_the_stem_and_keeps_the_extension() {
        let long = format!("{}.mp3", "é".repeat(4_000));
        let safe = safe_file_name(&long);
        assert!(safe.ends_with("é.mp3") && safe.len() >= MAX_NAME - 1 && safe.len() <= MAX_NAME);
        assert_eq!(safe_file_name(&"x".repeat(4_000)).len(), MAX_NAME);
        assert_safe(&format!("x.{}", "y".repeat(4_000)));
        assert_safe(&format!("CON{}x.txt", " ".repeat(4_000)));
    }

    #[test]
    fn numbers_before_the_extension() {
        assert_eq!(numbered("a b.txt", 0), "a b.txt");
        assert_eq!(numbered("a b.txt", 1), "a b (1).txt");
        assert_eq!(numbered("README", 12), "README (12)");
    }

    proptest! {
        #[test]
        fn any_name_becomes_safe_and_stays_so(name in any::<String>()) {
            assert_safe(&name);
            assert_safe(&safe_file_name(&name));
        }

        #[test]
        fn wild_names_become_safe(name in "(CON|nul|\\.|/|\\\\| |\u{202E}|\u{0}|é|lpt1|x){0,300}") {
            assert_safe(&name);
        }
    }
}
