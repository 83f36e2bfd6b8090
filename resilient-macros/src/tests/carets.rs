//! Where every caret stands: the cases of `tests/ui` without a compiler.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::{Attribute, Meta};

use crate::attributes::named_by;
use crate::component::try_component;
use crate::diagnostics::Errors;
use crate::guard::try_guard;

/// What is said, and the line and column of its caret, from 1.
type Said = (String, usize, usize);

#[test]
fn every_caret_of_the_recorded_messages_stands_where_the_compiler_shows_it() {
    let cases = cases("fail");
    assert!(cases.len() > 250, "{} cases", cases.len());
    for case in cases {
        let source = fs::read_to_string(&case).unwrap();
        let recorded = recorded(&fs::read_to_string(case.with_extension("stderr")).unwrap());
        let mut said = Vec::new();
        refuse(source.parse().unwrap(), &mut said);
        said.sort();
        assert_eq!(said, recorded, "{}", case.display());
    }
}

#[test]
fn nothing_is_said_of_what_compiles() {
    let cases = cases("pass");
    assert!(cases.len() > 50, "{} cases", cases.len());
    for case in cases {
        let mut said = Vec::new();
        refuse(fs::read_to_string(&case).unwrap().parse().unwrap(), &mut said);
        assert_eq!(said, [], "{}", case.display());
    }
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/ui");
    let folders = fs::read_dir(root).unwrap().map(|folder| folder.unwrap().path().join(kind));
    let files = folders.filter(|folder| folder.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut cases: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    cases.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    cases.sort();
    cases
}

/// What others than the attributes say without an error's code: the compiler, and the runtime when it lacks a feature.
const OTHERS: [&str; 2] =
    ["future cannot be sent between threads safely", "a function that returns a stream needs"];

/// The messages without a code: with one it is the compiler's.
fn recorded(stderr: &str) -> Vec<Said> {
    let mut said = Vec::new();
    let mut lines = stderr.lines();
    while let Some(line) = lines.next() {
        let Some(message) = line.strip_prefix("error: ") else { continue };
        if OTHERS.iter().any(|other| message.starts_with(other)) {
            continue;
        }
        let place = lines.find(|line| line.trim_start().starts_with("--> ")).unwrap();
        let mut numbers = place.rsplit(':').map(|number| number.parse().unwrap());
        let (column, line) = (numbers.next().unwrap(), numbers.next().unwrap());
        said.push((message.to_owned(), line, column));
    }
    said.sort();
    said
}

/// What the attributes in a file say.
fn refuse(tokens: TokenStream, said: &mut Vec<Said>) {
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => {
                let mut attributes = TokenTree::Punct(hash).to_token_stream();
                while let Some(token) = rest.next_if(is_attribute) {
                    attributes.extend([token]);
                }
                let attributes = Attribute::parse_outer.parse2(attributes).unwrap_or_default();
                // `cfg` may leave the item out, and tokio's attributes make another of it.
                let others = |word: &Ident| word == "cfg" || word == "tokio";
                if attributes
                    .iter()
                    .any(|one| one.path().segments.first().is_some_and(|first| others(&first.ident)))
                {
                    continue;
                }
                let is_ours = |one: &Attribute| named_by(one.path(), &[]).is_some() || is_component(one);
                let Some(first) = attributes.iter().position(is_ours) else {
                    continue;
                };
                let mut item: TokenStream = attributes
                    .iter()
                    .take(first)
                    .chain(&attributes[first + 1..])
                    .map(ToTokens::to_token_stream)
                    .collect();
                for token in rest.by_ref() {
                    let last = ends_an_item(&token);
                    item.extend([token]);
                    if last {
                        break;
                    }
                }
                guard(&attributes[first], item, said);
            }
            // `! name {..}`: what a macro will print is not there yet.
            TokenTree::Ident(word) if word == "macro_rules" => {
                rest.nth(2);
            }
            TokenTree::Group(group) => refuse(group.stream(), said),
            _ => {}
        }
    }
}

fn is_component(attribute: &Attribute) -> bool {
    attribute.path().is_ident("component")
}

fn is_attribute(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(hash) => hash.as_char() == '#',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Bracket,
        _ => false,
    }
}

fn ends_an_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(semicolon) => semicolon.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    }
}

fn guard(attribute: &Attribute, item: TokenStream, said: &mut Vec<Said>) {
    let list = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let mut errors = Errors::default();
    if is_component(attribute) {
        try_component(list, item, &mut errors);
    } else {
        try_guard(named_by(attribute.path(), &[]).unwrap(), list, item, &mut errors);
    }
    for (message, span) in errors.places() {
        // What stands at the whole attribute has no place here.
        let span =
            if span.end().line == 1 && span.end().column == 0 { attribute.pound_token.span } else { span };
        said.push((message, span.start().line, span.start().column + 1));
    }
}
