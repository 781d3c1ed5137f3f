//! Who asks, whether they may, and how much.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{ConnectInfo, FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota};
use serde::Deserialize;

use crate::error::ApiError;
use crate::keys::{Key, Keys, sha256};

/// The ways in which the header `Authorization` has a key: that of DeepL's clients, and the usual one.
const SCHEMES: [&str; 2] = ["DeepL-Auth-Key", "Bearer"];

/// Who may ask, and how much.
#[derive(Debug)]
pub(crate) struct Access {
    /// The accounts by the SHA-256 of their keys; `None` if nobody needs a key.
    accounts: Option<HashMap<String, Arc<Account>>>,
    /// The account of all who ask without a key, if nobody needs one.
    anybody: Arc<Account>,
    /// How fast each address may ask without a valid key.
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
    limits: TextLimits,
}

/// How much text a request may have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TextLimits {
    /// The most characters of all texts together.
    pub(crate) characters: Option<usize>,
    /// The most texts.
    pub(crate) texts: Option<usize>,
}

/// What is counted of the requests with one key.
#[derive(Debug)]
struct Account {
    name: String,
    /// The characters that were translated.
    used: AtomicU64,
    /// The most characters that are translated.
    limit: Option<u64>,
    /// How fast requests may come.
    pace: Option<DefaultDirectRateLimiter>,
}

/// Who sent a request, before the key is known that its body may have.
#[derive(Debug)]
pub(crate) struct Visitor {
    access: Arc<Access>,
    address: IpAddr,
    /// The key of the header or the query.
    key: Option<String>,
}

/// Who sent a request, and may ask.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    account: Arc<Account>,
    limits: TextLimits,
}

/// The parameter by which LibreTranslate's clients show a key.
#[derive(Deserialize)]
struct KeyParameter {
    api_key: Option<String>,
}

impl Access {
    /// Lets in everybody, or with `keys` those who have one of them. Without a limit of their own, keys and addresses
    /// have `requests_per_minute`.
    pub(crate) fn new(
        keys: Option<&Keys>,
        requests_per_minute: Option<NonZeroU32>,
        limits: TextLimits,
    ) -> Self {
        let accounts = keys.map(|Keys(keys)| {
            let accounts = keys.iter().map(|key| {
                (
                    key.sha256.clone(),
                    Arc::new(Account::new(key, requests_per_minute)),
                )
            });
            accounts.collect()
        });
        Self {
            accounts,
            anybody: Arc::new(Account {
                name: String::new(),
                used: AtomicU64::new(0),
                limit: None,
                pace: None,
            }),
            addresses: requests_per_minute
                .map(|requests| DefaultKeyedRateLimiter::keyed(Quota::per_minute(requests))),
            limits,
        }
    }

    /// Returns whether everybody who asks needs a key.
    pub(crate) fn needs_keys(&self) -> bool {
        self.accounts.is_some()
    }

    /// Returns how much text a request may have.
    pub(crate) fn limits(&self) -> TextLimits {
        self.limits
    }

    /// Forgets the addresses that have not asked for a while.
    pub(crate) fn forget_addresses(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
            addresses.shrink_to_fit();
        }
    }

    /// Counts a request. Returns the account that a key has, or that of anybody if nobody needs a key.
    fn admit(&self, address: IpAddr, key: Option<&str>) -> Result<&Arc<Account>, ApiError> {
        let account = match &self.accounts {
            None => Some(&self.anybody),
            Some(accounts) => key.and_then(|key| accounts.get(&sha256(key))),
        };
        let paced = match account.and_then(|account| account.pace.as_ref()) {
            Some(pace) => pace.check(),
            None if self.needs_keys() && account.is_some() => Ok(()),
            // Whoever has no key, or guesses one, is known by the address.
            None => match &self.addresses {
                Some(addresses) => addresses.check_key(&network(address)),
                None => Ok(()),
            },
        };
        paced.map_err(|until: NotUntil<_>| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ApiError::too_fast(until.quota().burst_size(), wait)
        })?;
        account.ok_or_else(|| {
            let reason = match key {
                None => "this server needs a key; send it as api_key, or as the header Authorization",
                Some(_) => "the key is not known to this server",
            };
            ApiError::new(StatusCode::FORBIDDEN, reason)
        })
    }
}

impl Account {
    fn new(key: &Key, requests_per_minute: Option<NonZeroU32>) -> Self {
        let requests = key.requests_per_minute.or(requests_per_minute);
        Self {
            name: key.name.clone(),
            used: AtomicU64::new(0),
            limit: key.characters,
            pace: requests.map(|requests| DefaultDirectRateLimiter::direct(Quota::per_minute(requests))),
        }
    }
}

impl Visitor {
    /// Returns who asks, given the key in the body of the request, and counts the request.
    ///
    /// # Errors
    ///
    /// If a key is needed and there is none, or an unknown one, and if requests of this key, or without keys of this
    /// address, come too fast.
    pub(crate) fn with_key(self, of_body: Option<&str>) -> Result<Caller, ApiError> {
        // A client without a key may send an empty one.
        let key = self.key.as_deref().or(of_body).filter(|key| !key.is_empty());
        let account = Arc::clone(self.access.admit(self.address, key)?);
        Ok(Caller {
            account,
            limits: self.access.limits,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let access = parts.extensions.get::<Arc<Access>>();
        let ConnectInfo(address) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .expect("the server adds it to each request");
        let of_query = || Query::<KeyParameter>::try_from_uri(&parts.uri).ok()?.0.api_key;
        Ok(Self {
            access: Arc::clone(access.expect("the server adds it to each request")),
            address: address.ip(),
            key: key_of_header(parts).map(str::to_owned).or_else(of_query),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(visitor) = Visitor::from_request_parts(parts, state).await;
        visitor.with_key(None)
    }
}

impl Caller {
    /// Returns the name of the key; nothing if nobody needs a key.
    pub(crate) fn name(&self) -> &str {
        &self.account.name
    }

    /// Returns the characters that were translated with the key, or without keys for anybody.
    pub(crate) fn used(&self) -> u64 {
        self.account.used.load(Ordering::Relaxed)
    }

    /// Returns the most characters that are translated with the key.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.account.limit
    }

    /// Spends the characters of texts that are to be translated.
    ///
    /// # Errors
    ///
    /// If the texts are more or longer than those of one request may be, or if the key does not have their characters
    /// left.
    pub(crate) fn spend_texts<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<(), ApiError> {
        let (mut count, mut characters) = (0, 0);
        for text in texts {
            count += 1;
            characters += text.chars().count();
        }
        let TextLimits {
            characters: most,
            texts,
        } = self.limits;
        if let Some(most) = texts.filter(|&most| count > most) {
            let message = format!("the request has {count} texts, but it may have {most}");
            return Err(ApiError::bad_request(message));
        }
        if let Some(most) = most.filter(|&most| characters > most) {
            let message = format!("the request has {characters} characters, but it may have {most}");
            return Err(ApiError::bad_request(message));
        }
        self.spend(characters)
    }

    /// Spends characters that are to be translated.
    ///
    /// # Errors
    ///
    /// If the key does not have so many left.
    pub(crate) fn spend(&self, characters: usize) -> Result<(), ApiError> {
        let limit = self.limit().unwrap_or(u64::MAX);
        let spent = |used: u64| {
            let used = used.saturating_add(characters as u64);
            (used <= limit).then_some(used)
        };
        let updated = self
            .account
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent);
        updated.map(|_| ()).map_err(|used| {
            let left = limit - used;
            ApiError::quota_exceeded(format!(
                "the text has {characters} characters, but the key {:?} has {left} of {limit} left",
                self.name()
            ))
        })
    }
}

/// Returns the key that a request has in its header.
fn key_of_header(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.trim().split_once(' ')?;
    let is_known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    is_known.then(|| key.trim())
}

/// Returns what stands for an address: of IPv6 the network, since one client has all addresses of a network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}
