//! How deep a tree is, and how large when every reference is followed, before anybody follows them.

use super::error::{Error, Why};
use super::tree::{Entry, Items, Kind, Tree, small};

#[derive(Clone, Copy)]
enum Seen {
    No,
    Inside,
    Weighed(Weight),
}

/// The bytes of the pickle that it would be without references, and the levels of containers.
#[derive(Clone, Copy, Default)]
struct Weight {
    size: u32,
    levels: u32,
}

/// A container whose items are being weighed.
struct Open<'t> {
    entry: Entry,
    index: usize,
    items: Items<'t>,
    weight: Weight,
}

/// Refuses what holds itself, what is too deep or too large, and names that stand for no data. Each container is looked into
/// once, and no more than `max_depth` are open at a time.
pub(super) fn check(tree: &Tree<'_>, root: Entry, max_size: usize, max_depth: usize) -> Result<(), Error> {
    let allowed = small(max_size.min(u32::MAX as usize - 1));
    let mut seen = vec![Seen::No; tree.len()];
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut next = Some(root);
    loop {
        if let Some(entry) = next {
            let refused = |why: Why| Error::new(why).or_at(tree.input, tree.at(entry));
            let weight = match opening(tree, entry).map(|(index, items)| (index, seen[index], items)) {
                None => scalar(tree, entry).map_err(refused)?,
                Some((_, Seen::Weighed(weight), _)) => weight,
                Some((_, Seen::Inside, _)) => return Err(refused(Why::Cyclic)),
                Some((index, Seen::No, items)) => {
                    seen[index] = Seen::Inside;
                    open.push(Open { entry, index, items, weight: Weight { size: 1, levels: 0 } });
                    Weight::default()
                }
            };
            if open.len() + weight.levels as usize > max_depth {
                return Err(refused(Why::Deep { allowed: max_depth }));
            }
            let mut size = weight.size;
            if let Some(around) = open.last_mut() {
                around.weight.size = around.weight.size.saturating_add(size);
                around.weight.levels = around.weight.levels.max(weight.levels);
                size = around.weight.size;
            }
            if size > allowed {
                return Err(refused(Why::Large { allowed: max_size }));
            }
        }
        let Some(innermost) = open.last_mut() else { return Ok(()) };
        next = innermost.items.next();
        if next.is_some() {
            continue;
        }
        if let Some(Open { entry, index, mut weight, .. }) = open.pop() {
            weight.levels += 1;
            seen[index] = Seen::Weighed(weight);
            // It counts in what holds it.
            next = (!open.is_empty()).then_some(entry);
        }
    }
}

/// What there is to be looked into.
fn opening<'t>(tree: &'t Tree<'_>, entry: Entry) -> Option<(usize, Items<'t>)> {
    let held = tree.container(entry)?;
    match held.kind {
        Kind::Name(_) | Kind::Encoded => None,
        _ => Some((Tree::index(entry)?, tree.items(held.chain))),
    }
}

fn scalar(tree: &Tree<'_>, entry: Entry) -> Result<Weight, Why> {
    let size = match tree.container(entry) {
        None => tree.body(entry)?.next - tree.at(entry),
        Some(held) if held.kind == Kind::Encoded => match tree.items(held.chain).next() {
            Some(text) => tree.body(text)?.next - tree.at(text),
            None => 1,
        },
        Some(_) => return Err(Why::Code),
    };
    Ok(Weight { size: small(size), levels: 0 })
}
