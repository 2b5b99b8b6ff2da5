//! The canonical form of names and searches, and its words (protocol §4.5).
//!
//! Both sides of every comparison go through here: names and queries when files are matched, and
//! the words of query routing tables.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The form in which texts are compared: folded to one case and to compatible letters without
/// accents, everything but letters and digits turned into single spaces between words.
#[must_use]
pub fn canonical(text: &str) -> String {
    match text.is_ascii() {
        true => canonical_ascii(text),
        false => canonical_unicode(text),
    }
}

/// The same of plain text, which nearly all of it is: nothing in it is composed or decomposed.
fn canonical_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for char in text.chars() {
        if !char.is_ascii_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !out.is_empty() {
            out.push(' ');
        }
        gap = false;
        out.push(char.to_ascii_lowercase());
    }
    out
}

fn canonical_unicode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    // Folded twice, as decomposing can bring capitals out of letter-like symbols.
    for char in text.nfc().flat_map(fold).nfkd().flat_map(fold) {
        match role(char) {
            Role::Accent => {}
            Role::Gap => gap = true,
            Role::Letter => {
                if gap && !out.is_empty() {
                    out.push(' ');
                }
                gap = false;
                out.push(char);
            }
        }
    }
    out
}

/// The words of a text in canonical form.
pub fn words(canonical: &str) -> impl Iterator<Item = &str> {
    canonical.split(' ').filter(|word| !word.is_empty())
}

/// What a decomposed character does to a word.
enum Role {
    Accent,
    Gap,
    Letter,
}

fn role(char: char) -> Role {
    match canonical_combining_class(char) {
        // Nuktas, the voicing marks of kana, viramas; the vowels and tones of Telugu, Thai, Lao
        // and Tibetan: without them it is another word.
        7..=9 | 84..=132 => Role::Letter,
        0 if char.is_alphanumeric() => Role::Letter,
        0 if !is_combining_mark(char) => Role::Gap,
        _ => Role::Accent,
    }
}

/// The letters that a letter folds to: through upper case, so that "ß" becomes "ss" and a final
/// sigma an ordinary one. The dotless "ı" is a letter of its own.
fn fold(char: char) -> impl Iterator<Item = char> {
    let upper = (char != 'ı').then(|| char.to_uppercase().flat_map(char::to_lowercase));
    let same = upper.is_none().then_some(char);
    upper.into_iter().flatten().chain(same)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_accents_and_punctuation_go() {
        for (text, form) in [
            ("Red_Sunset (Overture).ogg", "red sunset overture ogg"),
            ("  -- a..b --  ", "a b"),
            ("Café CAFE\u{301} café", "cafe cafe cafe"),
            ("Straße STRASSE ẞ", "strasse strasse ss"),
            ("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ"),
            ("ﬁle № ① ²", "file no 1 2"),
            ("ℋello Ｆｕｌｌ", "hello full"),
            ("Łódź ıi İ", "łodz ıi i"),
            ("!?_\t\n", ""),
        ] {
            assert_eq!(canonical(text), form);
        }
    }

    #[test]
    fn marks_that_make_the_word_stay() {
        assert_eq!(canonical("ガ"), canonical("ｶﾞ"));
        assert_ne!(canonical("ガ"), canonical("カ"));
        assert_ne!(canonical("कि"), canonical("क"));
        assert_ne!(canonical("क्"), canonical("क"));
        assert_ne!(canonical("ปู"), canonical("ป"));
        assert_eq!(canonical("שָׁלוֹם"), canonical("שלום"));
    }

    #[test]
    fn words_are_what_stands_between_spaces() {
        let form = canonical("The Quick, brown\u{a0}fox.");
        assert_eq!(
            words(&form).collect::<Vec<_>>(),
            ["the", "quick", "brown", "fox"]
        );
        assert_eq!(words("").count(), 0);
    }

    proptest! {
        #[test]
        fn plain_text_has_the_form_that_any_text_has(text in "[\\x00-\\x7f]{0,40}") {
            prop_assert_eq!(canonical_ascii(&text), canonical_unicode(&text));
        }

        #[test]
        fn the_form_is_stable_and_tidy(text in any::<String>()) {
            let form = canonical(&text);
            prop_assert_eq!(&canonical(&form), &form);
            prop_assert!(!form.starts_with(' ') && !form.ends_with(' ') && !form.contains("  "));
        }
    }
}
