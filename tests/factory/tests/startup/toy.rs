//! Components that do what they are told, and a ledger of what became of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use resilient::factory::startup::{Component, Components, ComponentsBuilder, Status};
use resilient::factory::{Asked, BadRequest, BoxError, BoxFuture, Factory};
use resilient::testing::Scope;
use tokio::sync::watch;

pub(crate) type Toys = Components<Toy>;

/// What one instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Up at once.
    Up,
    /// Up after so many milliseconds, of which `start` waits none.
    UpAfter(u64),
    /// `start` takes so many milliseconds, then it is up.
    StartsFor(u64),
    ConstructorFails,
    ConstructorPanics,
    ConstructorHangs,
    ConstructorRefuses,
    Fails,
    FailsAfter(u64),
    Panics,
    Refuses,
    Hangs,
    /// `start` succeeds, and it is never active.
    Connects,
    Inactive,
    Errs,
    /// As `Connects`, and tells of changes without end.
    Chatters,
}

/// What became of all instances.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) built: AtomicU32,
    pub(crate) dropped: AtomicU32,
    pub(crate) closes: Mutex<Vec<(String, u32)>>,
    pub(crate) closed: Mutex<BTreeSet<(String, u32)>>,
}

impl Ledger {
    pub(crate) fn built(&self) -> u32 {
        self.built.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::SeqCst)
    }

    /// The instances whose close came to its end, each by name and number.
    pub(crate) fn closed(&self) -> Vec<(String, u32)> {
        self.closed.lock().unwrap().iter().cloned().collect()
    }

    /// The calls of `close`.
    pub(crate) fn closes(&self) -> Vec<(String, u32)> {
        self.closes.lock().unwrap().clone()
    }
}

pub(crate) struct Toy {
    pub(crate) name: String,
    /// Which of that name, from 1.
    pub(crate) number: u32,
    act: Act,
    status: watch::Sender<Status>,
    ledger: Arc<Ledger>,
    close: Arc<Mutex<BTreeMap<String, Close>>>,
    pub(crate) is_private: bool,
    pub(crate) prewarmed: AtomicBool,
}

/// How closes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Close {
    #[default]
    Well,
    Takes(u64),
    Fails,
    Panics,
    Hangs,
}

impl Toy {
    pub(crate) fn becomes(&self, status: Status) {
        self.status.send_replace(status);
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.ledger.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Component for Toy {
    fn start(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            let pause = |millis| tokio::time::sleep(Duration::from_millis(millis));
            match self.act {
                Act::StartsFor(millis) => {
                    pause(millis).await;
                    self.becomes(Status::Active);
                }
                Act::UpAfter(millis) => {
                    let status = self.status.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(millis)).await;
                        status.send_replace(Status::Active);
                    });
                }
                Act::Fails => return Err("connection refused".into()),
                Act::FailsAfter(millis) => {
                    pause(millis).await;
                    return Err("connection refused".into());
                }
                Act::Refuses => return Err(BadRequest::new("no such market").into()),
                Act::Panics => panic!("on purpose"),
                Act::Hangs => pending().await,
                Act::Connects | Act::Chatters => {}
                Act::Inactive => self.becomes(Status::Inactive),
                Act::Errs => self.becomes(Status::Error),
                _ => self.becomes(Status::Active),
            }
            Ok(())
        })
    }

    fn status(&self) -> Status {
        *self.status.borrow()
    }

    fn status_changed(&self) -> BoxFuture<'_, ()> {
        if self.act == Act::Chatters {
            return Box::pin(async {});
        }
        Box::pin(async {
            let _ = self.status.subscribe().changed().await;
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            let this = (self.name.clone(), self.number);
            self.ledger.closes.lock().unwrap().push(this.clone());
            let close = self.close.lock().unwrap().get(&self.name).copied().unwrap_or_default();
            match close {
                Close::Well => tokio::task::yield_now().await,
                Close::Takes(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                Close::Fails => return Err("the socket is gone".into()),
                Close::Panics => panic!("on purpose"),
                Close::Hangs => pending().await,
            }
            self.becomes(Status::Inactive);
            self.ledger.closed.lock().unwrap().insert(this);
            Ok(())
        })
    }

    fn prewarm(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            self.prewarmed.store(true, Ordering::SeqCst);
            Ok(())
        })
    }

    fn has_private(&self) -> bool {
        self.is_private
    }

    fn details(&self) -> Option<String> {
        Some("2 symbols".into())
    }
}

/// Toys that are made by name, each by what the world says of it.
pub(crate) struct World {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) factory: Factory<Toy>,
    closes: Arc<Mutex<BTreeMap<String, Close>>>,
    acts: Arc<Mutex<BTreeMap<String, VecDeque<Act>>>>,
    private: Arc<Mutex<BTreeSet<String>>>,
}

impl World {
    /// One toy of each name; of its instances each does the next of the acts, and what comes after the last does that too.
    pub(crate) fn of(toys: &[(&str, &[Act])]) -> Self {
        let world = Self {
            ledger: Arc::default(),
            factory: Factory::new("exchanges").unwrap(),
            closes: Arc::default(),
            acts: Arc::default(),
            private: Arc::default(),
        };
        for (name, acts) in toys {
            world.add(name, acts);
        }
        world
    }

    pub(crate) fn add(&self, name: &str, acts: &[Act]) {
        self.set(name, acts);
        let (acts, ledger, close) = (self.acts.clone(), self.ledger.clone(), self.closes.clone());
        let private = self.private.clone();
        let numbers = Arc::new(AtomicU32::new(0));
        let construct = move |asked: Asked| {
            let name = asked.name.to_string();
            let act = {
                let mut acts = acts.lock().unwrap();
                let acts = acts.get_mut(&name).unwrap();
                if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0] }
            };
            let number = numbers.fetch_add(1, Ordering::SeqCst) + 1;
            let (ledger, close) = (ledger.clone(), close.clone());
            let is_private = private.lock().unwrap().contains(&name);
            async move {
                tokio::task::yield_now().await;
                match act {
                    Act::ConstructorFails => return Err(BoxError::from("no memory")),
                    Act::ConstructorPanics => panic!("on purpose"),
                    Act::ConstructorHangs => pending().await,
                    Act::ConstructorRefuses => return Err(BadRequest::new("no such region").into()),
                    _ => {}
                }
                ledger.built.fetch_add(1, Ordering::SeqCst);
                let status = watch::Sender::new(Status::Connecting);
                let prewarmed = AtomicBool::new(false);
                Ok(Toy { name, number, act, status, ledger, close, is_private, prewarmed })
            }
        };
        self.factory.register_async(name, construct).unwrap();
    }

    /// What the next instances of `name` do.
    pub(crate) fn set(&self, name: &str, acts: &[Act]) {
        self.acts.lock().unwrap().insert(name.into(), acts.iter().copied().collect());
    }

    pub(crate) fn closes(&self, name: &str, close: Close) {
        self.closes.lock().unwrap().insert(name.into(), close);
    }

    pub(crate) fn has_private(&self, name: &str) {
        self.private.lock().unwrap().insert(name.into());
    }

    /// Exchanges, without the luck of jitter.
    pub(crate) fn builder(&self) -> ComponentsBuilder<Toy> {
        Components::builder(self.factory.clone()).noun("exchange").jitter(false)
    }

    pub(crate) fn toys(&self) -> Toys {
        self.builder().build().unwrap()
    }

    /// Every instance is held, or was closed once; and who was closed is not held.
    pub(crate) async fn assert_nothing_leaks(&self, toys: &Toys, what: &str) {
        toys.settled().await;
        tokio::task::yield_now().await;
        let held: BTreeSet<(String, u32)> =
            toys.instances().into_values().map(|toy| (toy.name.clone(), toy.number)).collect();
        let closed: BTreeSet<_> = self.ledger.closed().into_iter().collect();
        assert!(held.is_disjoint(&closed), "{what}: held and closed: {:?}", held.intersection(&closed));
        let calls = self.ledger.closes();
        assert_eq!(
            calls.iter().collect::<BTreeSet<_>>().len(),
            calls.len(),
            "{what}: closed twice: {calls:?}"
        );
        let accounted = u32::try_from(held.len() + closed.len()).unwrap();
        assert_eq!(accounted, self.ledger.built(), "{what}: held {held:?}, closed {closed:?}");
        let living = self.ledger.built() - self.ledger.dropped();
        assert_eq!(living as usize, held.len(), "{what}: an instance that is not held lives on");
    }
}

/// In a world of its own: clock, luck and checks.
pub(crate) async fn alone<F: Future>(test: impl FnOnce(Arc<Scope>) -> F) -> F::Output {
    let scope = Arc::new(Scope::new());
    scope.run(Box::pin(test(scope.clone()))).await
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// How long `future` takes, on the clock of the test.
pub(crate) async fn timed<F: Future>(scope: &Scope, future: F) -> (F::Output, Duration) {
    let before = scope.clock().elapsed();
    let out = future.await;
    (out, scope.clock().elapsed().saturating_sub(before))
}
