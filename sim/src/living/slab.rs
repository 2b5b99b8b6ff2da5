//! Things with a number each, whose numbers are used again.

/// Things that come and go.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Takes one in; its number is nobody else's until it is taken out.
    pub(super) fn put(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.places[number as usize] = Some(thing);
            return number;
        }
        self.places.push(Some(thing));
        u32::try_from(self.places.len() - 1).expect("as many fit into memory")
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.places[number as usize].as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.places[number as usize].as_mut()
    }

    pub(super) fn take(&mut self, number: u32) -> Option<T> {
        let thing = self.places[number as usize].take();
        if thing.is_some() {
            self.free.push(number);
        }
        thing
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again() {
        let mut slab = Slab::default();
        let (a, b) = (slab.put('a'), slab.put('b'));
        assert_eq!((slab.take(a), slab.take(a)), (Some('a'), None));
        assert_eq!(slab.put('c'), a);
        assert_eq!((slab.get(a), slab.get(b)), (Some(&'c'), Some(&'b')));
        assert_eq!(slab.iter().collect::<String>(), "cb");
    }
}
