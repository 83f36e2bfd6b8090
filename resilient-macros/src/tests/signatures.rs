//! Signatures: what happens to arguments, receivers, returned futures.

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::{ToTokens, quote};

use super::{assert_has, assert_lacks, expanded, mistakes, parsed, squeezed};

fn inputs(name: &str, list: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> String {
    let function = parsed(&expanded(name, list, item));
    function.sig.inputs.to_token_stream().to_string()
}

#[test]
fn only_owned_arguments_of_a_retried_async_function_become_mutable() {
    let item = quote!(
        async fn f(a: A, b: &B, (c, ref d): (C, D), mut e: E, _: F, g: impl G) -> Result<(), E> {
            g(e)
        }
    );
    assert_eq!(
        inputs("resilient", quote!(), item.clone()),
        quote!(mut a: A, b: &B, (mut c, ref d): (C, D), e: E, _: F, mut g: impl G).to_string()
    );
    assert_eq!(
        inputs("resilient", quote!(enable_retry = false), item),
        quote!(a: A, b: &B, (c, ref d): (C, D), mut e: E, _: F, g: impl G).to_string()
    );
}

#[test]
fn a_changed_or_cloned_argument_is_a_copy_in_every_attempt() {
    let got = expanded(
        "resilient",
        quote!(clone(order)),
        quote!(
            async fn f(order: Order, mut count: u32) -> Result<(), E> {
                count += 1;
                take(order, count)
            }
        ),
    );
    assert_has(&got, &quote!(async fn f(order: Order, count: u32)));
    assert_has(&got, &quote!(let mut order = ::resilient::__private::fresh(&order);));
    assert_has(&got, &quote!(let mut count = ::resilient::__private::fresh(&count);));
    let sync = expanded(
        "resilient",
        quote!(clone(order), timeout_mode = "deadline"),
        quote!(
            fn f(order: Order, mut count: u32) -> Result<(), E> {
                count += 1;
                take(order, count)
            }
        ),
    );
    assert_has(&sync, &quote!(let order = ::resilient::__private::fresh(&order);));
    assert_has(&sync, &quote!(let mut count = ::resilient::__private::fresh(&count);));
}

#[test]
fn the_mut_of_a_reference_in_a_pattern_is_left_alone() {
    let item = quote!(
        async fn f((ref mut a, mut b): (A, B)) -> Result<(), E> {
            go(a, b)
        }
    );
    assert_eq!(inputs("resilient", quote!(), item), quote!((ref mut a, b): (A, B)).to_string());
}

#[test]
fn receivers_are_borrowed_uniquely_only_when_they_are_owned() {
    for (written, printed) in [
        (quote!(self), quote!(mut self)),
        (quote!(self: Arc<Self>), quote!(mut self: Arc<Self>)),
        (quote!(&self), quote!(&self)),
        (quote!(&mut self), quote!(&mut self)),
        (quote!(self: &Arc<Self>), quote!(self: &Arc<Self>)),
        (quote!(self: Pin<&mut Self>), quote!(self: Pin<&mut Self>)),
        (quote!(mut self: Pin<&mut Self>), quote!(mut self: Pin<&mut Self>)),
    ] {
        let got = expanded(
            "resilient",
            quote!(),
            quote!(async fn f(#written) -> Result<(), E> { self.go().await }),
        );
        assert_has(&got, &quote!(async fn f(#printed)));
    }
}

#[test]
fn an_opaque_type_is_written_as_a_blank_inside() {
    let got = expanded(
        "resilient",
        quote!(),
        quote!(
            fn f() -> Result<impl Iterator<Item = u32>, E> {
                Ok(0..3)
            }
        ),
    );
    assert_has(&got, &quote!(fn f() -> Result<impl Iterator<Item = u32>, E>));
    assert_has(&got, &quote!(|| -> Result<_, E> { Ok(0..3) }));
    assert_has(&got, &quote!(refuse::<Result<_, E>>(refused)));
}

#[test]
fn a_function_without_a_return_type_returns_unit() {
    let got = expanded(
        "retry_with_backoff",
        quote!(),
        quote!(
            fn f() {
                work()
            }
        ),
    );
    assert_has(&got, &quote!(call.attempt_in_place(|| -> () { work() })));
}

#[test]
fn async_traits_block_is_guarded_inside_and_owns_the_arguments_once() {
    let got = expanded(
        "resilient",
        quote!(),
        quote! {
            fn charge<'life0, 'async_trait>(&'life0 self, order: Order, tag: &'life0 str, count: u32)
                -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<u32, E>> + ::core::marker::Send + 'async_trait>>
            where 'life0: 'async_trait, Self: 'async_trait
            {
                Box::pin(async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<u32, E>> {
                        #[allow(unreachable_code)]
                        return __ret;
                    }
                    let __self = self;
                    let order = order;
                    let mut count = count;
                    let __ret: Result<u32, E> = { count += 1; __self.go(order, tag, count).await };
                    #[allow(unreachable_code)]
                    __ret
                })
            }
        },
    );
    assert_has(
        &got,
        &quote! {
            let __self = self;
            let mut order = order;
            let count = count;
            let mut call = ::resilient::__private::Execution::enter(&__RESILIENT_SITE);
        },
    );
    assert_has(&got, &quote!(let mut count = ::resilient::__private::fresh(&count);));
    assert_has(&got, &quote!(let typed: Result<u32, E> = ::resilient::__private::typed();));
    assert_lacks(&got, &quote!(Option::Some(__ret)));
    assert_has(&got, &quote!(.asynchronous()));
    assert_has(&got, &quote!(refuse::<Result<u32, E>>(refused)));
}

#[test]
fn hand_written_futures_are_guarded_where_their_async_block_is() {
    for (output, body) in [
        (
            quote!(BoxFuture<'static, Result<u32, E>>),
            quote!(let y = x + 1; Box::pin(async move { go(y).await })),
        ),
        (quote!(LocalBoxFuture<'_, Result<u32, E>>), quote!(async move { go(x).await }.boxed_local())),
        (quote!(impl Future<Output = Result<u32, E>> + Send), quote!(async move { go(x).await })),
        (
            quote!(Pin<Box<dyn Future<Output = Result<u32, E>> + Send>>),
            quote!(Box::pin(async { go(x).await },)),
        ),
    ] {
        let got = expanded("resilient", quote!(), quote!(fn f(x: u32) -> #output { #body }));
        assert_has(&got, &quote!(-> #output));
        assert_has(&got, &quote!(call.pause().await));
        assert_has(&got, &quote!(.asynchronous()));
        assert_has(&got, &quote!(::resilient::__private::TimeoutMode::Poll));
    }
    let boxed = expanded(
        "resilient",
        quote!(),
        quote!(
            fn f(x: u32) -> BoxFuture<'static, R> {
                let y = x + 1;
                Box::pin(async move { go(y).await })
            }
        ),
    );
    assert_has(&boxed, &quote!(fn f(x: u32)));
    assert!(squeezed(&boxed).contains("lety=x+1;Box::pin(asyncmove{letmuty=y;letmutcall="), "{boxed}");
}

#[test]
fn locals_in_front_of_an_async_block_are_treated_as_arguments_are() {
    let item = quote!(
        fn f(order: &str, mut total: u32) -> BoxFuture<'_, R> {
            total += 1;
            let order = order.to_owned();
            #[cfg(unix)]
            let (name, unused) = split(&order);
            let mut count = 0;
            if let Some(inner) = total.checked_sub(1) {}
            Box::pin(async move { go(order, name, total, count, inner).await })
        }
    );
    let got = expanded("resilient", quote!(clone(name)), item.clone());
    assert_has(&got, &quote!(fn f(order: &str, mut total: u32)));
    assert_has(&got, &quote!(let _ = &mut total; let mut order = order; let _ = &mut count; let mut call =));
    for copied in [quote!(total), quote!(name), quote!(count)] {
        assert_has(&got, &quote!(let mut #copied = ::resilient::__private::fresh(&#copied);));
    }
    assert_has(&got, &quote!(let _ = &mut order; #[cfg(unix)] let _ = &mut name; let _ = &mut count;));
    assert_lacks(&got, &quote!(&mut inner));
    assert_lacks(&got, &quote!(&mut unused));
    let once = expanded("resilient", quote!(enable_retry = false), item);
    assert_lacks(&once, &quote!(let _ = &mut));
}

#[test]
fn a_field_a_method_a_path_or_a_word_of_a_name_is_no_use_of_it() {
    for (body, used) in [
        (quote!(go(id)), true),
        (quote!(format!("{id:?}")), true),
        (quote!(format!("{:id$}", x)), true),
        (quote!(0..id), true),
        (quote!(Order { ..id }), true),
        (quote!(order.id), false),
        (quote!(order.id(1)), false),
        (quote!(Order::id(1)), false),
        (quote!(fail("invalid")), false),
    ] {
        let list = quote!(timeout = "1s");
        let item = quote!(
            fn f(id: Id) -> Result<(), E> {
                #body
            }
        );
        let copy = squeezed(&quote!(::resilient::__private::fresh(&id)));
        assert_eq!(squeezed(&expanded("resilient", list, item)).contains(&copy), used, "{body}");
    }
}

#[test]
fn owned_arguments_are_known_by_their_look() {
    let mode = |inputs: proc_macro2::TokenStream, output: proc_macro2::TokenStream| {
        let got = expanded("resilient", quote!(), quote!(fn f<T>(#inputs) -> #output { go() }));
        if got.to_string().contains("TimeoutMode :: Thread") { "thread" } else { "deadline" }
    };
    let plain = quote!(Result<(), E>);
    assert_eq!(
        mode(quote!(a: A, b: Vec<u8>, c: Box<dyn Fn() + Send>, d: &'static str), plain.clone()),
        "thread"
    );
    assert_eq!(mode(quote!(), plain.clone()), "thread");
    for borrowed in [
        quote!(&self),
        quote!(self: Arc<Self>),
        quote!(a: &str),
        quote!(a: Option<&'a str>),
        quote!(a: Cow<'a, str>),
        quote!(a: impl Fn()),
        quote!(a: T),
        quote!(a: Vec<T>),
        quote!(a: Box<dyn Fn()>),
        quote!(a: Rc<u8>),
        quote!(a: *const u8),
        quote!(a: Self),
    ] {
        assert_eq!(mode(borrowed.clone(), plain.clone()), "deadline", "{borrowed}");
    }
    assert_eq!(mode(quote!(), quote!(Result<(), Box<dyn Error>>)), "deadline");
    assert_eq!(mode(quote!(), quote!(Result<(), Box<dyn Error + Send + Sync>>)), "thread");
    assert_eq!(mode(quote!(), quote!(Result<impl Iterator, E>)), "deadline");
}

#[test]
fn attributes_qualifiers_and_generics_stay_as_they_were() {
    let got = expanded(
        "resilient",
        quote!(),
        quote! {
            #[cfg(unix)] #[inline] #[test]
            pub(crate) unsafe extern "C" fn f<'a, T: Clone, const N: usize>(x: &'a [T; N]) -> Result<&'a T, E>
            where T: Send
            { Ok(&x[0]) }
        },
    );
    assert_has(
        &got,
        &quote! {
            #[cfg(unix)] #[inline] #[test]
            pub(crate) unsafe extern "C" fn f<'a, T: Clone, const N: usize>(x: &'a [T; N]) -> Result<&'a T, E>
            where T: Send
        },
    );
}

#[test]
fn a_stream_is_begun_by_every_attempt_with_copies_of_its_own() {
    let got = expanded(
        "resilient",
        quote!(retry_on = E::Busy),
        quote!(
            fn f(&self, topic: Topic, mut from: u32) -> impl Stream<Item = Result<u32, E>> + Send + '_ {
                from += 1;
                self.read(topic, from)
            }
        ),
    );
    assert_has(&got, &quote!(fn f(&self, topic: Topic, from: u32)));
    assert_has(
        &got,
        &quote!(move || {
            #[allow(clippy::shadow_reuse)]
            let topic = ::resilient::__private::fresh(&topic);
            #[allow(clippy::shadow_reuse)]
            let mut from = ::resilient::__private::fresh(&from);
            ::resilient::__private::begin(move || -> _ {
                from += 1;
                self.read(topic, from)
            })
        }),
    );
    assert_has(&got, &quote!(judges_limits: true));
    assert_has(&got, &quote!(refuse::<Result<u32, E>>(refused)));
    assert_has(&got, &quote!(.asynchronous()));
    for output in [
        quote!(BoxStream<'static, Result<u32, E>>),
        quote!(Pin<Box<dyn Stream<Item = Result<u32, E>> + Send>>),
    ] {
        let got = expanded(
            "with_timeout",
            quote!(5),
            quote!(fn f(topic: Topic) -> #output { Box::pin(read(topic)) }),
        );
        assert_has(&got, &quote!(::resilient::__private::streams!));
        assert_has(&got, &quote!(::std::boxed::Box::pin));
        assert_has(&got, &quote!(begun_once(move || -> #output { Box::pin(read(topic)) })));
    }
}

fn passed_on(tokens: TokenStream) -> Group {
    Group::new(Delimiter::None, tokens)
}

#[test]
fn a_unique_borrow_is_found_wherever_a_returned_type_hands_it_out() {
    let group = passed_on(quote!(&mut u32));
    for ty in [
        quote!(&mut u32),
        quote!((&mut u32)),
        quote!(#group),
        quote!((u8, &mut u32)),
        quote!([&mut u32; 2]),
        quote!(&[&mut u32]),
        quote!(*const &mut u32),
        quote!(Option<&mut u32>),
        quote!(<&mut u32 as Deref>::Target),
        quote!(impl Iterator<Item = &mut u32>),
        quote!(Box<dyn Iterator<Item = &mut u32>>),
    ] {
        let item = quote!(async fn f(&self) -> Result<#ty, E> { go() });
        let told = mistakes("resilient", quote!(), item);
        assert!(
            told.len() == 1 && told[0].contains("the first attempt's `&mut` would still be alive"),
            "{ty}: {told:?}"
        );
    }
    for ty in [quote!(&u32), quote!(fn(&mut u32)), quote!(impl Fn(&mut u32)), quote!(Option<(u8, [u32; 2])>)]
    {
        let item = quote!(async fn f(&self) -> Result<#ty, E> { go() });
        assert_eq!(mistakes("resilient", quote!(), item), [""; 0], "{ty}");
    }
}

#[test]
fn every_name_a_pattern_binds_is_an_argument() {
    for pat in [
        quote!(a),
        quote!(mut a),
        quote!((a)),
        quote!((a, _)),
        quote!([a, ..]),
        quote!(Pair(a, _)),
        quote!(Pair { left: a, .. }),
        quote!(Pair { a, .. }),
        quote!(whole @ Pair(a)),
        quote!((Left(a) | Right(a))),
    ] {
        let item = quote!(async fn f(#pat: T) -> Result<(), E> { go(a) });
        assert_eq!(mistakes("resilient", quote!(clone(a)), item), [""; 0], "{pat}");
    }
    let item = quote!(
        async fn f(&a: &u32) -> Result<(), E> {
            go(a)
        }
    );
    assert_eq!(
        mistakes("resilient", quote!(clone(a)), item),
        ["`a` is a reference, which every attempt can use as it is"]
    );
}

#[test]
fn a_reference_is_one_in_parentheses_and_from_a_macro_too() {
    let group = passed_on(quote!(&C));
    let item = quote!(async fn f(a: A, b: (&B), c: #group) -> Result<(), E> { go() });
    let seen = inputs("resilient", quote!(), item);
    assert_eq!(seen.replace("mut ", ""), quote!(a: A, b: (&B), c: #group).to_string());
    assert_eq!(seen.matches("mut ").count(), 1, "{seen}");
}

#[test]
fn a_pinned_box_is_owned_and_a_pinned_reference_is_not() {
    let receiver = |ty: TokenStream| {
        inputs("resilient", quote!(), quote!(async fn f(self: #ty) -> Result<(), E> { go() }))
    };
    assert!(receiver(quote!(Pin<Box<Self>>)).starts_with("mut self"));
    assert!(receiver(quote!(Arc<&Self>)).starts_with("mut self"));
    assert!(receiver(quote!(Pin<&Self>)).starts_with("self"));
}

#[test]
fn a_returned_future_is_seen_through_parentheses_and_macros() {
    let ty = quote!(impl Future<Output = Result<(), E>>);
    let group = passed_on(ty.clone());
    for ty in
        [ty.clone(), quote!((#ty)), quote!(#group), quote!(impl Future<Other = u8, Output = Result<(), E>>)]
    {
        let got = expanded("resilient", quote!(), quote!(fn f() -> #ty { async move { go().await } }));
        assert_has(&got, &quote!(.asynchronous()));
    }
}

#[test]
fn a_key_uses_an_argument_s_part_only_where_its_tokens_mean_it() {
    let item = quote!(
        async fn f((id, name): (u32, String)) -> Result<(), E> {
            go(id, name)
        }
    );
    for (key, uses) in [
        (quote!(id), true),
        (quote!(other.id), false),
        (quote!(other::id), false),
        (quote!(pick(|x| x, id)), true),
        (quote!((|id| id)(1)), false),
        (quote!(pick(all, |id| id)), false),
        (quote!(pick(|x| x, |id| id)), false),
        (quote!(id!()), false),
    ] {
        let told = mistakes("resilient", quote!(key = #key, fallback = other), item.clone());
        assert_eq!(told.iter().any(|told| told.contains("a part of an argument")), uses, "{key}: {told:?}");
    }
}

#[test]
fn a_fallback_gets_an_argument_alike_however_its_reference_is_written() {
    let of = |ty: &TokenStream| {
        let item = quote!(async fn f(a: #ty) -> Result<(), E> { go(a) });
        squeezed(&expanded("resilient", quote!(enable_retry = false, fallback_chain = [one, two]), item))
    };
    for ty in [quote!(&A), quote!(&mut A)] {
        let (plain, group, written) = (of(&ty), passed_on(ty.clone()), squeezed(&ty));
        assert_eq!(of(&quote!((#ty))).replace(&format!("({written})"), &written), plain);
        assert_eq!(of(&quote!(#group)), plain);
    }
    let [owned, shared, unique] =
        [quote!(A), quote!(&A), quote!(&mut A)].map(|ty| of(&ty).replace(&squeezed(&ty), ""));
    assert!(owned != shared && shared != unique && owned != unique);
}
