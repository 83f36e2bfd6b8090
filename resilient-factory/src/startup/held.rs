//! What is held: asked how it stands, worked with, closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use resilient_runtime::CheckReport;

use super::closing::{CloseError, Unclaimed};
use super::component::{Component, Status};
use super::components::{Components, Options};
use super::error::StartError;
use super::summary::{Held, InitResult, Summary};

impl<C: Component + ?Sized, X: Send + Sync + 'static, O: Options> Components<C, X, O> {
    /// The one that is held under `name`, whatever its status.
    pub fn get(&self, name: &str) -> Option<Arc<C>> {
        self.standing(|standing| standing.get(name))
    }

    /// All that are held, whatever their status.
    pub fn instances(&self) -> BTreeMap<String, Arc<C>> {
        self.held().into_iter().map(|(name, instance)| (name.to_string(), instance)).collect()
    }

    /// Those that are held and active.
    pub fn active(&self) -> BTreeMap<String, Arc<C>> {
        let mut active = self.instances();
        active.retain(|_, instance| instance.status() == Status::Active);
        active
    }

    /// The names that can be asked for, as the factory lists them.
    pub fn supported(&self) -> Vec<String> {
        self.factory().names()
    }

    /// Whether `name` can be asked for, whatever its case.
    pub fn is_supported(&self, name: &str) -> bool {
        self.known(name).is_ok()
    }

    /// Whether the one that is held under `name` is active.
    pub fn health_check(&self, name: &str) -> bool {
        self.get(name).is_some_and(|instance| instance.status() == Status::Active)
    }

    /// Of each that was asked for and not closed since, whether it is active.
    pub fn health_check_all(&self) -> BTreeMap<String, bool> {
        let active = |instance: Option<Arc<C>>| instance.is_some_and(|it| it.status() == Status::Active);
        let wanted = self.standing(|standing| standing.wanted());
        wanted.into_iter().map(|(name, instance)| (name.to_string(), active(instance))).collect()
    }

    /// What came of the last run, and who is active now.
    pub fn summary(&self) -> Summary {
        let ((requested, results), held) = self.standing(|standing| (standing.results(), standing.all()));
        let held = held.into_iter().map(|(name, instance)| Held {
            name,
            status: instance.status(),
            has_private: instance.has_private(),
            details: instance.details(),
        });
        Summary::of(self.noun(), requested, results, held.collect())
    }

    /// The same as [`summary`](Self::summary).
    pub fn statistics(&self) -> Summary {
        self.summary()
    }

    /// What came of each component of the last run, in the order they were asked for.
    pub fn results(&self) -> Vec<InitResult> {
        self.standing(|standing| standing.results().1)
    }

    /// Closes the one that is held under `name`; `None` when there is none.
    pub async fn close(&self, name: &str) -> Option<Result<(), CloseError>> {
        let meant = self.standing(|standing| standing.meant(name).cloned())?;
        self.closed(|held| *held == *meant).await.into_values().next()
    }

    /// Closes all that are held, at once, and waits also for what is being closed in the background. Afterwards none is held,
    /// whatever their closes said, which is the answer.
    ///
    /// The trap: what is being created meanwhile is held when it is up. Drop those futures first.
    pub async fn close_all(&self) -> BTreeMap<String, Result<(), CloseError>> {
        let closed = self.closed(|_| true).await;
        self.settled().await;
        closed
    }

    /// Closes all that are held but those in `active`, whatever the case of their names; the answer is what their closes said.
    pub async fn cleanup_unused<N: AsRef<str>>(
        &self,
        active: impl IntoIterator<Item = N>,
    ) -> BTreeMap<String, Result<(), CloseError>> {
        let active: Vec<String> = active.into_iter().map(|name| name.as_ref().to_owned()).collect();
        let used: Vec<Arc<str>> = self
            .standing(|standing| active.iter().filter_map(|name| standing.meant(name).cloned()).collect());
        self.closed(|held| !used.iter().any(|name| **name == *held)).await
    }

    async fn closed(&self, leaves: impl Fn(&str) -> bool) -> BTreeMap<String, Result<(), CloseError>> {
        let left = self.standing(|standing| standing.take(leaves));
        let left: Vec<_> = left
            .into_iter()
            .map(|(name, instance)| (name.to_string(), self.unclaimed(&name, instance)))
            .collect();
        let close = |(name, instance): (String, Unclaimed<C>)| async move { (name, instance.close().await) };
        left.into_iter().map(close).collect::<FuturesUnordered<_>>().collect().await
    }

    /// Waits until nothing is being closed in the background any more, at most for as long as one close may take.
    pub async fn settled(&self) {
        self.closing().settled().await;
    }

    /// Refuses to go on without an active component that has private access: `mode` says what it is needed for, as in
    /// `live trading`.
    ///
    /// # Errors
    ///
    /// [`StartError::NoneAvailable`] or [`StartError::NoPrivate`].
    pub fn require_private(&self, mode: &str) -> Result<(), StartError> {
        let (noun, active) = (Arc::clone(self.noun()), self.active());
        if active.is_empty() {
            return Err(StartError::NoneAvailable { noun });
        }
        if active.values().any(|instance| instance.has_private()) {
            return Ok(());
        }
        Err(StartError::NoPrivate { noun, mode: mode.into(), active: active.into_keys().collect() })
    }

    pub(super) fn report(&self) -> CheckReport {
        let all = self.health_check_all();
        let down: Vec<&str> =
            all.iter().filter(|(_, active)| !**active).map(|(name, _)| name.as_str()).collect();
        let up = all.len() - down.len();
        let noun = self.noun();
        let report = match (up, down.len()) {
            (_, 0) => CheckReport::healthy(),
            (0, _) => CheckReport::unhealthy(format!("no {noun} is active")),
            _ => CheckReport::degraded(format!("not active: {}", down.join(", "))),
        };
        report.detail("active", format!("{up} of {}", all.len()))
    }
}
