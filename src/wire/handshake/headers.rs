//! The headers of a block.

use std::borrow::Cow;

/// Names and values in order. Names are equal in any case; a repeated name makes one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a header at the end, also when there is one of that name already.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Puts a header in place of all of that name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.remove(&name);
        self.push(name, value);
    }

    /// Takes out every header of that name.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// The value of a header; the values of a repeated one, joined by commas.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.all(name);
        let first = Cow::Borrowed(values.next()?);
        Some(values.fold(first, |list, value| Cow::Owned(format!("{list}, {value}"))))
    }

    /// Whether there is a header of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Every header, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The items of a header that is a list, none of them empty.
    pub fn items(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|item| !item.is_empty())
    }

    /// Adds what a line of a block says: a header, more of the last one, or nothing.
    pub(super) fn push_line(&mut self, line: &str) {
        if line.starts_with([' ', '\t']) {
            let more = line.trim();
            if let Some((_, value)) = self.0.last_mut()
                && !more.is_empty()
            {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(more);
            }
        } else if let Some((name, value)) = line.split_once(':')
            && !name.trim().is_empty()
        {
            self.push(name.trim(), value.trim());
        }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self(
            headers
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_make_one_list() {
        let mut headers: Headers = [("X-Try", "a, b"), ("Other", "1"), ("x-try", "c")]
            .into_iter()
            .collect();
        assert_eq!(headers.get("X-TRY").as_deref(), Some("a, b, c"));
        assert_eq!(headers.items("X-Try").collect::<Vec<_>>(), ["a", "b", "c"]);
        headers.set("X-Try", "d");
        assert_eq!(
            headers.iter().collect::<Vec<_>>(),
            [("Other", "1"), ("X-Try", "d")]
        );
        assert_eq!(headers.get("none"), None);
    }
    #[test]
    fn a_value_continued_has_no_blanks_around_it() {
        let mut headers = Headers::new();
        for line in ["A:", "\t1", "  ", " 2"] {
            headers.push_line(line);
        }
        assert_eq!(headers.get("A").as_deref(), Some("1 2"));
    }
}
