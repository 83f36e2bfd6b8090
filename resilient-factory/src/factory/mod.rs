//! One kind of component, made by name.

mod asked;
mod attempt;
mod bad_request;
mod builder;
mod constructor;
mod error;
mod flight;
mod health;
mod inner;
mod kept;
mod key;
pub(crate) mod linked;
mod plugin;
mod recovery;
mod registering;
mod rules;
mod table;
mod told;
mod waits;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use resilient_runtime::{Class, Classify as _};

pub use asked::Asked;
pub(crate) use attempt::Panicked;
pub use bad_request::BadRequest;
pub use builder::FactoryBuilder;
pub use error::FactoryError;
pub(crate) use error::Name;
pub use health::{FactoryHealth, FactoryState};
pub use plugin::{Plugin, Registrations};
pub use rules::HealthRules;
pub use told::FactoryStatistics;

use flight::Role;
use inner::{Asker, Inner, Unmade};
use table::Found;
use waits::Build;

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
/// limit. Options are hashed, compared and copied under the factory's lock: how they do that asks no factory. And a
/// constructor that holds a copy of its own factory keeps it alive.
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

impl<C: ?Sized, X, O> Clone for Factory<C, X, O> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C: ?Sized, X, O> Factory<C, X, O> {
    pub(crate) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.inner.id)
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
            // Boxed, or who asks for what is kept would carry a build about.
            None => Box::pin(self.made(name, options)).await,
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
        self.inner.told.hits.add_one();
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
        let made = self.inner.once(&name, constructor, options, build).await;
        made.map_err(|(unmade, class)| (unmade.into_error(), class))
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
                inner.told.misses.fetch_add(1, Ordering::Relaxed);
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
                inner.told.misses.fetch_add(1, Ordering::Relaxed);
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

    /// How well it is, as of now. What is done to the copy changes nothing.
    pub fn health(&self) -> FactoryHealth {
        self.inner.told.health()
    }

    /// Its counts, as of now. What is done to the copy changes nothing.
    pub fn statistics(&self) -> FactoryStatistics {
        self.inner.told.statistics(self.inner.table.kept.len())
    }
}
