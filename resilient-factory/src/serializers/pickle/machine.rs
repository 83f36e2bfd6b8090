//! From bytes to a tree of values, by the rules of Python's reader and nothing of it that runs code.

use super::error::{Error, Why};
use super::scalar::{self, Body};
use super::tree::{Chain, Entry, Kind, LONGEST, Memo, Name, Tree, small};
use super::{literal, opcode as op};

struct Machine<'de> {
    tree: Tree<'de>,
    stack: Vec<Entry>,
    /// How many values were on the stack when it was marked.
    marks: Vec<u32>,
    memo: Memo,
    /// The opcode that is carried out.
    at: usize,
    next: usize,
}

/// Reads a pickle to its end. Takes memory for what is there: some 30 bytes for one of input at the most, and what
/// vectors keep to spare.
pub(super) fn load(input: &[u8], max_size: usize) -> Result<(Tree<'_>, Entry), Error> {
    let allowed = max_size.min(LONGEST);
    if input.len() > allowed {
        return Err(Why::Long { found: input.len(), allowed }.into());
    }
    let mut machine = Machine {
        tree: Tree::new(input),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::default(),
        at: 0,
        next: 0,
    };
    match machine.run() {
        Ok(root) => Ok((machine.tree, root)),
        Err(why) => Err(Error::new(why).or_at(input, machine.at)),
    }
}

impl<'de> Machine<'de> {
    fn run(&mut self) -> Result<Entry, Why> {
        loop {
            self.at = self.next;
            let Some(&opcode) = self.tree.input.get(self.at) else { return Err(Why::Unfinished) };
            self.next += 1;
            if opcode == op::STOP {
                return self.stop();
            }
            match Body::at(self.tree.input, self.at) {
                Some(body) => {
                    let body = body?;
                    body.read()?;
                    self.next = body.next;
                    self.stack.push(Tree::scalar(self.at));
                }
                None => match empty(opcode) {
                    Some(kind) => self.hold(kind, Chain::EMPTY),
                    None => self.step(opcode)?,
                },
            }
        }
    }

    fn stop(&mut self) -> Result<Entry, Why> {
        let root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err(Why::Many);
        }
        match self.tree.input.len() - self.next {
            0 => Ok(root),
            more => {
                self.at = self.next;
                Err(Why::Trailing(more))
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Why> {
        match opcode {
            op::PROTO => match self.number::<1>()? {
                0..=5 => Ok(()),
                other => Err(Why::Protocol(other)),
            },
            op::FRAME => {
                let needed = self.number::<8>()?;
                scalar::take(self.tree.input, self.next, needed).map(drop)
            }
            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.hold_name(Name::of(module, name))
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (self.tree.body(module), self.tree.body(name));
                let spelt = module.ok().zip(name.ok());
                self.hold_name(spelt.and_then(|(module, name)| Name::of(module.bytes, name.bytes)))
            }
            op::REDUCE => self.reduce(),
            op::BUILD | op::INST | op::OBJ | op::NEWOBJ | op::NEWOBJ_EX | op::EXT1 | op::EXT2 | op::EXT4 => {
                Err(Why::Code)
            }
            op::PERSID | op::BINPERSID | op::NEXT_BUFFER | op::READONLY_BUFFER => Err(Why::Outside),
            op::LIST => self.gather(Kind::List),
            op::TUPLE => self.gather(Kind::Tuple),
            op::FROZENSET => self.gather(Kind::Closed),
            op::DICT => self.gather(Kind::Dict),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::APPEND => self.below(1).and_then(|start| self.fill(Kind::List, start)),
            op::SETITEM => self.below(2).and_then(|start| self.fill(Kind::Dict, start)),
            op::APPENDS => self.mark().and_then(|start| self.fill(Kind::List, start)),
            op::SETITEMS => self.mark().and_then(|start| self.fill(Kind::Dict, start)),
            op::ADDITEMS => self.mark().and_then(|start| self.fill(Kind::Set, start)),
            _ => self.arrange(opcode),
        }
    }

    /// What moves values between stack and memo.
    fn arrange(&mut self, opcode: u8) -> Result<(), Why> {
        match opcode {
            op::MARK => self.marks.push(small(self.stack.len())),
            op::POP if self.marks.last() == Some(&small(self.stack.len())) => drop(self.marks.pop()),
            op::POP => drop(self.pop()?),
            op::POP_MARK => {
                let mark = self.mark()?;
                self.stack.truncate(mark);
            }
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
            }
            op::MEMOIZE => {
                let top = self.top()?;
                self.memo.put(self.memo.next(), top);
            }
            op::PUT | op::BINPUT | op::LONG_BINPUT => {
                let index = self.index(opcode)?;
                let top = self.top()?;
                self.memo.put(index, top);
            }
            op::GET | op::BINGET | op::LONG_BINGET => {
                let index = self.index(opcode)?;
                let entry = self.memo.get(index).ok_or(Why::NoEntry)?;
                self.stack.push(entry);
            }
            _ => return Err(Why::NoOpcode),
        }
        Ok(())
    }

    fn index(&mut self, opcode: u8) -> Result<u32, Why> {
        let index = match opcode {
            op::PUT | op::GET => return literal::index(self.line()?),
            op::BINPUT | op::BINGET => self.number::<1>(),
            _ => self.number::<4>(),
        };
        index.map(|index| u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn hold(&mut self, kind: Kind, chain: Chain) {
        let entry = self.tree.hold(kind, chain, self.at);
        self.stack.push(entry);
    }

    fn hold_name(&mut self, name: Option<Name>) -> Result<(), Why> {
        self.hold(Kind::Name(name.ok_or(Why::Code)?), Chain::EMPTY);
        Ok(())
    }

    /// A container of all that follows the mark.
    fn gather(&mut self, kind: Kind) -> Result<(), Why> {
        let start = self.mark()?;
        self.even(kind, start)?;
        let chain = self.tree.chain(self.stack.drain(start..));
        self.hold(kind, chain);
        Ok(())
    }

    fn tuple(&mut self, items: usize) -> Result<(), Why> {
        let start = self.below(items)?;
        let chain = self.tree.chain(self.stack.drain(start..));
        self.hold(Kind::Tuple, chain);
        Ok(())
    }

    /// Moves all from `start` on into the container below it.
    fn fill(&mut self, kind: Kind, start: usize) -> Result<(), Why> {
        self.even(kind, start)?;
        let floor = self.floor();
        let into = start.checked_sub(1).filter(|&below| below >= floor).map(|below| self.stack[below]);
        let into = into.filter(|&entry| self.tree.chain_of(entry, kind).is_some()).ok_or(Why::NotFillable)?;
        self.tree.extend(into, self.stack.drain(start..));
        Ok(())
    }

    fn even(&self, kind: Kind, start: usize) -> Result<(), Why> {
        match kind {
            Kind::Dict if !(self.stack.len() - start).is_multiple_of(2) => Err(Why::Odd),
            _ => Ok(()),
        }
    }

    /// Data that is spelt as a call: `set([..])`, `frozenset([..])`, `bytes()`, `bytearray()`, `bytearray(b'..')`,
    /// `_codecs.encode('..', 'latin1')`, and Python 2's `bytearray('..', 'latin-1')`.
    fn reduce(&mut self) -> Result<(), Why> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Some(Kind::Name(name)) = self.tree.container(callable).map(|held| held.kind) else {
            return Err(Why::Code);
        };
        let arguments = self.tree.chain_of(arguments, Kind::Tuple).ok_or(Why::Call)?;
        let mut items = self.tree.items(arguments);
        let opcode = |entry| self.tree.opcode(entry).unwrap_or(0);
        match (name, items.next(), items.next(), items.next()) {
            (Name::Set, None, ..) => self.hold(Kind::Closed, Chain::EMPTY),
            (Name::Set, Some(list), None, _) => {
                let chain = self.tree.chain_of(list, Kind::List).ok_or(Why::Call)?;
                self.hold(Kind::Closed, chain);
            }
            (Name::Bytes | Name::ByteArray, None, ..) => self.hold(Kind::Encoded, Chain::EMPTY),
            (Name::ByteArray, Some(bytes), None, _)
                if scalar::is_bytes(opcode(bytes)) || self.tree.chain_of(bytes, Kind::Encoded).is_some() =>
            {
                self.stack.push(bytes);
            }
            (Name::Encode | Name::ByteArray, Some(text), Some(codec), None)
                if scalar::is_text(opcode(text))
                    && scalar::is_text(opcode(codec))
                    && matches!(self.tree.body(codec)?.bytes, b"latin1" | b"latin-1" | b"'latin-1'") =>
            {
                let chain = self.tree.chain([text]);
                self.hold(Kind::Encoded, chain);
            }
            _ => return Err(Why::Call),
        }
        Ok(())
    }

    /// What of the stack belongs to what is below the last mark.
    fn floor(&self) -> usize {
        self.marks.last().map_or(0, |&mark| mark as usize)
    }

    /// Where `items` values begin, none of them from below the last mark.
    fn below(&self, items: usize) -> Result<usize, Why> {
        let floor = self.floor();
        self.stack.len().checked_sub(items).filter(|&start| start >= floor).ok_or(Why::Empty)
    }

    fn top(&self) -> Result<Entry, Why> {
        self.below(1).map(|top| self.stack[top])
    }

    fn pop(&mut self) -> Result<Entry, Why> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn mark(&mut self) -> Result<usize, Why> {
        self.marks.pop().map(|mark| mark as usize).ok_or(Why::NoMark)
    }

    fn number<const WIDTH: usize>(&mut self) -> Result<u64, Why> {
        let (bytes, next) = scalar::take(self.tree.input, self.next, WIDTH as u64)?;
        self.next = next;
        Ok(scalar::little_endian(bytes))
    }

    fn line(&mut self) -> Result<&'de [u8], Why> {
        let (line, next) = scalar::line(self.tree.input, self.next)?;
        self.next = next;
        Ok(line)
    }
}

fn empty(opcode: u8) -> Option<Kind> {
    Some(match opcode {
        op::EMPTY_LIST => Kind::List,
        op::EMPTY_TUPLE => Kind::Tuple,
        op::EMPTY_SET => Kind::Set,
        op::EMPTY_DICT => Kind::Dict,
        _ => return None,
    })
}
