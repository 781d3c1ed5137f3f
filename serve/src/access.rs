//! Who asks, whether they may, and how much.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};

use axum::extract::{ConnectInfo, FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota};
use serde::Deserialize;
use tracing::{info, warn};

use crate::connections::Peer;
use crate::error::ApiError;
use crate::keys::{Key, Keys, sha256};

/// The ways in which the header `Authorization` has a key: that of DeepL's clients, and the usual one.
const SCHEMES: [&str; 2] = ["DeepL-Auth-Key", "Bearer"];

/// Who may ask, and how much.
#[derive(Debug)]
pub(crate) struct Access {
    /// Those who have keys; `None` if nobody needs a key.
    accounts: Option<RwLock<Accounts>>,
    /// The account of all who ask without a key, if nobody needs one.
    anybody: Arc<Account>,
    /// How fast each key may ask that has no limit of its own.
    requests_per_minute: Option<NonZeroU32>,
    /// How fast each address may ask without a valid key.
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
    limits: TextLimits,
}

/// The accounts of a file of keys.
#[derive(Debug)]
struct Accounts {
    keys: Keys,
    /// The accounts by the SHA-256 of their keys.
    by_sum: HashMap<String, Arc<Account>>,
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
#[derive(Debug, Default)]
struct Account {
    name: String,
    /// The characters that were translated, also for an older account of this name.
    used: Arc<AtomicU64>,
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
        keys: Option<Keys>,
        requests_per_minute: Option<NonZeroU32>,
        limits: TextLimits,
    ) -> Self {
        Self {
            accounts: keys.map(|keys| RwLock::new(Accounts::new(keys, requests_per_minute, &HashMap::new()))),
            anybody: Arc::default(),
            requests_per_minute,
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

    /// Reads the keys anew if their file has changed. A file that is not valid is reported, and the old keys stay.
    pub(crate) fn follow_keys(&self) {
        let Some(accounts) = &self.accounts else { return };
        let old = read(accounts).keys.clone();
        match old.read_anew() {
            Ok(keys) if keys != old => {
                let mut accounts = accounts
                    .write()
                    .expect("no thread panics while it holds the accounts");
                *accounts = Accounts::new(keys, self.requests_per_minute, &accounts.by_sum);
                info!("read the keys anew");
            }
            Ok(_) => {}
            Err(error) => warn!("the keys stay as they were: {error}"),
        }
    }

    /// Forgets the addresses that have not asked for a while.
    pub(crate) fn forget_addresses(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
            addresses.shrink_to_fit();
        }
    }

    /// Counts a request. Returns the account that a key has, or that of anybody if nobody needs a key.
    fn admit(&self, address: IpAddr, key: Option<&str>) -> Result<Arc<Account>, ApiError> {
        let of_key = self.accounts.as_ref().and_then(|accounts| {
            let sum = sha256(key?);
            read(accounts).by_sum.get(&sum).cloned()
        });
        let checked = match &of_key {
            Some(account) => account.pace.as_ref().map(DefaultDirectRateLimiter::check),
            // Whoever has no key, or guesses one, is known by the address.
            None => {
                let addresses = self.addresses.as_ref();
                addresses.map(|addresses| addresses.check_key(&network(address)))
            }
        };
        checked.transpose().map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ApiError::too_fast(until.quota().burst_size(), wait)
        })?;
        let anybody = || (!self.needs_keys()).then(|| Arc::clone(&self.anybody));
        of_key.or_else(anybody).ok_or_else(|| {
            let reason = match key {
                None => "this server needs a key; send it as api_key, or in the header Authorization",
                Some(_) => "this server does not know the key",
            };
            ApiError::new(StatusCode::FORBIDDEN, reason)
        })
    }
}

impl Accounts {
    /// Makes accounts of keys. What `old` accounts of the same names have used stays used.
    fn new(keys: Keys, requests_per_minute: Option<NonZeroU32>, old: &HashMap<String, Arc<Account>>) -> Self {
        let account = |key: &Key| {
            let requests = key.requests_per_minute.or(requests_per_minute);
            let old = old.values().find(|old| old.name == key.name);
            let account = Account {
                name: key.name.clone(),
                used: old.map(|old| Arc::clone(&old.used)).unwrap_or_default(),
                limit: key.characters,
                pace: requests.map(|requests| DefaultDirectRateLimiter::direct(Quota::per_minute(requests))),
            };
            (key.sha256.clone(), Arc::new(account))
        };
        Self {
            by_sum: keys.as_slice().iter().map(account).collect(),
            keys,
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
        let keys = [self.key.as_deref(), of_body].into_iter().flatten();
        let key = keys.into_iter().find(|key| !key.is_empty());
        Ok(Caller {
            account: self.access.admit(self.address, key)?,
            limits: self.access.limits,
        })
    }

    /// Lets visitors see the figures of the server who are on its machine, or have a key.
    ///
    /// # Errors
    ///
    /// If the visitor may not see them.
    pub(crate) fn may_see_metrics(self) -> Result<(), ApiError> {
        if self.address.is_loopback() {
            return Ok(());
        }
        if !self.access.needs_keys() {
            let reason = "without keys, the figures of this server are for its own machine";
            return Err(ApiError::new(StatusCode::FORBIDDEN, reason));
        }
        self.with_key(None).map(|_| ())
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let access = parts.extensions.get::<Arc<Access>>();
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<Peer>>()
            .expect("the server adds it to each request");
        let of_query = || Query::<KeyParameter>::try_from_uri(&parts.uri).ok()?.0.api_key;
        Ok(Self {
            access: Arc::clone(access.expect("the server adds it to each request")),
            address: peer.address(),
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

    /// Returns the number of characters of a request's texts.
    ///
    /// # Errors
    ///
    /// If the texts are more or longer than those of one request may be.
    pub(crate) fn check<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<usize, ApiError> {
        let (mut count, mut characters) = (0, 0);
        for text in texts {
            count += 1;
            characters += text.chars().count();
        }
        let too_much = |found: usize, most: Option<usize>, what: &str| match most {
            Some(most) if found > most => {
                let message = format!("the request has {found} {what}, but it may have {most}");
                Err(ApiError::bad_request(message))
            }
            _ => Ok(()),
        };
        too_much(count, self.limits.texts, "texts")?;
        too_much(characters, self.limits.characters, "characters")?;
        Ok(characters)
    }

    /// Spends characters for a translation, and gives them back if it fails. A client that goes away has spent them.
    ///
    /// # Errors
    ///
    /// The error of [`spend`](Self::spend), and that of the translation.
    pub(crate) async fn spend_for<T>(
        &self,
        characters: usize,
        translation: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        self.spend(characters)?;
        translation.await.inspect_err(|_| self.give_back(characters))
    }

    /// Gives back characters that were spent and not translated.
    pub(crate) fn give_back(&self, characters: usize) {
        self.account.used.fetch_sub(characters as u64, Ordering::Relaxed);
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
        updated.map(|_| ()).map_err(|_| {
            let left = limit.saturating_sub(self.used());
            ApiError::quota_exceeded(format!(
                "the text has {characters} characters, but the key {:?} has {left} of {limit} left",
                self.name()
            ))
        })
    }
}

fn read(accounts: &RwLock<Accounts>) -> RwLockReadGuard<'_, Accounts> {
    accounts
        .read()
        .expect("no thread panics while it holds the accounts")
}

/// Returns the key that a request has in its header.
fn key_of_header(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.trim().split_once(' ')?;
    let is_known = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    is_known.then(|| key.trim())
}

/// Returns what stands for an address: of IPv6 the network, since one client has all addresses of a network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::http::Request;

    use super::*;

    /// What "secret" and "other" may, the second one with limits.
    fn access(requests_per_minute: Option<u32>) -> Arc<Access> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let key = |name: &str, key: &str| format!("[[key]]\nname = {name:?}\nsha256 = {:?}\n", sha256(key));
        let limits = "characters = 10\nrequests_per_minute = 3\n";
        fs::write(&path, key("a", "secret") + &key("b", "other") + limits).unwrap();
        let requests_per_minute = requests_per_minute.and_then(NonZeroU32::new);
        Arc::new(Access::new(
            Some(Keys::read(&path).unwrap()),
            requests_per_minute,
            TextLimits::default(),
        ))
    }

    fn visitor(access: &Arc<Access>, address: &str, header: Option<&str>) -> Visitor {
        let mut request = Request::builder().uri("/translate");
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let peer = Peer::new((address.parse::<IpAddr>().unwrap(), 80).into());
        parts.extensions.insert(ConnectInfo(peer));
        parts.extensions.insert(Arc::clone(access));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let Ok(visitor) = runtime.block_on(Visitor::from_request_parts(&mut parts, &()));
        visitor
    }

    fn status<T>(result: Result<T, ApiError>) -> Option<u16> {
        result.err().map(|error| error.status().as_u16())
    }

    #[test]
    fn figures_are_for_this_machine_and_for_those_who_have_a_key() {
        let with_keys = access(None);
        let open = Arc::new(Access::new(None, None, TextLimits::default()));
        let key = Some("Bearer secret");
        for (access, address, header, expected) in [
            (&with_keys, "127.0.0.1", None, None),
            (&with_keys, "::1", None, None),
            (&with_keys, "::ffff:127.0.0.1", None, None),
            (&with_keys, "192.0.2.1", None, Some(403)),
            (&with_keys, "192.0.2.1", Some("Bearer wrong"), Some(403)),
            (&with_keys, "192.0.2.1", key, None),
            (&open, "127.0.0.1", None, None),
            (&open, "192.0.2.1", key, Some(403)),
        ] {
            let visitor = visitor(access, address, header);
            assert_eq!(
                status(visitor.may_see_metrics()),
                expected,
                "{address} {header:?}"
            );
        }
    }

    #[test]
    fn a_key_is_read_from_the_header_in_each_way_that_clients_write_it() {
        let access = access(None);
        for (header, is_known) in [
            ("DeepL-Auth-Key secret", true),
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Basic secret", false),
            ("secret", false),
            ("Bearer secre", false),
            ("Bearer", false),
            ("", false),
        ] {
            let visitor = visitor(&access, "192.0.2.1", Some(header));
            let expected = (!is_known).then_some(403);
            assert_eq!(status(visitor.with_key(None)), expected, "{header:?}");
        }
    }

    #[test]
    fn keys_and_addresses_have_paces_of_their_own() {
        let access = access(Some(2));
        let ask = |address: &str, key: Option<&str>| status(visitor(&access, address, None).with_key(key));
        // An address of IPv6 counts for its network.
        for (address, expected) in [
            ("192.0.2.1", 403),
            ("192.0.2.1", 403),
            ("192.0.2.1", 429),
            ("::ffff:192.0.2.1", 429),
            ("192.0.2.2", 403),
            ("2001:db8::1", 403),
            ("2001:db8::2", 403),
            ("2001:db8::3", 429),
            ("2001:db8:0:1::1", 403),
        ] {
            assert_eq!(ask(address, Some("wrong")), Some(expected), "{address}");
        }
        for (key, most) in [("secret", 2), ("other", 3)] {
            for _ in 0..most {
                assert_eq!(ask("192.0.2.1", Some(key)), None, "{key}");
            }
            assert_eq!(ask("192.0.2.7", Some(key)), Some(429), "{key}");
        }
    }

    #[test]
    fn no_more_characters_are_spent_than_a_key_has() {
        let access = access(None);
        let caller = |key: &str| {
            let caller = visitor(&access, "192.0.2.1", None).with_key(Some(key));
            caller.unwrap_or_else(|_| panic!("{key} is known"))
        };
        let limited = caller("other");
        assert_eq!(
            status(limited.check(["äöü", "x"]).and_then(|count| limited.spend(count))),
            None
        );
        assert_eq!(status(limited.spend(7)), Some(456));
        assert_eq!(status(limited.spend(6)), None);
        assert_eq!(
            (limited.used(), limited.limit(), limited.name()),
            (10, Some(10), "b")
        );
        assert_eq!(status(caller("other").spend(1)), Some(456));
        let free = caller("secret");
        for characters in [usize::MAX, usize::MAX] {
            assert_eq!(status(free.spend(characters)), None);
        }
        assert_eq!((free.used(), free.limit()), (u64::MAX, None));
    }
}
