//! The attributes in a crate of edition 2021: what they accept, and that they raise no lint there.
#![deny(warnings)]
#![forbid(unsafe_code)]
#![deny(
    rust_2018_idioms,
    unused,
    unused_qualifications,
    let_underscore_drop,
    unused_lifetimes,
    unreachable_pub
)]
#![deny(clippy::all, clippy::pedantic, clippy::shadow_reuse, clippy::used_underscore_binding)]

#[cfg(test)]
mod errors {
    use resilient::ResilienceError;

    #[derive(Debug)]
    pub(crate) enum Error {
        Empty,
        Refused(ResilienceError),
    }

    impl Error {
        pub(crate) const fn refusal(&self) -> Option<&ResilienceError> {
            match self {
                Self::Refused(refusal) => Some(refusal),
                Self::Empty => None,
            }
        }
    }

    impl From<ResilienceError> for Error {
        fn from(refusal: ResilienceError) -> Self {
            Self::Refused(refusal)
        }
    }
}

/// Functions of every kind, in a module that has no names but its own.
#[cfg(test)]
mod quiet {
    #![no_implicit_prelude]

    use ::std::prelude::rust_2021::*;
    use ::std::{cell, format, future};

    use crate::errors::Error;

    #[derive(Clone, Debug)]
    pub(crate) struct Order {
        pub(crate) lines: Vec<u32>,
    }

    #[::resilient::resilient(clone(order))]
    pub(crate) async fn consumes(order: Order) -> Result<u32, Error> {
        let sum = future::ready(order.lines.into_iter().sum()).await;
        Ok(sum)
    }

    #[::resilient::resilient]
    pub(crate) async fn changes(mut order: Order) -> Result<Order, Error> {
        order.lines.push(future::ready(1).await);
        Ok(order)
    }

    #[::resilient::resilient]
    pub(crate) async fn takes_apart(
        (count, order): (u32, &Order),
        cell: cell::Cell<u32>,
    ) -> Result<u32, Error> {
        let count = future::ready(count).await;
        cell.set(count);
        Ok(cell.get() + order.lines.iter().sum::<u32>())
    }

    #[::resilient::resilient(clone(order))]
    pub(crate) fn borrows(order: Order, text: &str) -> Result<String, Error> {
        if text.is_empty() {
            return Err(Error::Empty);
        }
        let sum: u32 = order.lines.into_iter().sum();
        Ok(format!("{sum} {text}"))
    }

    #[::resilient::resilient]
    pub(crate) fn runs_on_a_thread(order: Order) -> Result<u32, Error> {
        let sum: u32 = order.lines.into_iter().sum();
        if sum == 0 {
            Err(Error::Empty)
        } else {
            Ok(sum)
        }
    }

    #[::resilient::with_timeout(5)]
    pub(crate) async fn runs_once(order: Order, mut count: u32) -> Result<u32, Error> {
        count += future::ready(1).await;
        let sum: u32 = order.lines.into_iter().sum();
        Ok(count + sum)
    }

    #[::resilient::with_timeout("1ms")]
    pub(crate) async fn hangs() -> Result<(), Error> {
        future::pending().await
    }

    #[::resilient::retry_with_backoff]
    pub(crate) async fn returns_nothing(order: &Order, _skipped: u32) {
        future::ready(order.lines.len()).await;
    }

    #[::resilient::resilient(fallback = spare, clone(order))]
    pub(crate) async fn falls_back(order: Order, _count: u32) -> u32 {
        future::ready(order.lines.into_iter().sum()).await
    }

    async fn spare(order: Order, count: u32) -> u32 {
        future::ready(order.lines.into_iter().sum::<u32>()).await + count
    }

    #[::resilient::resilient]
    pub(crate) fn opaque(count: u32) -> Result<impl Iterator<Item = u32>, Error> {
        if count == 0 {
            return Err(Error::Empty);
        }
        Ok(0..count)
    }

    /// Every name the expansion could trip over.
    #[allow(non_snake_case, clippy::many_single_char_names)]
    #[::resilient::resilient]
    pub(crate) async fn call(out: u32, ret: u32, refused: u32, delay: u32, error: u32) -> Result<u32, Error> {
        let value = future::ready(out + ret).await;
        Ok(value + refused + delay + error)
    }

    #[derive(Debug)]
    pub(crate) struct Service {
        pub(crate) count: u32,
    }

    impl Service {
        #[::resilient::database_resilient(
            retry_on = Error::Empty,
            ignore = Error::Refused(_),
            failure_if = |count| *count > 30
        )]
        pub(crate) async fn adds(&mut self, by: u32) -> Result<u32, Error> {
            self.count += future::ready(by).await;
            Ok(self.count)
        }

        #[::resilient::circuit_breaker(name = "edition_2021", critical)]
        pub(crate) fn shows(&mut self) -> Result<&mut u32, Error> {
            Ok(&mut self.count)
        }

        #[::resilient::resilient]
        pub(crate) async fn reads<'a>(&'a self, text: &'a str) -> Result<(&'a u32, &'a str), Error> {
            future::ready(()).await;
            Ok((&self.count, text))
        }
    }
}

#[cfg(test)]
mod stacked {
    // Each is used only as an attribute that another one takes off its function.
    use resilient::{circuit_breaker, retry_with_backoff, track_service_health, with_timeout};

    use crate::errors::Error;

    #[retry_with_backoff(max_attempts = 2)]
    #[circuit_breaker(failure_threshold = 3)]
    #[with_timeout(seconds = 0.5)]
    #[track_service_health("stacked")]
    pub(crate) async fn four(count: u32) -> Result<u32, Error> {
        std::future::ready(Ok(count)).await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::Future;

    use super::quiet::{self, Order, Service};
    use super::stacked;

    fn order() -> Order {
        Order { lines: vec![1, 2] }
    }

    fn sent<F: Future + Send>(future: F) -> F {
        future
    }

    #[tokio::test]
    async fn a_guarded_future_is_send_where_the_plain_one_is() {
        assert_eq!(sent(quiet::consumes(order())).await.unwrap(), 3);
        assert_eq!(sent(quiet::changes(order())).await.unwrap().lines, [1, 2, 1]);
        assert_eq!(sent(quiet::takes_apart((4, &order()), Cell::new(0))).await.unwrap(), 7);
        assert_eq!(sent(quiet::runs_once(order(), 1)).await.unwrap(), 5);
        sent(quiet::returns_nothing(&order(), 1)).await;
        assert_eq!(sent(quiet::falls_back(order(), 1)).await, 3);
        assert_eq!(sent(quiet::call(1, 2, 3, 4, 5)).await.unwrap(), 15);
        assert_eq!(sent(stacked::four(4)).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn a_refusal_becomes_the_functions_own_error() {
        let error = quiet::hangs().await.unwrap_err();
        assert!(error.refusal().unwrap().is_timeout());
    }

    #[test]
    fn sync_functions_return_what_they_returned() {
        assert_eq!(quiet::borrows(order(), "x").unwrap(), "3 x");
        assert_eq!(quiet::runs_on_a_thread(order()).unwrap(), 3);
        assert_eq!(quiet::opaque(3).unwrap().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn methods_borrow_as_they_did() {
        let mut service = Service { count: 1 };
        assert_eq!(sent(service.adds(2)).await.unwrap(), 3);
        *service.shows().unwrap() += 1;
        assert_eq!(sent(service.reads("x")).await.unwrap(), (&4, "x"));
    }
}
