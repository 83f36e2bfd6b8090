//! What `#[component]` prints, and what it says.

use crate::component::{component, try_component};
use crate::diagnostics::Errors;
use proc_macro2::TokenStream;
use quote::quote;

fn mistakes(list: TokenStream, item: TokenStream) -> Vec<String> {
    let mut errors = Errors::default();
    let plain = item.to_string();
    assert_eq!(try_component(list, item, &mut errors).to_string(), plain, "the item stays as it is");
    errors.messages()
}

fn constructor() -> TokenStream {
    quote!(
        fn make(asked: Asked) -> Result<Arc<Thing>, Error> {
            Ok(Arc::new(Thing))
        }
    )
}

#[test]
fn the_function_stays_and_is_listed_under_its_name() {
    let printed = component(quote!("thing"), constructor()).to_string();
    assert!(printed.contains(&format!("clippy :: unnecessary_wraps)] {}", constructor())), "{printed}");
    assert!(printed.contains(":: resilient :: factory :: __private :: inventory :: submit !"), "{printed}");
    assert!(printed.contains("Linked :: new (\"thing\""), "{printed}");
    assert!(printed.contains(":: sync (make)"), "{printed}");
    let printed = component(
        quote!(name = "thing", crate = vendor::resilient),
        quote!(
            #[cfg(unix)]
            async fn make(asked: Asked) -> Result<Arc<Thing>, Error> {}
        ),
    );
    let printed = printed.to_string();
    assert!(printed.contains("use vendor :: resilient :: factory :: __private as __resilient"), "{printed}");
    assert!(printed.contains("__resilient :: asynchronous (make)"), "{printed}");
    assert_eq!(printed.matches("cfg (unix)").count(), 2, "{printed}");
}

#[test]
fn every_mistake_in_the_list_is_named() {
    let needs = "`#[component]` needs the name that it is asked for by: `#[component(\"name\")]`";
    let long = "x".repeat(129);
    for (list, said) in [
        (quote!(), needs),
        (quote!(crate = a::b), needs),
        (quote!(7), "a component's name is a text: `#[component(\"name\")]`"),
        (quote!(mexc), "a component's name is a text: `#[component(\"mexc\")]`"),
        (quote!(name), "a component's name is a text: `#[component(name = \"..\")]`"),
        (quote!(""), "a component needs a name, and this one is empty"),
        (quote!("a\tb"), "a component's name has no control characters"),
        (quote!(#long), "a component's name has at most 128 characters"),
        (quote!("a", "b"), "a component has one name; for another write `#[component(..)]` once more"),
        (
            quote!(nam = "a"),
            "`#[component]` knows no key `nam`; did you mean `name`? it knows `name` and `crate`",
        ),
        (quote!("a", weight = 1.0), "`#[component]` knows no key `weight`; it knows `name` and `crate`"),
        (quote!("a", crate = a, crate = b), "`crate` is written twice"),
    ] {
        assert_eq!(mistakes(list, constructor()), [said]);
    }
    assert_eq!(mistakes(quote!("a" "b"), constructor()), ["expected `,`"]);
}

#[test]
fn what_the_linker_cannot_list_is_named_with_the_function() {
    for (item, said) in [
        (
            quote!(
                struct Thing;
            ),
            "`#[component]` lists a constructor, which is a function and not a struct",
        ),
        (
            quote!(
                fn make(asked: Asked) {}
            ),
            "`make` returns nothing; a constructor returns `Result<Arc<C>, E>`",
        ),
        (
            quote!(
                fn make() -> R {}
            ),
            "a constructor takes one argument, `Asked<X, O>`: what a factory is asked for; `make` takes none",
        ),
        (
            quote!(
                fn make(asked: Asked, two: u8) -> R {}
            ),
            "a constructor takes one argument, `Asked<X, O>`: what a factory is asked for; `make` takes 2",
        ),
        (
            quote!(
                fn make(&self) -> R {}
            ),
            "`make` is a method; a constructor is a function of its own",
        ),
        (
            quote!(
                fn make<C>(asked: Asked<C>) -> R {}
            ),
            "`make` is generic, and the linker lists functions of one type",
        ),
        (
            quote!(
                unsafe fn make(asked: Asked) -> R {}
            ),
            "`make` is unsafe, and a factory calls it without knowing why it may",
        ),
    ] {
        assert_eq!(mistakes(quote!("thing"), item), [said]);
    }
    let all = mistakes(
        quote!(""),
        quote!(
            unsafe fn make() {}
        ),
    );
    assert_eq!(all.len(), 4, "{all:?}");
}
