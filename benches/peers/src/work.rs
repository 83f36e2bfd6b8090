//! The work that everybody guards, and how it is called.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A user's error of one byte: that a call was refused is all it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Own,
    Refused,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Own { "failed" } else { "refused" })
    }
}

impl std::error::Error for Fault {}

impl From<resilient::ResilienceError> for Fault {
    fn from(_: resilient::ResilienceError) -> Self {
        Self::Refused
    }
}

/// A user's error that keeps our refusal whole: its name, its reason, when to come back.
#[derive(Debug)]
pub enum Kept {
    Own,
    #[allow(dead_code, reason = "it is there to be carried")]
    Refused(resilient::ResilienceError),
}

impl From<resilient::ResilienceError> for Kept {
    fn from(error: resilient::ResilienceError) -> Self {
        Self::Refused(error)
    }
}

pub type Answer = Result<u32, Fault>;

/// Fails for an argument that is never given, which the compiler cannot know.
#[inline]
pub fn work(n: u32) -> Answer {
    if n == u32::MAX { Err(Fault::Own) } else { Ok(n) }
}

/// [`work`] that fails once in twenty calls: what a window rule is there for.
#[inline]
pub fn flaky(n: u32) -> Answer {
    if n.is_multiple_of(20) { Err(Fault::Own) } else { Ok(n) }
}

#[inline]
pub async fn work_async(n: u32) -> Answer {
    work(n)
}

/// [`work`] that waits once.
#[inline]
pub async fn waiting(n: u32) -> Answer {
    Once(false).await;
    work(n)
}

/// Waiting at the first poll, there at the second.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Between two polls: nothing at first, since most wait but once.
#[inline]
pub fn waited(polls: &mut u32) {
    *polls += 1;
    match *polls {
        1 => {}
        2..100 => std::hint::spin_loop(),
        _ => std::thread::yield_now(),
    }
}

/// One call in a function of its own, as an annotated function is one.
#[inline(never)]
pub fn apart<T>(call: impl FnOnce(u32) -> T, n: u32) -> T {
    call(n)
}

/// Polls where it stands until it is ready. An executor would come back later: this favours who waits.
#[macro_export]
macro_rules! driven {
    ($future:expr) => {{
        let (mut future, mut cx) =
            (std::pin::pin!($future), std::task::Context::from_waker(std::task::Waker::noop()));
        let mut polls = 0_u32;
        loop {
            match std::future::Future::poll(future.as_mut(), &mut cx) {
                std::task::Poll::Ready(output) => break output,
                std::task::Poll::Pending => $crate::work::waited(&mut polls),
            }
        }
    }};
}

/// Makes the calls of a batch; everything but `move |n|` is done once for all of them.
#[macro_export]
macro_rules! calls {
    (|$n:ident| $call:expr) => {
        Box::new(move |calls: u32| {
            for n in 0..calls {
                let _ = std::hint::black_box($crate::work::apart(|$n: u32| $call, std::hint::black_box(n)));
            }
        })
    };
    // A service that wants `&mut self`: a clone for every batch, as a task would have one of its own.
    ($service:ident, |$n:ident| $call:expr) => {
        Box::new(move |calls: u32| {
            let mut $service = $service.clone();
            for n in 0..calls {
                let _ = std::hint::black_box($crate::work::apart(|$n: u32| $call, std::hint::black_box(n)));
            }
        })
    };
}

/// A time limit as it is quickest by hand: the body first, a timer when it has to wait.
pub async fn poll_first<F: Future<Output = Answer>>(body: F) -> Answer {
    let mut body = std::pin::pin!(body);
    let mut timer = std::pin::pin!(None::<tokio::time::Sleep>);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(answer) = body.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep(crate::peers::LIMIT)));
        }
        let timer = timer.as_mut().as_pin_mut().expect("it was armed just now");
        timer.poll(cx).map(|()| Err(Fault::Own))
    })
    .await
}
