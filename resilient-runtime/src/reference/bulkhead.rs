//! The bulkhead's rules: a list of callers in the order they came.

use std::time::Duration;

use crate::bulkhead::BulkheadConfig;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waits,
    /// It was given a slot and has not looked since.
    Granted,
    Inside,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) number: u64,
    pub(crate) standing: Standing,
    pub(crate) came: u64,
    /// Since it last looked.
    pub(crate) woken: bool,
}

/// Who else waits, and how long this one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) limit: u32,
    pub(crate) waiting: u32,
    pub(crate) waited: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Bulkhead {
    pub(crate) config: BulkheadConfig,
    pub(crate) callers: Vec<Caller>,
    next: u64,
    pub(crate) most: u32,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// Of those that were given a slot.
    pub(crate) waits: Vec<Duration>,
}

fn count(callers: usize) -> u32 {
    u32::try_from(callers).unwrap_or(u32::MAX)
}

impl Bulkhead {
    pub(crate) fn new(config: BulkheadConfig) -> Self {
        Self { config, callers: Vec::new(), next: 0, most: 0, accepted: 0, rejected: 0, waits: Vec::new() }
    }

    pub(crate) fn active(&self) -> u32 {
        count(self.callers.iter().filter(|it| it.standing != Standing::Waits).count())
    }

    pub(crate) fn waiting(&self) -> u32 {
        count(self.callers.iter().filter(|it| it.standing == Standing::Waits).count())
    }

    pub(crate) fn numbered(&self, number: u64) -> Caller {
        *self.callers.iter().find(|it| it.number == number).expect("it came and has not gone")
    }

    fn add(&mut self, standing: Standing, now: u64) -> u64 {
        self.next += 1;
        self.callers.push(Caller { number: self.next, standing, came: now, woken: false });
        if standing == Standing::Inside {
            self.accepted += 1;
            self.most = self.most.max(self.active());
        }
        self.next
    }

    fn refuse(&mut self, waited: Duration) -> Refused {
        self.rejected += 1;
        Refused { limit: self.config.max_concurrent, waiting: self.waiting(), waited }
    }

    fn is_free(&self) -> bool {
        self.waiting() == 0 && self.active() < self.config.max_concurrent
    }

    /// Enters now or not at all.
    pub(crate) fn try_enter(&mut self, now: u64) -> Result<u64, Refused> {
        if self.is_free() { Ok(self.add(Standing::Inside, now)) } else { Err(self.refuse(Duration::ZERO)) }
    }

    /// Enters, or waits.
    pub(crate) fn arrive(&mut self, now: u64) -> Result<u64, Refused> {
        if self.is_free() {
            return Ok(self.add(Standing::Inside, now));
        }
        let BulkheadConfig { max_concurrent, max_queue, max_wait } = self.config;
        let room = match (max_queue, max_wait) {
            (Some(calls), _) => self.waiting() < calls,
            (None, wait) => wait.is_some(),
        };
        if room && max_concurrent > 0 && max_wait != Some(Duration::ZERO) {
            return Ok(self.add(Standing::Waits, now));
        }
        Err(self.refuse(Duration::ZERO))
    }

    /// A caller looks where it stands. One that waits for what is closed hears so, and is gone.
    pub(crate) fn look(&mut self, number: u64, now: u64) -> Result<Standing, Refused> {
        if self.numbered(number).standing == Standing::Waits && self.config.max_concurrent == 0 {
            return self.give_up(number, now);
        }
        let caller = self.callers.iter_mut().find(|it| it.number == number).expect("it is there");
        caller.woken = false;
        if caller.standing == Standing::Granted {
            caller.standing = Standing::Inside;
        }
        Ok(caller.standing)
    }

    /// A caller's time is over: it is refused, unless it was given a slot meanwhile.
    pub(crate) fn give_up(&mut self, number: u64, now: u64) -> Result<Standing, Refused> {
        let caller = self.callers.iter_mut().find(|it| it.number == number).expect("it is there");
        if caller.standing != Standing::Waits {
            caller.standing = Standing::Inside;
            return Ok(Standing::Inside);
        }
        let waited = Duration::from_nanos(now - caller.came);
        self.callers.retain(|it| it.number != number);
        Err(self.refuse(waited))
    }

    /// A caller goes, wherever it stands.
    pub(crate) fn go(&mut self, number: u64, now: u64) {
        self.callers.retain(|it| it.number != number);
        self.serve(now);
    }

    pub(crate) fn reconfigure(&mut self, config: BulkheadConfig, now: u64) {
        self.config = config;
        if self.config.max_concurrent == 0 {
            let waiting = self.callers.iter_mut().filter(|it| it.standing == Standing::Waits);
            waiting.for_each(|it| it.woken = true);
        }
        self.serve(now);
    }

    pub(crate) fn reset(&mut self) {
        (self.accepted, self.rejected, self.most) = (0, 0, self.active());
        self.waits.clear();
    }

    /// Who came first is served first.
    fn serve(&mut self, now: u64) {
        while self.active() < self.config.max_concurrent {
            let waiting = self.callers.iter_mut().find(|it| it.standing == Standing::Waits);
            let Some(first) = waiting else { return };
            (first.standing, first.woken) = (Standing::Granted, true);
            self.waits.push(Duration::from_nanos(now - first.came));
            self.accepted += 1;
            self.most = self.most.max(self.active());
        }
    }
}
