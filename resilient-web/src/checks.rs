//! Health checks, asked once for all who want to know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use resilient_runtime::__private::Here;
use resilient_runtime::{CheckReport, check_health};
use tokio::sync::watch;

use crate::scrub::scrubbed;

/// How long an answer is given again.
const KEPT: Duration = Duration::from_secs(1);

pub(crate) type Reports = Arc<BTreeMap<String, CheckReport>>;

/// One run at a time, however many ask, and one a second, however often.
#[derive(Debug)]
pub(crate) struct Checks {
    here: Here,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<(Duration, Reports)>,
    running: Option<watch::Receiver<Option<Reports>>>,
}

impl Checks {
    pub(crate) fn new(here: Here) -> Self {
        Self { here, state: Arc::default() }
    }

    /// What the checks found at most a second ago.
    pub(crate) async fn reports(&self) -> Reports {
        let mut running = match self.known() {
            Ok(reports) => return reports,
            Err(running) => running,
        };
        match running.wait_for(Option::is_some).await {
            Ok(reports) => reports.clone().unwrap_or_default(),
            // The runtime is shutting down.
            Err(_) => Reports::default(),
        }
    }

    fn known(&self) -> Result<Reports, watch::Receiver<Option<Reports>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.here.now();
        if let Some((at, reports)) = &state.last
            && now.saturating_sub(*at) < KEPT
        {
            return Ok(Arc::clone(reports));
        }
        if let Some(running) = &state.running
            && running.has_changed().is_ok()
        {
            return Err(running.clone());
        }
        let (tell, running) = watch::channel(None);
        state.running = Some(running.clone());
        drop(state);
        let (here, state) = (self.here.clone(), Arc::clone(&self.state));
        // A task of its own: whoever asked first may leave, and the others still wait for its end.
        tokio::spawn(async move {
            let reports: Reports = Arc::new(here.run(check_health()).await.into_iter().map(shown).collect());
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.last, state.running) = (Some((here.now(), Arc::clone(&reports))), None);
            drop(state);
            tell.send_replace(Some(reports));
        });
        Err(running)
    }
}

fn shown((name, mut report): (String, CheckReport)) -> (String, CheckReport) {
    report.message = report.message.map(|message| scrubbed(&message));
    report.details.values_mut().for_each(|detail| *detail = scrubbed(detail));
    (name, report)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use resilient_runtime::register_health_check;
    use resilient_runtime::testing::Scope;
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_wait_for_one_run_whose_result_is_kept_a_second() {
        let scope = Scope::new();
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let checks = scope
            .run(async {
                register_health_check("slow", move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    async {
                        sleep(Duration::from_millis(100)).await;
                        CheckReport::unhealthy("cannot reach redis://:hunter2@cache/0")
                    }
                })
                .keep();
                Arc::new(Checks::new(Here::current()))
            })
            .await;
        // The first one leaves before the end.
        let impatient = tokio::time::timeout(Duration::from_millis(10), checks.reports()).await;
        assert!(impatient.is_err());
        let asking = (0..50).map(|_| {
            tokio::spawn({
                let checks = Arc::clone(&checks);
                async move { checks.reports().await }
            })
        });
        for asked in asking.collect::<Vec<_>>() {
            let reports = asked.await.unwrap();
            assert_eq!(reports["slow"].message.as_deref(), Some("cannot reach redis://cache/0"));
        }
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        advance(Duration::from_millis(900)).await;
        checks.reports().await;
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        advance(Duration::from_millis(200)).await;
        checks.reports().await;
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }
}
