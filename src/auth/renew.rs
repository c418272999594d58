//! Tokens that end: issued when they are needed, and renewed before they do.
//!
//! Each user has one token at a time, for each login; one task issues it and the others wait, or
//! go on with what is still valid. So many may be issued at once, and each is renewed at a moment of
//! its own, so that the issuer never sees all users at once. A failure is kept for a while, so
//! that an issuer that is down is not asked again by everybody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{AuthError, Credential, Issuer, Secret};

/// Tokens that are issued at once.
const ISSUES_AT_ONCE: usize = 8;
/// The share of its lifetime after which a token is renewed, at the earliest.
const RENEW_FROM: f64 = 0.6;
/// And how much of the lifetime the moments of renewal are spread over.
const RENEW_SPREAD: f64 = 0.3;
/// After a failure the issuer is not asked again for the same user for so long, at least.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// And the pauses are spread over as much again.
const RETRY_SPREAD: Duration = Duration::from_secs(2);

/// What became of the tokens that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenCounts {
    /// First tokens of users.
    pub issued: u64,
    /// Tokens in the place of earlier ones.
    pub renewed: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// Tokens of all users.
#[derive(Debug)]
pub struct Renewing {
    issuer: Issuer,
    seed: u64,
    slots: Mutex<HashMap<(String, u8), Arc<Slot>>>,
    places: Semaphore,
    issued: AtomicU64,
    renewed: AtomicU64,
    failed: AtomicU64,
}

/// One user's token for one login.
#[derive(Debug, Default)]
struct Slot {
    held: Mutex<Held>,
    /// Held by whoever issues.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Issued>,
    tried: u64,
    /// Not to be asked for again before this, and why.
    failure: Option<(Instant, AuthError)>,
}

#[derive(Debug, Clone)]
struct Issued {
    secret: Secret,
    renew_at: Instant,
    ends_at: Instant,
}

impl Issued {
    fn credential(&self) -> Credential {
        Credential {
            secret: self.secret.clone(),
            fresh_until: Some(self.renew_at),
        }
    }
}

impl Renewing {
    /// Tokens of an issuer; equal seeds spread the renewals equally.
    pub fn new(issuer: Issuer, seed: u64) -> Self {
        Self {
            issuer,
            seed,
            slots: Mutex::default(),
            places: Semaphore::new(ISSUES_AT_ONCE),
            issued: AtomicU64::new(0),
            renewed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Who issues.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What became of the tokens so far.
    pub fn counts(&self) -> TokenCounts {
        TokenCounts {
            issued: self.issued.load(Ordering::Relaxed),
            renewed: self.renewed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// A token that is valid now.
    ///
    /// # Errors
    /// None is valid, and none can be had.
    pub async fn token(&self, user_name: &str, login: u8) -> Result<Credential, AuthError> {
        self.token_at(user_name, login, Instant::now()).await
    }

    /// A token that is valid at a time.
    pub(super) async fn token_at(
        &self,
        user_name: &str,
        login: u8,
        now: Instant,
    ) -> Result<Credential, AuthError> {
        let slot = self.slot(user_name, login);
        match slot.state(now) {
            State::Fresh(token) => return Ok(token.credential()),
            // One renews, the others go on with what they have.
            State::Ending(token) => {
                let Ok(_turn) = slot.turn.try_lock() else {
                    return Ok(token.credential());
                };
                // Somebody else may have done so since.
                if let State::Fresh(renewed) = slot.state(now) {
                    return Ok(renewed.credential());
                }
                return match self.issue(&slot, user_name, login, now).await {
                    Ok(renewed) => Ok(renewed.credential()),
                    Err(_) => Ok(token.credential()),
                };
            }
            State::Failed(error) => return Err(error),
            State::None => {}
        }
        let _turn = slot.turn.lock().await;
        match slot.state(now) {
            State::Fresh(token) | State::Ending(token) => Ok(token.credential()),
            State::Failed(error) => Err(error),
            State::None => self
                .issue(&slot, user_name, login, now)
                .await
                .map(|token| token.credential()),
        }
    }

    fn slot(&self, user_name: &str, login: u8) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        Arc::clone(slots.entry((user_name.to_owned(), login)).or_default())
    }

    /// Issues a token; whoever calls has the slot's turn.
    async fn issue(
        &self,
        slot: &Slot,
        user_name: &str,
        login: u8,
        asked: Instant,
    ) -> Result<Issued, AuthError> {
        // It is never closed.
        let _place = self.places.acquire().await;
        let number = {
            let mut held = lock(&slot.held);
            held.tried += 1;
            held.tried
        };
        let spread = spread(self.seed, user_name, login, number);
        let issued = self.issuer.issue(user_name, login, number).await;
        let mut held = lock(&slot.held);
        match issued {
            Ok((secret, lifetime)) => {
                let counted = match held.token {
                    None => &self.issued,
                    Some(_) => &self.renewed,
                };
                counted.fetch_add(1, Ordering::Relaxed);
                let token = Issued {
                    secret,
                    renew_at: asked + lifetime.mul_f64(RENEW_FROM + RENEW_SPREAD * spread),
                    ends_at: asked + lifetime,
                };
                held.failure = None;
                held.token = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let again = asked + RETRY_PAUSE + RETRY_SPREAD.mul_f64(spread);
                held.failure = Some((again, error.clone()));
                Err(error)
            }
        }
    }
}

enum State {
    /// Valid, and not yet to be renewed; also one whose renewal has just failed.
    Fresh(Issued),
    /// Valid, and to be renewed.
    Ending(Issued),
    /// None is valid, and the last attempt failed a moment ago.
    Failed(AuthError),
    None,
}

impl Slot {
    fn state(&self, now: Instant) -> State {
        let held = lock(&self.held);
        let failure = held.failure.as_ref().filter(|(again, _)| now < *again);
        let valid = held.token.as_ref().filter(|token| now < token.ends_at);
        match (valid, failure) {
            (Some(token), None) if now >= token.renew_at => State::Ending(token.clone()),
            (Some(token), Some((again, _))) if now >= token.renew_at => {
                let mut token = token.clone();
                token.renew_at = token.ends_at.min(*again);
                State::Fresh(token)
            }
            (Some(token), _) => State::Fresh(token.clone()),
            (None, Some((_, error))) => State::Failed(error.clone()),
            (None, None) => State::None,
        }
    }
}

/// A panic elsewhere leaves nothing half done in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From 0 to 1, equally often everywhere, and the same for equal seeds.
fn spread(seed: u64, user_name: &str, login: u8, number: u64) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(&[login]);
    hasher.update(user_name.as_bytes());
    let mut bytes = [0; 4];
    hasher.finalize_xof().fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
