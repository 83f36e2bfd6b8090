//! The layers around any `tower::Service`: [`OperationLayer`], and what its type parameters can be.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use resilient_runtime::{
    AnyResult, ConfigErrors, ResilienceConfig, ResilienceError, ResilientOperation, Takes,
};
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A [`tower::Layer`](tower_layer::Layer) that puts an operation around every call of a service: for hyper, tonic, or any
/// other client of tower.
///
/// Each attempt waits until the service is ready and calls it with a copy of the request, all of it inside the attempt's
/// limits. Defaults: the request is `Clone`; the error is a boxed one, in which
/// [`ResilienceError::find`] finds a refusal; an answer is a success, whatever its status, unless the operation's
/// [`failure_if`](ResilienceConfig::failure_if) calls it a failure.
///
/// The trap: every request is repeated that the operation repeats, a `POST` too. Requests that must be sent once, or
/// cannot be copied, as those of tonic, go through a layer made by [`once`](Self::once).
///
/// ```
/// # use resilient_clients as resilient;
/// # use resilient_runtime::ResilienceConfig;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use resilient::OperationLayer;
/// # use tower_layer::Layer as _;
/// # use tower_service::Service as _;
/// # let service = Ready;
/// # #[derive(Clone)] struct Ready;
/// # impl tower_service::Service<u32> for Ready {
/// #     type Response = u32; type Error = std::io::Error; type Future = std::future::Ready<std::io::Result<u32>>;
/// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> { Ok(()).into() }
/// #     fn call(&mut self, n: u32) -> Self::Future { std::future::ready(Ok(n + 1)) }
/// # }
///
/// let operation = ResilienceConfig::new("prices").operation_type("api").timeout("2s").build()?;
/// let mut guarded = OperationLayer::new(operation).layer(service);
/// assert_eq!(guarded.call(1).await?, 2);
/// # Ok(())
/// # }
/// ```
pub struct OperationLayer<R = AnyResult, E = BoxError, C = Copies, K = NoKey> {
    operation: ResilientOperation<R>,
    copy: C,
    key: K,
    error: PhantomData<fn() -> E>,
}

impl<R> OperationLayer<R> {
    /// Calls go through `operation`.
    pub fn new(operation: ResilientOperation<R>) -> Self {
        Self { operation, copy: Copies, key: NoKey, error: PhantomData }
    }
}

impl<R> OperationLayer<R, BoxError, Once> {
    /// Calls go through the operation that `config` makes, less its retries: each request is handed to the service once, and
    /// need not be `Clone`.
    ///
    /// ```
    /// # use resilient_clients as resilient;
    /// # use resilient_runtime::ResilienceConfig;
    /// use resilient::OperationLayer;
    ///
    /// let layer = OperationLayer::once(ResilienceConfig::new("orders").operation_type("api"))?;
    /// # drop(layer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Everything that is wrong with `config`, at once.
    pub fn once(config: ResilienceConfig<R>) -> Result<Self, ConfigErrors> {
        let operation = config.enable_retry(false).build()?;
        Ok(Self { operation, copy: Once, key: NoKey, error: PhantomData })
    }
}

impl<R, E, C, K> OperationLayer<R, E, C, K> {
    /// Copies requests by this function, where they are not `Clone`.
    pub fn with_copy<F>(self, copy: F) -> OperationLayer<R, E, CopiedBy<F>, K> {
        OperationLayer { operation: self.operation, copy: CopiedBy(copy), key: self.key, error: PhantomData }
    }

    /// Gives each key, a host or a tenant, a breaker of its own: for an operation that is
    /// [`keyed`](ResilienceConfig::keyed).
    pub fn with_key<F>(self, key: F) -> OperationLayer<R, E, C, KeyedBy<F>> {
        OperationLayer { operation: self.operation, copy: self.copy, key: KeyedBy(key), error: PhantomData }
    }

    /// Fails with an error of your own, which is made from the service's and from a
    /// [`ResilienceError`]; the operation's rules judge that one.
    pub fn with_error<F>(self) -> OperationLayer<R, F, C, K> {
        OperationLayer { operation: self.operation, copy: self.copy, key: self.key, error: PhantomData }
    }
}

impl<R: Clone, E, C: Clone, K: Clone> Clone for OperationLayer<R, E, C, K> {
    fn clone(&self) -> Self {
        let Self { operation, copy, key, error } = self;
        Self { operation: operation.clone(), copy: copy.clone(), key: key.clone(), error: *error }
    }
}

impl<R, E, C, K> fmt::Debug for OperationLayer<R, E, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationLayer").field("operation", &self.operation.name()).finish_non_exhaustive()
    }
}

impl<S, R: Clone, E, C: Clone, K: Clone> Layer<S> for OperationLayer<R, E, C, K> {
    type Service = OperationService<S, R, E, C, K>;

    fn layer(&self, inner: S) -> Self::Service {
        OperationService { inner, layer: self.clone() }
    }
}

/// A service behind a [`OperationLayer`].
pub struct OperationService<S, R = AnyResult, E = BoxError, C = Copies, K = NoKey> {
    inner: S,
    layer: OperationLayer<R, E, C, K>,
}

impl<S: Clone, R: Clone, E, C: Clone, K: Clone> Clone for OperationService<S, R, E, C, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, R, E, C, K> fmt::Debug for OperationService<S, R, E, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationService")
            .field("operation", &self.layer.operation.name())
            .finish_non_exhaustive()
    }
}

impl<S, Q, R, E, C, K> Service<Q> for OperationService<S, R, E, C, K>
where
    S: Service<Q, Future: Send> + Clone + Send + 'static,
    Q: Send + 'static,
    S::Response: Send + 'static,
    R: Takes<S::Response, E> + Clone + Send + Sync + 'static,
    E: From<S::Error> + From<ResilienceError> + Send + 'static,
    C: Requests<Q> + Clone,
    K: Keys<Q> + Clone,
{
    type Response = S::Response;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, E>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(cx).map_err(E::from)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        // The one that was polled is the one that is ready, and may hold a permit for this call.
        let copy = self.inner.clone();
        let mut first = Some(mem::replace(&mut self.inner, copy.clone()));
        let operation = match self.layer.key.key(&request) {
            Some(key) => self.layer.operation.for_key(&key),
            None => self.layer.operation.clone(),
        };
        let requests = self.layer.copy.clone();
        let mut request = Some(request);
        Box::pin(async move {
            let attempt = move || {
                let is_ready = first.is_some();
                let mut service = first.take().unwrap_or_else(|| copy.clone());
                let request = requests.next(&mut request);
                async move {
                    if !is_ready {
                        poll_fn(|cx| service.poll_ready(cx)).await?;
                    }
                    Ok(service.call(request).await?)
                }
            };
            operation.call_async(attempt).await
        })
    }
}

/// What each attempt is given of a request.
pub trait Requests<Q>: sealed::Sealed + Send + 'static {
    #[doc(hidden)]
    fn next(&self, request: &mut Option<Q>) -> Q;
}

/// Only [`Once`] takes it.
const KEPT: &str = "the request is kept for further attempts";

/// Requests that are `Clone`.
#[derive(Clone, Copy, Debug)]
pub struct Copies;

/// Requests that a function copies.
#[derive(Clone, Copy, Debug)]
pub struct CopiedBy<F>(F);

/// Requests that are sent once.
#[derive(Clone, Copy, Debug)]
pub struct Once;

impl<Q: Clone> Requests<Q> for Copies {
    fn next(&self, request: &mut Option<Q>) -> Q {
        request.clone().expect(KEPT)
    }
}

impl<Q, F: Fn(&Q) -> Q + Send + 'static> Requests<Q> for CopiedBy<F> {
    fn next(&self, request: &mut Option<Q>) -> Q {
        (self.0)(request.as_ref().expect(KEPT))
    }
}

impl<Q> Requests<Q> for Once {
    fn next(&self, request: &mut Option<Q>) -> Q {
        request.take().expect("an operation without retries makes one attempt")
    }
}

/// Whose breaker a request goes through.
pub trait Keys<Q>: sealed::Sealed {
    #[doc(hidden)]
    fn key(&self, request: &Q) -> Option<String>;
}

/// One breaker for all requests.
#[derive(Clone, Copy, Debug)]
pub struct NoKey;

/// A breaker for what a function makes of a request.
#[derive(Clone, Copy, Debug)]
pub struct KeyedBy<F>(F);

impl<Q> Keys<Q> for NoKey {
    fn key(&self, _: &Q) -> Option<String> {
        None
    }
}

impl<Q, F: Fn(&Q) -> String> Keys<Q> for KeyedBy<F> {
    fn key(&self, request: &Q) -> Option<String> {
        Some((self.0)(request))
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Copies {}
    impl<F> Sealed for super::CopiedBy<F> {}
    impl Sealed for super::Once {}
    impl Sealed for super::NoKey {}
    impl<F> Sealed for super::KeyedBy<F> {}
}
