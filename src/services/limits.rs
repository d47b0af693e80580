//! Rate limits. Each is generous for people, also for thirty behind one address, and narrow for programs that guess or
//! flood.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use governor::{Quota, RateLimiter, middleware::StateInformationMiddleware, state::keyed::DashMapStateStore};

use crate::{
    Error, Result,
    clock::Clock,
    domain::accounts,
    error,
    ids::{AccountId, TokenId},
    store::accounts::{Account, AccountKind, QuotaKey},
};

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, Clock, StateInformationMiddleware>;

/// The rate limits of the product.
pub struct Limits {
    enabled: bool,
    sign_up: Limit<IpAddr>,
    log_in_by_ip: Limit<IpAddr>,
    log_in_by_login: Limit<String>,
    post_by_account: Limit<AccountId>,
    post_by_ip: Limit<IpAddr>,
    request_by_ip: Limit<IpAddr>,
    request_by_token: Limit<TokenId>,
    mail: Limit<AccountId>,
    contact_message: Limit<IpAddr>,
    report: Limit<AccountId>,
    guest: Limit<IpAddr>,
    guest_room: Limit<QuotaKey>,
    member_room: Limit<QuotaKey>,
    app_room: Limit<QuotaKey>,
    seek: Limit<IpAddr>,
    say: Limit<AccountId>,
    say_in_batch: Limit<QuotaKey>,
    typing: Limit<AccountId>,
    hook: Limit<AccountId>,
    connect: Limit<IpAddr>,
    sockets: Tally<Holder>,
    uploads: Tally<QuotaKey>,
}

/// The origin of a request, by which it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub ip: IpAddr,
    /// The valid token of the request. Requests with a token are counted by the token, because a server that acts for
    /// many people has one address.
    pub token: Option<TokenId>,
}

impl Origin {
    /// Returns an origin without a token.
    pub fn at(ip: impl Into<IpAddr>) -> Self {
        Origin { ip: ip.into(), token: None }
    }
}

/// The holder of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Holder {
    /// An address, or a network of IPv6.
    Subnet(IpAddr),
    Account(AccountId),
}

/// The maximum number of open sockets of one address: enough for a school of thirty classes, and a bound for programs
/// that hoard them.
const MAX_SOCKETS_PER_ADDRESS: usize = 1_000;

/// The maximum number of open sockets of one account: a few devices, each with a window full of tabs.
const MAX_SOCKETS_PER_ACCOUNT: usize = 50;

/// The maximum number of uploads of one account at the same time.
const MAX_UPLOADS_PER_ACCOUNT: usize = 4;

impl Limits {
    /// Creates the limits. Switched off, for load tests, none of them applies.
    pub fn new(enabled: bool, clock: &Clock) -> Self {
        Limits {
            enabled,
            // A class of thirty signs up at once, each with a few refused attempts.
            sign_up: Limit::new("sign-up", 120, Duration::from_secs(30), clock),
            // The same class comes back on Monday.
            log_in_by_ip: Limit::new("log-in", 120, Duration::from_secs(5), clock),
            // A person needs a few attempts; a program that guesses gets 30 an hour, from however many addresses.
            log_in_by_login: Limit::new("log-in", 12, Duration::from_secs(120), clock),
            // Nobody posts a peep every five seconds for long.
            post_by_account: Limit::new("post", 40, Duration::from_secs(5), clock),
            // Many accounts behind one address, but not a farm of them.
            post_by_ip: Limit::new("post", 600, Duration::from_millis(500), clock),
            // A school whose pages are all open: each requests little, and all of them at once.
            request_by_ip: Limit::new("request", 6000, Duration::from_millis(5), clock),
            // A product that has all its conversations here: a hundred requests a second, and a thousand at once.
            request_by_token: Limit::new("request", 1000, Duration::from_millis(10), clock),
            // A lively evening; further mails wait.
            mail: Limit::new("mail", 30, Duration::from_secs(120), clock),
            // A class writes to its teacher; nobody writes to many strangers.
            contact_message: Limit::new("letter", 30, Duration::from_secs(60), clock),
            // An evening of rude strangers; each report stores a copy of a talk.
            report: Limit::new("report", 10, Duration::from_secs(3600), clock),
            // Several classes open the link on the board in the same minute.
            guest: Limit::new("guest", 300, Duration::from_secs(10), clock),
            // A guest needs a room or two, a member one on each day of a busy month.
            guest_room: Limit::new("room", 10, Duration::from_secs(360), clock),
            member_room: Limit::new("room", 60, Duration::from_secs(60), clock),
            // A product imports its conversations, and begins new ones all day.
            app_room: Limit::new("room", 1_000, Duration::from_secs(1), clock),
            // A class that is curious; nobody meets a new person every second.
            seek: Limit::new("match", 120, Duration::from_secs(1), clock),
            // Sixty messages a minute, and a burst of thirty: nobody can read faster.
            say: Limit::new("message", 30, Duration::from_secs(1), clock),
            // A program imports messages from elsewhere: a few batches, and then five messages a second.
            say_in_batch: Limit::new("batch", 500, Duration::from_millis(200), clock),
            // People notice who is typing every few seconds.
            typing: Limit::new("typing", 5, Duration::from_secs(2), clock),
            // A program can wait, but a build that fails in fifty places may report all of them at once.
            hook: Limit::new("hook", 60, Duration::from_secs(1), clock),
            // A school reconnects after a restart of the server.
            connect: Limit::new("connect", 1_500, Duration::from_millis(200), clock),
            sockets: Tally::default(),
            uploads: Tally::default(),
        }
    }

    /// Counts a sign-up.
    pub fn sign_up(&self, origin: Origin) -> Result<()> {
        self.check(&self.sign_up, &subnet(origin.ip)).map(drop)
    }

    /// Counts an attempt to log in as `login`.
    pub fn log_in(&self, origin: Origin, login: &str) -> Result<()> {
        self.check(&self.log_in_by_ip, &subnet(origin.ip))?;
        // The normalized form is counted: other spellings of the same login must not give further attempts.
        let login: String = accounts::key(login).chars().take(64).collect();
        self.check(&self.log_in_by_login, &login).map(drop)
    }

    /// Counts a write of a member: a peep, a like, an edit, a deletion. Returns how much is left.
    pub fn post(&self, origin: Origin, member: AccountId) -> Result<Option<Allowance>> {
        self.count_write(origin)?;
        self.check(&self.post_by_account, &member)
    }

    /// Counts a small write, such as a setting.
    pub fn write(&self, origin: Origin) -> Result<()> {
        self.count_write(origin)
    }

    /// Counts a mail to a member, so that no mailbox is flooded, however many people mention its owner.
    pub fn mail(&self, to: AccountId) -> Result<()> {
        self.check(&self.mail, &to).map(drop)
    }

    /// Counts a contact message to the owner of a page, or a request for the address.
    pub fn contact_message(&self, origin: Origin) -> Result<()> {
        self.check(&self.contact_message, &subnet(origin.ip)).map(drop)
    }

    /// Counts a report.
    pub fn report(&self, origin: Origin, account: AccountId) -> Result<()> {
        self.count_write(origin)?;
        self.check(&self.report, &account).map(drop)
    }

    /// Counts a new guest.
    pub fn guest(&self, origin: Origin) -> Result<()> {
        self.check(&self.guest, &subnet(origin.ip)).map(drop)
    }

    /// Counts a search for a match.
    pub fn seek(&self, origin: Origin) -> Result<Option<Allowance>> {
        self.check(&self.seek, &subnet(origin.ip))
    }

    /// Counts a new room or thread of an account.
    pub fn room(&self, origin: Origin, account: &Account) -> Result<Option<Allowance>> {
        self.count_write(origin)?;
        let limit = match account.kind {
            AccountKind::Guest | AccountKind::Stranger => &self.guest_room,
            AccountKind::Member => &self.member_room,
            AccountKind::Bot | AccountKind::Managed => &self.app_room,
        };
        self.check(limit, &account.quota_key())
    }

    /// Counts a message, an edit or a reaction of an account. Returns how much is left.
    pub fn say(&self, origin: Origin, account: AccountId) -> Result<Option<Allowance>> {
        self.count_write(origin)?;
        self.check(&self.say, &account)
    }

    /// Counts a message of a batch. Guests have no larger limit for batches than for single messages.
    pub fn say_in_batch(&self, origin: Origin, account: &Account) -> Result<()> {
        if matches!(account.kind, AccountKind::Guest | AccountKind::Stranger) {
            return self.say(origin, account.id).map(drop);
        }
        self.count_write(origin)?;
        self.check(&self.say_in_batch, &account.quota_key()).map(drop)
    }

    /// Counts a typing notification that a program sends for an account.
    pub fn typing(&self, origin: Origin, account: AccountId) -> Result<()> {
        self.count_write(origin)?;
        self.check(&self.typing, &account).map(drop)
    }

    /// Counts a message that a program posts through a hook as this bot.
    pub fn hook(&self, bot: AccountId) -> Result<Option<Allowance>> {
        self.check(&self.hook, &bot)
    }

    /// Counts a new socket. The socket is counted until the returned value is dropped.
    pub fn socket(&self, origin: Origin, account: Option<AccountId>) -> Result<Option<SocketSlot>> {
        if !self.enabled {
            return Ok(None);
        }
        let ip = subnet(origin.ip);
        self.connect.check(&ip)?;
        let subnet = (Holder::Subnet(ip), MAX_SOCKETS_PER_ADDRESS);
        let account = account.map(|account| (Holder::Account(account), MAX_SOCKETS_PER_ACCOUNT));
        let holders: Vec<_> = [Some(subnet), account].into_iter().flatten().collect();
        self.sockets.hold(&holders).map(Some)
    }

    /// Counts the beginning of an upload. The upload is counted until the returned value is dropped.
    pub fn upload(&self, account: &Account) -> Result<Option<Held<QuotaKey>>> {
        if self.enabled {
            self.uploads.hold(&[(account.quota_key(), MAX_UPLOADS_PER_ACCOUNT)]).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Counts a request to the API. Returns how much is left.
    pub fn request(&self, origin: Origin) -> Result<Option<Allowance>> {
        match origin.token {
            Some(token) => self.check(&self.request_by_token, &token),
            None => self.check(&self.request_by_ip, &subnet(origin.ip)),
        }
    }

    /// Counts a write by its address. A request with a token is already counted by the token.
    fn count_write(&self, origin: Origin) -> Result<()> {
        match origin.token {
            Some(_) => Ok(()),
            None => self.check(&self.post_by_ip, &subnet(origin.ip)).map(drop),
        }
    }

    fn check<K: Hash + Eq + Clone>(&self, limit: &Limit<K>, key: &K) -> Result<Option<Allowance>> {
        if self.enabled { limit.check(key).map(Some) } else { Ok(None) }
    }
}

/// Counts of what is open, such as sockets, by key.
pub struct Tally<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally(Arc::default())
    }
}

impl<K: Copy + Eq + Hash> Tally<K> {
    /// Counts one more for every key, unless one of the keys has reached its maximum.
    fn hold(&self, keys: &[(K, usize)]) -> Result<Held<K>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.iter().any(|(key, max)| open.get(key).is_some_and(|count| count >= max)) {
            return Err(Error::TooMany { retry_after: Duration::from_secs(60), limit: None });
        }
        let keys: Vec<K> = keys.iter().map(|(key, _)| *key).collect();
        for key in &keys {
            *open.entry(*key).or_default() += 1;
        }
        Ok(Held { keys, tally: Arc::clone(&self.0) })
    }

    /// Counts one more, without a maximum.
    pub fn hold_one(&self, key: K) -> Held<K> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        Held { keys: vec![key], tally: Arc::clone(&self.0) }
    }

    /// Returns the count of a key.
    pub fn count(&self, key: &K) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or_default()
    }
}

/// A unit of a [`Tally`], which is counted until this value is dropped.
pub struct Held<K: Copy + Eq + Hash> {
    keys: Vec<K>,
    tally: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Copy + Eq + Hash> Drop for Held<K> {
    fn drop(&mut self) {
        let mut open = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(count) = open.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    open.remove(key);
                }
            }
        }
    }
}

/// A counted socket of an address and, if there is one, of an account.
pub type SocketSlot = Held<Holder>;

/// Returns the address by which limits count: for IPv6 the /64 network, because every household has 2⁶⁴ addresses.
pub fn subnet(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

/// A limit: a burst, and the time after which one more unit of the burst is available again.
struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    burst: u32,
    every: Duration,
    clock: Clock,
    limiter: Keyed<K>,
    checks: AtomicU32,
}

/// The number of checks after which the keys that are at their full limit again are removed from memory.
const CLEAN_UP_EVERY: u32 = 10_000;

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, burst: u32, every: Duration, clock: &Clock) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(every).unwrap_or(Quota::per_second(burst)).allow_burst(burst);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Limit { name, burst: burst.get(), every, clock: clock.clone(), limiter, checks: AtomicU32::new(0) }
    }

    fn check(&self, key: &K) -> Result<Allowance> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % CLEAN_UP_EVERY == CLEAN_UP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(key) {
            Ok(snapshot) => Ok(Allowance {
                name: self.name,
                burst: self.burst,
                remaining: snapshot.remaining_burst_capacity(),
                every: self.every,
            }),
            Err(not_until) => {
                let now = governor::clock::Clock::now(&self.clock);
                let limit =
                    error::Limit { name: self.name, burst: self.burst, window: self.every * self.burst };
                Err(Error::TooMany { retry_after: not_until.wait_time_from(now), limit: Some(limit) })
            }
        }
    }
}

/// The remaining part of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    name: &'static str,
    burst: u32,
    /// The number of requests that are allowed now.
    pub remaining: u32,
    every: Duration,
}

impl Allowance {
    /// Returns the limit itself.
    pub fn limit(&self) -> error::Limit {
        error::Limit { name: self.name, burst: self.burst, window: self.every * self.burst }
    }

    /// Returns the time until the whole limit is available again.
    pub fn resets_after(&self) -> Duration {
        self.every * (self.burst - self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;

    #[test]
    fn one_address_has_a_limit_of_sockets_and_may_open_another_when_one_closes() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let from = Origin::at([192, 0, 2, 1]);
        let mut held: Vec<_> =
            (0..MAX_SOCKETS_PER_ADDRESS).map(|_| limits.socket(from, None).expect("allowed")).collect();
        assert!(limits.socket(from, None).is_err(), "the limit of the address is exceeded");
        limits.socket(Origin::at([192, 0, 2, 2]), None).expect("another address has its own limit");
        held.pop();
        limits.socket(from, None).expect("a closed socket does not count");
    }

    #[test]
    fn one_account_has_a_limit_of_sockets_over_all_addresses() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let from = |n| Origin::at([192, 0, 2, n]);
        let _held: Vec<_> = (0..MAX_SOCKETS_PER_ACCOUNT)
            .map(|n| limits.socket(from(n as u8), Some(AccountId(1))).expect("allowed"))
            .collect();
        assert!(limits.socket(from(99), Some(AccountId(1))).is_err(), "the limit of the account is exceeded");
        limits.socket(from(99), Some(AccountId(2))).expect("another account has its own limit");
    }

    #[test]
    fn repeated_logins_are_refused_and_allowed_again_later() {
        let clock = Clock::manual(Time::from_ms(1_000_000));
        let limits = Limits::new(true, &clock);
        let from = Origin::at([192, 0, 2, 1]);
        for _ in 0..12 {
            limits.log_in(from, "nell").expect("within the limit");
        }
        let Err(Error::TooMany { retry_after, .. }) = limits.log_in(from, " NELL ") else {
            panic!("the thirteenth attempt exceeds the limit");
        };
        limits.log_in(from, "ify").expect("other accounts are not affected");
        clock.advance(retry_after);
        limits.log_in(from, "nell").expect("allowed after the wait");
    }

    #[test]
    fn a_class_of_thirty_signs_up_behind_one_address() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let school = Origin::at([192, 0, 2, 1]);
        for _ in 0..90 {
            limits.sign_up(school).expect("thirty people, three attempts each");
        }
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let refused =
            (0..200u16).any(|n| limits.sign_up(Origin::at([0x2001, 0xdb8, 0, 0, n, 0, 0, n])).is_err());
        assert!(refused, "the lower 64 bits do not count");
    }

    #[test]
    fn nothing_is_refused_when_limits_are_off() {
        let limits = Limits::new(false, &Clock::manual(Time::from_ms(0)));
        assert!((0..1000).all(|_| limits.post(Origin::at([192, 0, 2, 1]), AccountId(1)).is_ok()));
    }
}
