//! What a text says, before anybody knows what it is about: nothing, texts, lists, tables.

use toml::de::{DeTable, DeValue};

use super::error::ConfigurationError;

/// A larger text is something else.
pub(super) const LIMIT: usize = 1 << 20;
/// So are more values than this, those that aliases stand for counted as often as they are used.
pub(super) const MOST_NODES: usize = 10_000;
/// Deeper is no configuration; the parsers and whoever walks the tree have a stack.
pub(super) const DEEPEST: usize = 64;

/// A scalar is its own text: `007` stays `007`, and a number with many digits keeps them.
#[derive(Clone)]
pub(super) enum Node {
    /// `null`, `~`, or nothing after a colon.
    Nothing,
    Text(String),
    List(Vec<Self>),
    /// In the order it is written, each name once.
    Table(Vec<(String, Self)>),
}

impl Node {
    /// How many nodes it is, itself included.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Nothing | Self::Text(_) => 1,
            Self::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Table(entries) => 1 + entries.iter().map(|(_, node)| node.size()).sum::<usize>(),
        }
    }

    /// How many bytes its texts and names are.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Text(text) => text.len(),
            Self::List(items) => items.iter().map(Self::bytes).sum(),
            Self::Table(entries) => entries.iter().map(|(name, node)| name.len() + node.bytes()).sum(),
        }
    }

    /// The value under a name, `Nothing` counting as none.
    pub(super) fn at(&self, name: &str) -> Option<&Self> {
        let Self::Table(entries) = self else { return None };
        let found = entries.iter().find(|(key, _)| key == name).map(|(_, node)| node);
        found.filter(|node| !matches!(node, Self::Nothing))
    }
}

/// A text that is too large to be a configuration.
pub(super) fn too_large(what: &str) -> ConfigurationError {
    ConfigurationError::general(format!("{what} is larger than 1 MiB"))
}

/// Line and column of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Reads TOML.
pub(super) fn of_toml(text: &str, source: &str) -> Result<Node, ConfigurationError> {
    if text.len() > LIMIT {
        return Err(too_large(source));
    }
    let table = DeTable::parse(text).map_err(|mistake| {
        let (line, column) = place(text, mistake.span().map_or(text.len(), |span| span.start));
        ConfigurationError::general(format!(
            "{source}:{line}:{column}: the TOML cannot be read: {}",
            mistake.message()
        ))
    })?;
    let node = of_table(table.get_ref());
    if node.size() > MOST_NODES {
        return Err(ConfigurationError::general(format!(
            "{source}: there are more than {MOST_NODES} values"
        )));
    }
    Ok(node)
}

fn of_table(table: &DeTable<'_>) -> Node {
    let entries = table.iter().map(|(name, value)| (name.get_ref().to_string(), of_value(value.get_ref())));
    Node::Table(entries.collect())
}

fn of_value(value: &DeValue<'_>) -> Node {
    match value {
        DeValue::String(text) => Node::Text(text.to_string()),
        DeValue::Integer(number) => Node::Text(number.to_string()),
        DeValue::Float(number) => Node::Text(number.to_string()),
        DeValue::Boolean(flag) => Node::Text(flag.to_string()),
        DeValue::Datetime(time) => Node::Text(time.to_string()),
        DeValue::Array(items) => Node::List(items.iter().map(|item| of_value(item.get_ref())).collect()),
        DeValue::Table(table) => of_table(table),
    }
}
