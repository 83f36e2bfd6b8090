//! The values of a pickle, once each however often the memo names them: flat, so that nothing of it recurses, and small,
//! since what holds no others stays in the input.

use std::collections::BTreeMap;

use super::error::Why;
use super::scalar::{Body, Scalar};

/// Where a value is: in the input, or among the containers.
#[derive(Clone, Copy)]
pub(super) struct Entry(u32);

/// The highest bit says which.
const HELD: u32 = 1 << 31;

/// Offsets and counts stay below the bit that tells them apart.
pub(super) const LONGEST: usize = HELD as usize - 1;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Tuple,
    Set,
    /// A set to which nothing can be added.
    Closed,
    /// Keys and values in turn.
    Dict,
    /// Bytes, as a text of Latin-1; none where there is no text.
    Encoded,
    /// No data yet.
    Name(Name),
}

/// What data of older protocols is made with. It is recognised, and nothing is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Encode,
    Bytes,
    ByteArray,
    Set,
}

impl Name {
    pub(super) fn of(module: &[u8], name: &[u8]) -> Option<Self> {
        Some(match (module, name) {
            (b"_codecs", b"encode") => Self::Encode,
            (b"builtins" | b"__builtin__", b"bytes") => Self::Bytes,
            (b"builtins" | b"__builtin__", b"bytearray") => Self::ByteArray,
            (b"builtins" | b"__builtin__", b"set" | b"frozenset") => Self::Set,
            _ => return None,
        })
    }
}

/// Items from a first cell on. Two chains may share their beginning: each has the length it had when it was made.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    first: u32,
    last: u32,
    length: u32,
}

impl Chain {
    pub(super) const EMPTY: Self = Self { first: 0, last: 0, length: 0 };

    pub(super) fn len(self) -> usize {
        self.length as usize
    }
}

pub(super) struct Container {
    pub(super) kind: Kind,
    pub(super) chain: Chain,
    /// The byte of the opcode that began it.
    at: u32,
}

struct Cell {
    entry: Entry,
    next: u32,
}

pub(super) struct Tree<'de> {
    pub(super) input: &'de [u8],
    containers: Vec<Container>,
    cells: Vec<Cell>,
}

impl<'de> Tree<'de> {
    /// For an input of at most `LONGEST` bytes, each of which makes one container and one cell at most.
    pub(super) fn new(input: &'de [u8]) -> Self {
        Self { input, containers: Vec::new(), cells: Vec::new() }
    }

    pub(super) fn scalar(at: usize) -> Entry {
        Entry(small(at))
    }

    pub(super) fn hold(&mut self, kind: Kind, chain: Chain, at: usize) -> Entry {
        let index = small(self.containers.len());
        self.containers.push(Container { kind, chain, at: small(at) });
        Entry(index | HELD)
    }

    /// How many containers there are.
    pub(super) fn len(&self) -> usize {
        self.containers.len()
    }

    /// Its place among the containers, where it is one.
    pub(super) fn index(entry: Entry) -> Option<usize> {
        (entry.0 & HELD != 0).then_some((entry.0 & !HELD) as usize)
    }

    pub(super) fn container(&self, entry: Entry) -> Option<&Container> {
        Self::index(entry).map(|index| &self.containers[index])
    }

    pub(super) fn chain_of(&self, entry: Entry, kind: Kind) -> Option<Chain> {
        self.container(entry).filter(|held| held.kind == kind).map(|held| held.chain)
    }

    /// The byte of its opcode.
    pub(super) fn at(&self, entry: Entry) -> usize {
        self.container(entry).map_or(entry.0, |held| held.at) as usize
    }

    /// The opcode of a scalar.
    pub(super) fn opcode(&self, entry: Entry) -> Option<u8> {
        match Self::index(entry) {
            Some(_) => None,
            None => self.input.get(entry.0 as usize).copied(),
        }
    }

    pub(super) fn body(&self, entry: Entry) -> Result<Body<'de>, Why> {
        let at = if Self::index(entry).is_some() { usize::MAX } else { entry.0 as usize };
        Body::at(self.input, at).ok_or(Why::NoOpcode)?
    }

    pub(super) fn read(&self, entry: Entry) -> Result<Scalar<'de>, Why> {
        self.body(entry)?.read()
    }

    pub(super) fn chain(&mut self, entries: impl IntoIterator<Item = Entry>) -> Chain {
        let mut chain = Chain::EMPTY;
        self.grow(&mut chain, entries);
        chain
    }

    /// Adds to a container.
    pub(super) fn extend(&mut self, container: Entry, entries: impl IntoIterator<Item = Entry>) {
        let Some(index) = Self::index(container) else { return };
        let mut chain = self.containers[index].chain;
        self.grow(&mut chain, entries);
        self.containers[index].chain = chain;
    }

    fn grow(&mut self, chain: &mut Chain, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let new = small(self.cells.len());
            self.cells.push(Cell { entry, next: 0 });
            if chain.length == 0 {
                chain.first = new;
            } else {
                self.cells[chain.last as usize].next = new;
            }
            chain.last = new;
            chain.length += 1;
        }
    }

    pub(super) fn items(&self, chain: Chain) -> Items<'_> {
        Items { cells: &self.cells, next: chain.first, left: chain.length }
    }
}

/// Never the other arm: an input is no longer than `LONGEST`.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// The items of a chain.
pub(super) struct Items<'t> {
    cells: &'t [Cell],
    next: u32,
    left: u32,
}

impl Iterator for Items<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.left = self.left.checked_sub(1)?;
        let cell = &self.cells[self.next as usize];
        self.next = cell.next;
        Some(cell.entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// What the memo holds: entries in order, and those that were put elsewhere, so that a great index costs no memory.
#[derive(Default)]
pub(super) struct Memo {
    dense: Vec<Entry>,
    sparse: BTreeMap<u32, Entry>,
}

impl Memo {
    pub(super) fn put(&mut self, index: u32, entry: Entry) {
        if let Some(place) = self.dense.get_mut(index as usize) {
            *place = entry;
        } else if index as usize == self.dense.len() {
            self.sparse.remove(&index);
            self.dense.push(entry);
        } else {
            self.sparse.insert(index, entry);
        }
    }

    pub(super) fn get(&self, index: u32) -> Option<Entry> {
        self.dense.get(index as usize).or_else(|| self.sparse.get(&index)).copied()
    }

    /// Where `MEMOIZE` puts: as many as there are.
    pub(super) fn next(&self) -> u32 {
        small(self.dense.len() + self.sparse.len())
    }
}
