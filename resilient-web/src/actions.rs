//! What a person may do to a breaker from outside, with a token.

use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use resilient_runtime::__private::text;
use resilient_runtime::{CircuitBreaker, State as BreakerState, breaker, keyed_breakers};
use serde_json::json;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::answer::{self, Trouble};
use crate::router::Shared;

const SHORTEST: usize = 16;
const LONGEST: usize = 256;

/// The variable, without its prefix.
const VARIABLE: &str = "RESILIENCE_TOKEN";

/// How many wrong tokens one address may send in [`SPAN`].
const MOST_FAILURES: u32 = 10;
const SPAN: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 1024;

/// A token that is none: it must have 16 to 256 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the token for manual actions must have {SHORTEST} to {LONGEST} visible ASCII characters")]
#[non_exhaustive]
pub struct InvalidToken;

/// Of a token its digest is kept, so that every comparison is one of 32 bytes.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn new(text: &str) -> Result<Self, InvalidToken> {
        let fits = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(Sha256::digest(text).into())) } else { Err(InvalidToken) }
    }

    /// Takes the same time wherever the two differ.
    fn is(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        let differences = self.0.iter().zip(&given).fold(0, |found, (a, b)| black_box(found | (a ^ b)));
        black_box(differences) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Who may act, and who failed to show that lately.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Given in code; else the variable's, read at each action so that it can be changed by a reload.
    pub(crate) given: Option<Token>,
    failures: Mutex<HashMap<Option<IpAddr>, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Duration,
    count: u32,
}

impl Gate {
    pub(crate) fn new(given: Option<Token>) -> Self {
        Self { given, failures: Mutex::default() }
    }

    /// The token there is, if any and usable.
    pub(crate) fn token(&self) -> Result<Option<Token>, InvalidToken> {
        match (&self.given, text(VARIABLE)) {
            (Some(token), _) => Ok(Some(token.clone())),
            (None, Some(said)) => Token::new(&said.value).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Whether there is a token at all.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.token(), Ok(Some(_)))
    }

    /// What whoever may not act is told.
    fn refuse(&self, from: Option<IpAddr>, headers: &HeaderMap, now: Duration) -> Option<Response> {
        const OFF: &str = "Manual actions are off";
        let off =
            |why: &str| Trouble::new(StatusCode::FORBIDDEN, "actions_off", OFF).detail(why).into_response();
        let token = match self.token() {
            Ok(Some(token)) => token,
            Ok(None) => return Some(off("no token is configured, by code or by RESILIENCE_TOKEN")),
            Err(invalid) => return Some(off(&invalid.to_string())),
        };
        let from = from.map(network_of);
        if let Some(wait) = self.wait(from, now) {
            let title = "Too many wrong tokens came from this address";
            let trouble = Trouble::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", title);
            return Some(trouble.retry_after(Some(wait)).into_response());
        }
        let Some(given) = bearer(headers) else {
            return Some(unauthorized("Bearer", "Manual actions need the token", "token_missing"));
        };
        if token.is(given) {
            return None;
        }
        self.failed(from, now);
        Some(unauthorized(r#"Bearer error="invalid_token""#, "This is not the token", "token_wrong"))
    }

    /// How long this address has to wait before another token of it is looked at.
    fn wait(&self, from: Option<IpAddr>, now: Duration) -> Option<Duration> {
        let failures = *self.failures.lock().unwrap_or_else(PoisonError::into_inner).get(&from)?;
        let left = (failures.since + SPAN).checked_sub(now).filter(|left| !left.is_zero())?;
        (failures.count >= MOST_FAILURES).then_some(left)
    }

    fn failed(&self, from: Option<IpAddr>, now: Duration) {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_ADDRESSES && !all.contains_key(&from) {
            all.retain(|_, failures| failures.since + SPAN > now);
            if all.len() >= MOST_ADDRESSES {
                // As many addresses as this are one attack.
                all.clear();
            }
        }
        let failures = all.entry(from).or_insert(Failures { since: now, count: 0 });
        if failures.since + SPAN <= now {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count += 1;
    }
}

/// Whoever has one address of version 6 has 2^64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| token.len() <= LONGEST)
}

fn unauthorized(challenge: &'static str, title: &str, kind: &str) -> Response {
    let mut response = Trouble::new(StatusCode::UNAUTHORIZED, kind, title).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Reset,
    ForceOpen,
    ForceClose,
    Disable,
    Auto,
}

impl Action {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "reset" => Self::Reset,
            "force-open" => Self::ForceOpen,
            "force-close" => Self::ForceClose,
            "disable" => Self::Disable,
            "auto" => Self::Auto,
            _ => return None,
        })
    }

    fn apply(self, breaker: &CircuitBreaker) {
        match self {
            Self::Reset => breaker.reset(),
            Self::ForceOpen => breaker.force_open(),
            Self::ForceClose => breaker.force_close(),
            Self::Disable => breaker.disable(),
            Self::Auto => match breaker.state() {
                BreakerState::ForcedOpen | BreakerState::Disabled | BreakerState::MetricsOnly => {
                    breaker.close();
                }
                BreakerState::Closed | BreakerState::Open | BreakerState::HalfOpen => {}
            },
        }
    }
}

/// `POST /resilience/breakers/{name}/{action}`.
pub(crate) async fn act(
    State(shared): State<Shared>,
    Path((name, action)): Path<(String, String)>,
    request: Request,
) -> Response {
    let from = request.extensions().get().map(|ConnectInfo(address): &ConnectInfo<SocketAddr>| address.ip());
    let here = &shared.heard().here;
    here.within(|| {
        // Before anything is said of what there is.
        let refused = shared.gate.refuse(from, request.headers(), here.now());
        refused.unwrap_or_else(|| perform(&name, &action))
    })
}

fn perform(name: &str, action: &str) -> Response {
    let Some(known) = Action::of(action) else {
        let trouble = Trouble::new(StatusCode::NOT_FOUND, "unknown_action", "There is no such action");
        return trouble.detail("reset, force-open, force-close, disable, auto").into_response();
    };
    if let Ok(breaker) = breaker(name) {
        known.apply(&breaker);
        tracing::warn!(target: "resilient", breaker = breaker.name(), action, "a manual action through the web");
        return answer::json(StatusCode::OK, &breaker.snapshot());
    }
    let Ok(keyed) = keyed_breakers(name) else {
        let trouble = Trouble::new(StatusCode::NOT_FOUND, "unknown_breaker", "There is no such breaker");
        return trouble.into_response();
    };
    // The keys to come would not follow any other action.
    if !matches!(known, Action::Reset | Action::Auto) {
        let title = "This breaker is kept by key, and can only be reset";
        return Trouble::new(StatusCode::CONFLICT, "kept_by_key", title).into_response();
    }
    for (_, breaker) in &keyed {
        known.apply(breaker);
    }
    tracing::warn!(target: "resilient", breaker = name, action, "a manual action through the web");
    answer::json(StatusCode::OK, &json!({ "name": name, "keys": keyed.len() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct-horse-battery";

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    fn status(refused: Option<Response>) -> u16 {
        refused.map_or(200, |refused| refused.status().as_u16())
    }

    #[test]
    fn a_token_has_its_length_and_is_never_printed() {
        for wrong in [
            "",
            "short",
            "fifteen-letters",
            "with blanks in the middle",
            "sechzehn-zeichen-ü",
            &"x".repeat(257),
        ] {
            assert_eq!(Token::new(wrong).unwrap_err(), InvalidToken);
        }
        let token = Token::new(TOKEN).unwrap();
        assert_eq!(format!("{token:?}"), "Token");
        assert!(token.is(TOKEN));
        for other in ["", "correct-horse-batterx", "correct-horse-battery1", "Correct-horse-battery"] {
            assert!(!token.is(other));
        }
    }

    #[test]
    fn wrong_tokens_of_one_address_are_looked_at_no_more_until_a_minute_is_over() {
        let gate = Gate::new(Some(Token::new(TOKEN).unwrap()));
        let (attacker, operator) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
        let pass = |from, value: &str, second| {
            status(gate.refuse(from, &headers(value), Duration::from_secs(second)))
        };
        for _ in 0..MOST_FAILURES {
            assert_eq!(pass(attacker, "Bearer wrong", 5), 401);
        }
        let right = format!("Bearer {TOKEN}");
        assert_eq!(pass(attacker, "Bearer wrong", 5), 429);
        assert_eq!(pass(attacker, &right, 64), 429, "the right one is not looked at either");
        assert_eq!(pass(operator, &right, 64), 200, "another address is another's");
        assert_eq!(pass(attacker, &right, 65), 200);
        assert_eq!(pass(attacker, "Bearer wrong", 65), 401);
    }

    #[test]
    fn nobody_has_more_tries_by_having_more_addresses_of_one_network() {
        let gate = Gate::new(Some(Token::new(TOKEN).unwrap()));
        for n in 0..MOST_FAILURES {
            let address: IpAddr = format!("2001:db8::{n:x}").parse().unwrap();
            assert_eq!(status(gate.refuse(Some(address), &headers("Bearer wrong"), SPAN)), 401);
        }
        let another: IpAddr = "2001:db8::ffff".parse().unwrap();
        assert_eq!(status(gate.refuse(Some(another), &headers("Bearer wrong"), SPAN)), 429);
        let elsewhere: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        assert_eq!(status(gate.refuse(Some(elsewhere), &headers("Bearer wrong"), SPAN)), 401);
    }

    #[test]
    fn many_addresses_that_fail_set_nobody_free_whose_minute_is_not_over() {
        let gate = Gate::new(Some(Token::new(TOKEN).unwrap()));
        let wrong = |from: u32, second| {
            let from = Some(IpAddr::V4(from.into()));
            status(gate.refuse(from, &headers("Bearer wrong"), Duration::from_secs(second)))
        };
        let attacker = 1 << 24;
        for n in 1..u32::try_from(MOST_ADDRESSES).unwrap() {
            assert_eq!(wrong(n, 0), 401);
        }
        for _ in 0..MOST_FAILURES {
            assert_eq!(wrong(attacker, 30), 401);
        }
        assert_eq!(wrong(attacker, 31), 429, "there is no room for another, and it is known");
        assert_eq!(wrong(attacker + 1, 60), 401, "the minute of all others is over");
        assert_eq!(wrong(attacker, 60), 429);
    }

    #[test]
    fn however_many_addresses_fail_only_so_many_are_remembered() {
        let gate = Gate::new(Some(Token::new(TOKEN).unwrap()));
        for n in 0..3 * u32::try_from(MOST_ADDRESSES).unwrap() {
            let address = Some(IpAddr::V4(n.into()));
            assert_eq!(status(gate.refuse(address, &headers("Bearer wrong"), SPAN)), 401);
        }
        assert!(gate.failures.lock().unwrap().len() <= MOST_ADDRESSES);
    }

    #[test]
    fn a_header_that_is_no_bearer_token_is_asked_for_one() {
        let gate = Gate::new(Some(Token::new(TOKEN).unwrap()));
        for value in ["", "Basic dXNlcjpwYXNz", TOKEN, "Bearer", &format!("Bearer {}", "x".repeat(300))] {
            let refused = gate.refuse(None, &headers(value), SPAN).unwrap();
            assert_eq!(refused.status(), 401, "{value}");
            assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer");
        }
        assert_eq!(status(gate.refuse(None, &headers(&format!("bearer  {TOKEN}")), SPAN)), 200);
    }
}
