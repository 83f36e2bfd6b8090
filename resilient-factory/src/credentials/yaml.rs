//! YAML, as it is written: no scalar becomes a number, a date or a truth value on its way.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::document::{DEEPEST, LIMIT, MOST_NODES, Node, too_large};
use super::error::ConfigurationError;

/// What aliases may copy, in bytes.
const MOST_COPIED: usize = 4 * LIMIT;

/// Reads one document, with anchors, aliases and `<<`.
pub(super) fn of_yaml(text: &str, source: &str) -> Result<Node, ConfigurationError> {
    if text.len() > LIMIT {
        return Err(too_large(source));
    }
    let mut reader = Reader::default();
    let told = |at: Marker, what: &str| {
        let (line, column) = (at.line(), at.col() + 1);
        ConfigurationError::general(format!("{source}:{line}:{column}: the YAML cannot be read: {what}"))
    };
    for event in Parser::new_from_str(text.trim_start_matches('\u{FEFF}')) {
        let (event, span) = event.map_err(|error| told(*error.marker(), said(&error)))?;
        reader.take(event).map_err(|what| told(span.start, &what))?;
    }
    Ok(reader.root.unwrap_or(Node::Nothing))
}

/// Without what a parser quotes of the text.
fn said(error: &ScanError) -> &str {
    error.info().split(['`', '\'', '"']).next().unwrap_or_default().trim_end_matches([' ', ':'])
}

/// A list or table that is not closed yet, with its anchor (0: none).
enum Open {
    List(Vec<Node>, usize),
    Table(Table, usize),
}

#[derive(Default)]
struct Table {
    entries: Vec<(String, Node)>,
    names: BTreeSet<String>,
    /// The name whose value is next.
    name: Option<(String, ScalarStyle)>,
    /// Of `<<`, for names that are not written here.
    merged: Vec<Node>,
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    copied: usize,
    has_begun: bool,
    root: Option<Node>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) if self.has_begun => Err("there is more than one document".to_owned()),
            Event::DocumentStart(_) => {
                self.has_begun = true;
                Ok(())
            }
            Event::Scalar(text, style, anchor, _) => self.scalar(text.into_owned(), style, anchor),
            Event::SequenceStart(anchor, _) => self.begin(Open::List(Vec::new(), anchor)),
            Event::MappingStart(anchor, _) => self.begin(Open::Table(Table::default(), anchor)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(items, anchor)) => self.end(Node::List(items), anchor),
                Some(Open::Table(table, anchor)) => self.end(table.whole()?, anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let node =
                    self.anchors.get(&anchor).ok_or("an alias inside of what it stands for, or of a name")?;
                self.nodes = self.nodes.saturating_add(node.size());
                let node = copy(node, &mut self.copied)?;
                self.count(0)?;
                self.put(node)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        Err(format!("there are more than {MOST_NODES} values, with those that aliases stand for"))
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        if let Some(Open::Table(Table { name: None, .. }, _)) = self.open.last() {
            return Err("a name has to be a text".to_owned());
        }
        if self.open.len() >= DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, anchor: usize) -> Result<(), String> {
        if let Some(Open::Table(table, _)) = self.open.last_mut()
            && table.name.is_none()
        {
            // Merged tables may say it again; what is written twice is one time too many.
            if !table.names.insert(text.clone()) {
                return Err("a name is written twice in one table".to_owned());
            }
            table.name = Some((text, style));
            return Ok(());
        }
        let is_nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
        self.end(if is_nothing { Node::Nothing } else { Node::Text(text) }, anchor)
    }

    fn end(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        self.count(1)?;
        if anchor != 0 {
            // Anchors may be many, one inside the other.
            self.anchors.insert(anchor, copy(&node, &mut self.copied)?);
        }
        self.put(node)
    }

    fn put(&mut self, node: Node) -> Result<(), String> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(items, _)) => items.push(node),
            Some(Open::Table(table, _)) => match table.name.take() {
                Some((name, ScalarStyle::Plain)) if name == "<<" => table.merged.push(node),
                Some((name, _)) => table.entries.push((name, node)),
                None => return Err("a name has to be a text".to_owned()),
            },
        }
        Ok(())
    }
}

fn copy(node: &Node, copied: &mut usize) -> Result<Node, String> {
    // A value without a text is not free either.
    *copied = copied.saturating_add(node.bytes() + 16 * node.size());
    if *copied > MOST_COPIED {
        return Err("anchors and aliases copy more than 4 MiB".to_owned());
    }
    Ok(node.clone())
}

impl Table {
    fn whole(mut self) -> Result<Node, String> {
        let merged = self.merged.into_iter().flat_map(|node| match node {
            Node::List(items) => items,
            other => vec![other],
        });
        for node in merged {
            let Node::Table(entries) = node else {
                return Err("`<<` takes a table or a list of tables".to_owned());
            };
            for (name, node) in entries {
                if self.names.insert(name.clone()) {
                    self.entries.push((name, node));
                }
            }
        }
        Ok(Node::Table(self.entries))
    }
}
