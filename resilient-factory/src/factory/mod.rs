//! One kind of component, made by name.

mod asked;
mod attempt;
mod bad_request;
mod builder;
mod constructor;
mod error;
mod flight;
mod kept;
mod key;
mod table;
mod waits;

use std::cell::Cell;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use resilient_runtime::__private::{Here, nearest};
use resilient_runtime::{Class, Classify as _, ResilienceError, ResilientOperation};

pub use asked::Asked;
pub use bad_request::BadRequest;
pub use builder::FactoryBuilder;
pub use error::FactoryError;

use crate::BoxError;
use attempt::{Failure, RetryIf};
use constructor::Constructor;
use flight::{Flight, Outcome, Role};
use table::{Entry, Found, Table};
use waits::{Build, wait_for};

/// Makes components of one kind by name, keeps them, and survives what goes wrong on the way.
///
/// `C` is what is made, and may be a `dyn Trait`. `X` is the context that every constructor is given: what it depends on,
/// typed. `O` is what the caller wants the component to be like; equal options are one component, so give it one value
/// for one meaning.
///
/// A component that was made is kept and given to whoever asks again: the 128 that are asked for most, see
/// [`capacity`](FactoryBuilder::capacity). All who ask for one that is being made wait for that one build, and share its
/// outcome, a failure too; a failure is not kept. A build that is given up by its caller goes on with the next of those
/// who wait. Each build has the layers of an operation of the factory's name and of type `factory`: 3 attempts of at
/// most 5 s, waits from 1 s to 60 s with jitter, no circuit breaker. An unknown name and a [`BadRequest`] are told at
/// once. A panic is an error, and is not repeated.
///
/// Copies are cheap and share everything.
///
/// The trap: a component lives for as long as somebody has it, which may be longer than the factory keeps it. One that was
/// pushed out is made anew for the next who asks, beside the old one. And a sync constructor runs on the thread that asks,
/// within `create().await` too: what blocks for long belongs into an async one, which alone can be cut short at its time
/// limit.
///
/// Inside a tokio runtime [`create_blocking`](Self::create_blocking) does not wait for a build that a future makes, since that
/// future may be one of this thread's own: it builds beside it, and the first outcome is everybody's.
///
/// ```
/// # mod resilient { pub use resilient_factory as factory; }
/// use resilient::factory::{Asked, BoxError, Factory};
/// use std::sync::Arc;
///
/// trait Exchange: Send + Sync {
///     fn name(&self) -> String;
/// }
///
/// struct Mexc {
///     url: String,
/// }
///
/// impl Exchange for Mexc {
///     fn name(&self) -> String {
///         format!("MEXC at {}", self.url)
///     }
/// }
///
/// struct Config {
///     host: &'static str,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), resilient::factory::FactoryError> {
/// let exchanges = Factory::<dyn Exchange, _, _>::builder("exchanges")
///     .context(Config { host: "api.mexc.example" })
///     .timeout("10s")
///     .max_attempts(3)
///     .build()?;
/// exchanges.register_async("mexc", async |asked: Asked<Config>| {
///     let url = format!("https://{}", asked.context.host);
///     Ok::<Arc<dyn Exchange>, BoxError>(Arc::new(Mexc { url }))
/// })?;
///
/// let mexc = exchanges.create("mexc", &()).await?;
/// assert_eq!(mexc.name(), "MEXC at https://api.mexc.example");
/// assert!(Arc::ptr_eq(&mexc, &exchanges.create("mexc", &()).await?));
///
/// let error = exchanges.create("mexcc", &()).await.err().expect("nothing has that name");
/// assert_eq!(
///     error.to_string(),
///     "factory 'exchanges' knows no 'mexcc'; did you mean 'mexc'? it knows mexc"
/// );
/// # Ok(())
/// # }
/// ```
pub struct Factory<C: ?Sized, X = (), O = ()> {
    inner: Arc<Inner<C, X, O>>,
}

struct Inner<C: ?Sized, X, O> {
    id: Arc<str>,
    context: Arc<X>,
    operation: ResilientOperation,
    retry_if: Option<Box<RetryIf>>,
    table: Table<C, X, O>,
    here: Here,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<C: ?Sized, X, O> Clone for Factory<C, X, O> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C: ?Sized, X, O> fmt::Debug for Factory<C, X, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").field("id", &self.inner.id).finish_non_exhaustive()
    }
}

impl<C, X, O> Factory<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    /// A factory with that id and the defaults of everything; the id is the name of its operation, for as long as the
    /// process lives.
    ///
    /// # Errors
    ///
    /// [`FactoryError::Invalid`]: the id is no name (1 to 128 of the characters A-Z a-z 0-9 _ . : -), or the linked
    /// constructors contradict one another.
    #[track_caller]
    pub fn new(id: impl Into<String>) -> Result<Self, FactoryError>
    where
        X: Default,
    {
        FactoryBuilder::of(id.into(), X::default()).build()
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// What its constructors are given.
    pub fn context(&self) -> &Arc<X> {
        &self.inner.context
    }

    /// Makes components of that name with a sync constructor from now on: a plugin's.
    ///
    /// # Errors
    ///
    /// [`FactoryError::Taken`]; [`FactoryError::Invalid`] for a name that is empty, has a control character, or more than
    /// 128 characters.
    pub fn register<R, E>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Result<(), FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
    {
        self.add(&name.into(), Constructor::sync(constructor))
    }

    /// As [`register`](Self::register), with an async constructor. Its future is dropped at the time limit of its attempt, and
    /// when nobody waits any more.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn register_async<R, E, F>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static,
    ) -> Result<(), FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.add(&name.into(), Constructor::asynchronous(constructor))
    }

    fn add(&self, name: &str, constructor: Constructor<C, X, O>) -> Result<(), FactoryError> {
        let name = builder::checked(&self.inner.id, name)?;
        let entry = Entry { constructor, is_plugin: true };
        let refused = self.inner.table.register(Arc::clone(&name), entry);
        refused.map_err(|_| FactoryError::Taken { factory: Arc::clone(&self.inner.id), name })
    }

    /// Puts a sync constructor into the place of what has that name; true if anything had. What the old one made is not
    /// given out any more; those who have it keep it.
    ///
    /// # Errors
    ///
    /// [`FactoryError::Invalid`], as [`register`](Self::register).
    pub fn replace<R, E>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> Result<R, E> + Send + Sync + 'static,
    ) -> Result<bool, FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
    {
        self.put(&name.into(), Constructor::sync(constructor))
    }

    /// As [`replace`](Self::replace), with an async constructor.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace).
    pub fn replace_async<R, E, F>(
        &self,
        name: impl Into<String>,
        constructor: impl Fn(Asked<X, O>) -> F + Send + Sync + 'static,
    ) -> Result<bool, FactoryError>
    where
        R: Into<Arc<C>>,
        E: Into<BoxError>,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        self.put(&name.into(), Constructor::asynchronous(constructor))
    }

    fn put(&self, name: &str, constructor: Constructor<C, X, O>) -> Result<bool, FactoryError> {
        let name = builder::checked(&self.inner.id, name)?;
        let (replaced, _left) = self.inner.table.replace(&name, Entry { constructor, is_plugin: true });
        Ok(replaced.is_some())
    }

    /// The component of that name and with those options: the one that is kept, else the one that is being made, else a new
    /// one.
    ///
    /// Dropping the future gives the build up, or hands it to the next who waits.
    ///
    /// # Errors
    ///
    /// [`FactoryError`], the same for all who waited for one build.
    #[inline]
    pub async fn create(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        match self.kept(name, options) {
            Some(component) => Ok(component),
            None => self.made(name, options).await,
        }
    }

    /// As [`create`](Self::create), on this thread: for sync constructors. Waits without a runtime too.
    ///
    /// # Errors
    ///
    /// [`FactoryError`], the same for all who waited for one build; [`FactoryError::AsyncOnly`] where the constructor is
    /// async and nothing is kept.
    #[inline]
    pub fn create_blocking(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        match self.kept(name, options) {
            Some(component) => Ok(component),
            None => self.made_blocking(name, options),
        }
    }

    #[inline]
    fn kept(&self, name: &str, options: &O) -> Option<Arc<C>> {
        let component = self.inner.table.kept.get(name, options)?;
        self.inner.hits.fetch_add(1, Ordering::Relaxed);
        Some(component)
    }

    /// A new component, which is neither kept nor shared; with the same layers.
    ///
    /// # Errors
    ///
    /// [`FactoryError`].
    pub async fn build(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let (name, constructor) = self.inner.constructor(name)?;
        let build = Build::new();
        let _wait = self.inner.wait_for(build, &name)?;
        self.inner.attempts(&name, &constructor, options, build).await.map_err(Unmade::into_error)
    }

    /// As [`build`](Self::build), on this thread: for sync constructors.
    ///
    /// # Errors
    ///
    /// [`FactoryError`].
    pub fn build_blocking(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let (name, constructor) = self.inner.constructor(name)?;
        let build = Build::new();
        let _wait = self.inner.wait_for(build, &name)?;
        self.inner.attempts_blocking(&name, &constructor, options, build).map_err(Unmade::into_error)
    }

    /// One call of the constructor, without layers, for those who have their own; an error comes with what another call is
    /// good for.
    pub(crate) async fn build_once(&self, name: &str, options: &O) -> Result<Arc<C>, (FactoryError, Class)> {
        let once = |error: FactoryError| {
            let class = error.class();
            (error, class)
        };
        let (name, constructor) = self.inner.constructor(name).map_err(once)?;
        let build = Build::new();
        let _wait = self.inner.wait_for(build, &name).map_err(once)?;
        let made = constructor.run_async(self.inner.asked(&name, options), build).await;
        made.map_err(|error| {
            let failure = Failure::of(error, self.inner.retry_if.as_deref());
            let class = failure.class();
            match self.inner.ended(&name, 1, Err(failure)) {
                Ok(_) => unreachable!("a failure stays one"),
                Err(unmade) => (unmade.into_error(), class),
            }
        })
    }

    async fn made(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let inner = &*self.inner;
        let asker = match inner.find(name, options)? {
            Found::Kept(component) => return Ok(inner.hit(component)),
            Found::Underway(flight) => Asker { inner, flight },
        };
        let flight = &*asker.flight;
        let _wait = inner.wait_for(flight.build, &flight.key.name)?;
        match flight.join().await {
            Role::Take(outcome) => inner.shared(outcome),
            Role::GiveUp => Err(inner.out_of_time(&flight.key.name)),
            Role::Build(_turn) => {
                inner.misses.fetch_add(1, Ordering::Relaxed);
                let made = inner.attempts(&flight.key.name, &flight.constructor, options, flight.build).await;
                inner.land(flight, made)
            }
            Role::BuildBeside => unreachable!("nobody blocks for a future"),
        }
    }

    #[cold]
    fn made_blocking(&self, name: &str, options: &O) -> Result<Arc<C>, FactoryError> {
        let inner = &*self.inner;
        let asker = match inner.find(name, options)? {
            Found::Kept(component) => return Ok(inner.hit(component)),
            Found::Underway(flight) => Asker { inner, flight },
        };
        let flight = &*asker.flight;
        let name = &flight.key.name;
        if flight.constructor.is_async() {
            return Err(inner.async_only(name));
        }
        let _wait = inner.wait_for(flight.build, name)?;
        let role = flight.join_blocking(&inner.here);
        match role {
            Role::Take(outcome) => inner.shared(outcome),
            Role::GiveUp => Err(inner.out_of_time(name)),
            Role::Build(_) | Role::BuildBeside => {
                inner.misses.fetch_add(1, Ordering::Relaxed);
                let made = inner.attempts_blocking(name, &flight.constructor, options, flight.build);
                inner.land(flight, made)
            }
        }
    }

    /// The names of all constructors, in order.
    pub fn names(&self) -> Vec<String> {
        self.inner.table.names()
    }

    /// Whether a constructor has that name.
    pub fn contains(&self, name: &str) -> bool {
        self.inner.table.is_plugin(name).is_some()
    }

    /// Whether the name is that of a constructor that was linked, or given to the builder.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.inner.table.is_plugin(name) == Some(false)
    }

    /// Whether the name is that of a constructor that was registered later.
    pub fn is_plugin(&self, name: &str) -> bool {
        self.inner.table.is_plugin(name) == Some(true)
    }

    /// Forgets every component. Those who have one keep it; who waits for one that is being made gets it, and nobody after
    /// that.
    pub fn clear_cache(&self) {
        self.inner.table.clear();
    }
}

/// Somebody who waits for a build.
struct Asker<'a, C, X, O>
where
    C: ?Sized,
    O: Clone + Eq + Hash,
{
    inner: &'a Inner<C, X, O>,
    flight: Arc<Flight<C, X, O>>,
}

impl<C, X, O> Drop for Asker<'_, C, X, O>
where
    C: ?Sized,
    O: Clone + Eq + Hash,
{
    fn drop(&mut self) {
        self.inner.table.leave(&self.flight);
    }
}

/// A build that made nothing.
enum Unmade {
    /// That is so for everybody.
    Failed(FactoryError),
    /// The deadline around the caller passed, of which the others know nothing.
    OutOfTime(FactoryError),
}

impl Unmade {
    fn into_error(self) -> FactoryError {
        match self {
            Self::Failed(error) | Self::OutOfTime(error) => error,
        }
    }
}

impl<C, X, O> Inner<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    fn constructor(&self, name: &str) -> Result<table::Named<C, X, O>, FactoryError> {
        self.table.constructor(name).ok_or_else(|| self.unknown(name))
    }

    fn find(&self, name: &str, options: &O) -> Result<Found<C, X, O>, FactoryError> {
        self.table.find(name, options).ok_or_else(|| self.unknown(name))
    }

    #[cold]
    fn unknown(&self, name: &str) -> FactoryError {
        let known = self.table.names();
        let nearest = nearest(name, known.iter().map(String::as_str));
        FactoryError::Unknown {
            factory: Arc::clone(&self.id),
            name: name.into(),
            known: known.into(),
            nearest,
        }
    }

    fn async_only(&self, name: &Arc<str>) -> FactoryError {
        FactoryError::AsyncOnly { factory: Arc::clone(&self.id), name: Arc::clone(name) }
    }

    fn out_of_time(&self, name: &Arc<str>) -> FactoryError {
        let operation = self.operation.name();
        self.refused(name, ResilienceError::DeadlineExceeded { operation, limit: None })
    }

    fn refused(&self, name: &Arc<str>, refused: ResilienceError) -> FactoryError {
        FactoryError::Refused {
            factory: Arc::clone(&self.id),
            name: Arc::clone(name),
            source: Arc::new(refused),
        }
    }

    fn wait_for(&self, build: Build, name: &Arc<str>) -> Result<waits::Wait, FactoryError> {
        let factory = Arc::clone(&self.id);
        wait_for(build).ok_or_else(|| FactoryError::WaitsForItself { factory, name: Arc::clone(name) })
    }

    fn hit(&self, component: Arc<C>) -> Arc<C> {
        self.hits.fetch_add(1, Ordering::Relaxed);
        component
    }

    fn shared(&self, outcome: Outcome<C>) -> Outcome<C> {
        self.hits.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    fn land(&self, flight: &Flight<C, X, O>, made: Result<Arc<C>, Unmade>) -> Outcome<C> {
        match made {
            Ok(component) => self.table.land(flight, Ok(component)),
            Err(Unmade::Failed(error)) => self.table.land(flight, Err(error)),
            Err(Unmade::OutOfTime(error)) => Err(error),
        }
    }

    fn asked(&self, name: &Arc<str>, options: &O) -> Asked<X, O> {
        Asked { name: Arc::clone(name), context: Arc::clone(&self.context), options: options.clone() }
    }

    async fn attempts(
        &self,
        name: &Arc<str>,
        constructor: &Constructor<C, X, O>,
        options: &O,
        build: Build,
    ) -> Result<Arc<C>, Unmade> {
        let attempts = AtomicU64::new(0);
        let made = self.operation.call_async(|| {
            attempts.fetch_add(1, Ordering::Relaxed);
            let making = constructor.clone().run_async(self.asked(name, options), build);
            async { making.await.map_err(|error| Failure::of(error, self.retry_if.as_deref())) }
        });
        let made = made.await;
        self.ended(name, attempts.into_inner(), made)
    }

    fn attempts_blocking(
        &self,
        name: &Arc<str>,
        constructor: &Constructor<C, X, O>,
        options: &O,
        build: Build,
    ) -> Result<Arc<C>, Unmade> {
        if constructor.is_async() {
            return Err(Unmade::Failed(self.async_only(name)));
        }
        let attempts = Cell::new(0);
        let made = self.operation.call(|| {
            attempts.set(attempts.get() + 1);
            let made = constructor.run(self.asked(name, options), build);
            let made = made.unwrap_or_else(|| Err("it is async".into()));
            made.map_err(|error| Failure::of(error, self.retry_if.as_deref()))
        });
        self.ended(name, attempts.get(), made)
    }

    /// What a build has come to, for its caller.
    fn ended(&self, name: &Arc<str>, attempts: u64, made: Result<Arc<C>, Failure>) -> Result<Arc<C>, Unmade> {
        let failed = |source| FactoryError::Failed {
            factory: Arc::clone(&self.id),
            name: Arc::clone(name),
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            source,
        };
        made.map_err(|failure| match failure {
            Failure::Constructor(source, resilient_runtime::Class::Caller) => {
                Unmade::Failed(FactoryError::BadRequest {
                    factory: Arc::clone(&self.id),
                    name: Arc::clone(name),
                    source,
                })
            }
            Failure::Constructor(source, _) => Unmade::Failed(failed(source)),
            Failure::Refused(ResilienceError::DeadlineExceeded { limit: None, .. }) => {
                Unmade::OutOfTime(self.out_of_time(name))
            }
            Failure::Refused(refused) if refused.is_timeout() || refused.is_injected() => {
                Unmade::Failed(failed(Arc::new(refused)))
            }
            Failure::Refused(refused) => Unmade::Failed(self.refused(name, refused)),
        })
    }
}
