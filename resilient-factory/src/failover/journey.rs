//! One request on its way through the factories: who is asked next, and what an answer means. The calls themselves, async or
//! not, are the caller's.

use std::hash::Hash;
use std::sync::Arc;
use std::vec;

use resilient_runtime::__private::Harmless;
use resilient_runtime::{Class, Classify};

use super::Failover;
use super::error::FailoverError;
use super::made::Made;
use crate::{Factory, FactoryError, FactoryState};

/// A factory to be asked.
pub(super) struct Step<C: ?Sized, X, O> {
    factory: Factory<C, X, O>,
    /// It is not well: the request is its way back.
    recovers: bool,
    name: Arc<str>,
    /// What is asked of it, where that is not what the caller asked for.
    options: Option<O>,
}

pub(super) struct Journey<'a, C: ?Sized, X, O> {
    failover: &'a Failover<C, X, O>,
    wanted: Arc<str>,
    options: &'a O,
    candidates: vec::IntoIter<(Factory<C, X, O>, FactoryState)>,
    /// Who was asked for what was wanted.
    asked: Vec<Arc<str>>,
    failures: Vec<FactoryError>,
    stage: Stage<O>,
}

enum Stage<O> {
    Requested,
    Emergency,
    /// Something else, by that name and with those options; why there is nothing better.
    Fallback {
        next: usize,
        name: Arc<str>,
        options: Option<O>,
        why: FailoverError,
    },
}

impl<'a, C, X, O> Journey<'a, C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    pub(super) fn new(failover: &'a Failover<C, X, O>, name: &str, options: &'a O) -> Self {
        Self {
            failover,
            wanted: name.into(),
            options,
            candidates: failover.candidates(Some(name)).into_iter(),
            asked: Vec::new(),
            failures: Vec::new(),
            stage: Stage::Requested,
        }
    }

    /// Whom to ask next; else why there is nothing.
    pub(super) fn next(&mut self) -> Result<Step<C, X, O>, FailoverError> {
        loop {
            if let Some((factory, state)) = self.candidates.next() {
                let recovers = matches!(state, FactoryState::Failed | FactoryState::Recovering);
                let (name, options) = match &self.stage {
                    Stage::Requested | Stage::Emergency => {
                        self.asked.push(factory.shared_id());
                        (Arc::clone(&self.wanted), None)
                    }
                    Stage::Fallback { name, options, .. } => (Arc::clone(name), options.clone()),
                };
                return Ok(Step { factory, recovers, name, options });
            }
            self.advance()?;
        }
    }

    /// Nobody is left to be asked for this.
    fn advance(&mut self) -> Result<(), FailoverError> {
        if matches!(self.stage, Stage::Requested) {
            self.stage = Stage::Emergency;
            self.call_for_help();
            return Ok(());
        }
        let (next, why) = match &self.stage {
            Stage::Fallback { next, why, .. } => (*next, why.clone()),
            Stage::Requested | Stage::Emergency => (0, self.why()),
        };
        let failover = self.failover;
        let Some(fallback) = failover.fallback(next) else { return Err(why) };
        self.candidates = failover.candidates(Some(&fallback.name)).into_iter();
        let options = fallback.options.as_ref().map(|change| change(self.options));
        self.stage = Stage::Fallback { next: next + 1, name: Arc::clone(&fallback.name), options, why };
        Ok(())
    }

    /// An unknown name is no emergency.
    fn call_for_help(&mut self) {
        if self.failures.is_empty() && !self.failover.is_empty() {
            return;
        }
        match self.failover.emergency() {
            Some(Ok(factory)) => {
                let was_asked = self.asked.iter().any(|id| **id == *factory.id());
                if !was_asked && factory.contains(&self.wanted) {
                    self.candidates = vec![(factory, FactoryState::Healthy)].into_iter();
                }
            }
            Some(Err(error)) => self.failures.push(error),
            None => {}
        }
    }

    /// Why what was asked for was not made.
    fn why(&self) -> FailoverError {
        let name = Arc::clone(&self.wanted);
        if !self.failures.is_empty() {
            return FailoverError::AllFailed { name, failures: self.failures.as_slice().into() };
        }
        if self.failover.is_empty() {
            return FailoverError::NoFactory { name };
        }
        self.failover.unknown(name)
    }

    /// What a step has come to; `None` where the journey goes on.
    pub(super) fn told(
        &mut self,
        step: Step<C, X, O>,
        made: Result<Arc<C>, FactoryError>,
    ) -> Option<Result<Made<C>, FailoverError>> {
        match (made, &self.stage) {
            (Ok(made), Stage::Requested | Stage::Emergency) => Some(Ok(Made::Requested(made))),
            (Ok(made), Stage::Fallback { why, .. }) => {
                step.factory.count_fallback();
                let (name, wanted, why) = (step.name, Arc::clone(&self.wanted), why.clone());
                tracing::warn!(
                    target: "resilient",
                    factory = step.factory.id(),
                    wanted = %Harmless(&wanted),
                    made = &*name,
                    why = %Harmless(&why),
                    "'{name}' stands in for what was asked for",
                );
                Some(Ok(Made::Fallback { made, name, wanted, why }))
            }
            // What its options make of another name is not the caller's doing.
            (Err(_), Stage::Fallback { .. }) => None,
            (Err(error), _) if error.class() == Class::Caller => Some(Err(FailoverError::BadRequest(error))),
            (Err(error), _) => {
                let is_over = error.is_out_of_time();
                self.failures.push(error);
                is_over.then(|| Err(self.why()))
            }
        }
    }
}

impl<C, X, O> Step<C, X, O>
where
    C: ?Sized + Send + Sync + 'static,
    X: Send + Sync + 'static,
    O: Clone + Eq + Hash + Send + Sync + 'static,
{
    pub(super) async fn create(&self, options: &O) -> Result<Arc<C>, FactoryError> {
        let options = self.options.as_ref().unwrap_or(options);
        if self.recovers {
            self.factory.create_recovering(&self.name, options).await
        } else {
            self.factory.create(&self.name, options).await
        }
    }

    pub(super) fn create_blocking(&self, options: &O) -> Result<Arc<C>, FactoryError> {
        let options = self.options.as_ref().unwrap_or(options);
        if self.recovers {
            self.factory.create_recovering_blocking(&self.name, options)
        } else {
            self.factory.create_blocking(&self.name, options)
        }
    }
}
