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
    on: bool,
    sign_up: Limit<IpAddr>,
    log_in_from: Limit<IpAddr>,
    log_in_as: Limit<String>,
    post_as: Limit<AccountId>,
    post_from: Limit<IpAddr>,
    request_from: Limit<IpAddr>,
    request_with: Limit<TokenId>,
    mail_to: Limit<AccountId>,
    letter: Limit<IpAddr>,
    guest: Limit<IpAddr>,
    guest_room: Limit<QuotaKey>,
    member_room: Limit<QuotaKey>,
    app_room: Limit<QuotaKey>,
    seek: Limit<IpAddr>,
    say: Limit<AccountId>,
    say_at_once: Limit<QuotaKey>,
    type_on: Limit<AccountId>,
    hook: Limit<AccountId>,
    connect: Limit<IpAddr>,
    sockets: Tally<Holder>,
    uploads: Tally<QuotaKey>,
}

/// The origin of a request, by which it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub ip: IpAddr,
    /// The valid token of the request. Requests with one are counted by it, because a server of many people has one
    /// address.
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

/// The open sockets of one address: enough for a school of thirty classes, and a bound for programs that hoard them.
const MAX_SOCKETS_PER_ADDRESS: usize = 1_000;

/// The open sockets of one account: a few devices, each with a window full of tabs.
const MAX_SOCKETS_PER_ACCOUNT: usize = 50;

/// The uploads of one account at the same time.
const MAX_UPLOADS_PER_ACCOUNT: usize = 4;

impl Limits {
    /// Creates the limits. Switched off, for load tests, none of them applies.
    pub fn new(on: bool, clock: &Clock) -> Self {
        Limits {
            on,
            // A class of thirty signs up at once, each with a few refused attempts.
            sign_up: Limit::new("sign-up", 120, Duration::from_secs(30), clock),
            // The same class comes back on Monday.
            log_in_from: Limit::new("log-in", 120, Duration::from_secs(5), clock),
            // A person needs a few attempts; a program that guesses gets 30 an hour, from however many addresses.
            log_in_as: Limit::new("log-in", 12, Duration::from_secs(120), clock),
            // Nobody posts more than a peep every five seconds for long.
            post_as: Limit::new("post", 40, Duration::from_secs(5), clock),
            // Many accounts behind one address, but not a farm of them.
            post_from: Limit::new("post", 600, Duration::from_millis(500), clock),
            // A school whose pages are all open: each requests little, and all of them at once.
            request_from: Limit::new("request", 6000, Duration::from_millis(5), clock),
            // A product that has all its conversations here: a hundred requests a second, and a thousand at once.
            request_with: Limit::new("request", 1000, Duration::from_millis(10), clock),
            // A lively evening; further mails wait.
            mail_to: Limit::new("mail", 30, Duration::from_secs(120), clock),
            // A class writes to its teacher; nobody writes to many strangers.
            letter: Limit::new("letter", 30, Duration::from_secs(60), clock),
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
            say_at_once: Limit::new("batch", 500, Duration::from_millis(200), clock),
            // People notice who is typing every few seconds.
            type_on: Limit::new("typing", 5, Duration::from_secs(2), clock),
            // A program can wait, but a build that fails in fifty places may report all of them at once.
            hook: Limit::new("hook", 60, Duration::from_secs(1), clock),
            // A school reconnects after a restart of the server.
            connect: Limit::new("connect", 1_500, Duration::from_millis(200), clock),
            sockets: Tally::default(),
            uploads: Tally::default(),
        }
    }

    /// Counts a sign-up.
    pub fn sign_up(&self, from: Origin) -> Result<()> {
        self.check(&self.sign_up, &subnet(from.ip)).map(drop)
    }

    /// Counts an attempt to log in as `login`.
    pub fn log_in(&self, from: Origin, login: &str) -> Result<()> {
        self.check(&self.log_in_from, &subnet(from.ip))?;
        // The normalized form is counted: other spellings of the same login must not give further attempts.
        let login: String = accounts::key(login).chars().take(64).collect();
        self.check(&self.log_in_as, &login).map(drop)
    }

    /// Counts a write of a member: a peep, a like, an edit, a deletion. Returns how much is left.
    pub fn post(&self, from: Origin, member: AccountId) -> Result<Option<Allowance>> {
        self.from(from)?;
        self.check(&self.post_as, &member)
    }

    /// Counts a small write, such as a setting.
    pub fn write(&self, from: Origin) -> Result<()> {
        self.from(from)
    }

    /// Counts a mail to a member, so that no mailbox is flooded, however many people mention its owner.
    pub fn mail(&self, to: AccountId) -> Result<()> {
        self.check(&self.mail_to, &to).map(drop)
    }

    /// Counts a contact message to the owner of a page, or a request for the address.
    pub fn letter(&self, from: Origin) -> Result<()> {
        self.check(&self.letter, &subnet(from.ip)).map(drop)
    }

    /// Counts a new guest.
    pub fn guest(&self, from: Origin) -> Result<()> {
        self.check(&self.guest, &subnet(from.ip)).map(drop)
    }

    /// Counts a search for a match.
    pub fn seek(&self, from: Origin) -> Result<Option<Allowance>> {
        self.check(&self.seek, &subnet(from.ip))
    }

    /// Counts a new room or thread of an account.
    pub fn room(&self, from: Origin, account: &Account) -> Result<Option<Allowance>> {
        self.from(from)?;
        let limit = match account.kind {
            AccountKind::Guest | AccountKind::Stranger => &self.guest_room,
            AccountKind::Member => &self.member_room,
            AccountKind::Bot | AccountKind::Managed => &self.app_room,
        };
        self.check(limit, &account.quota_key())
    }

    /// Counts a message, an edit or a reaction of an account. Returns how much is left.
    pub fn say(&self, from: Origin, account: AccountId) -> Result<Option<Allowance>> {
        self.from(from)?;
        self.check(&self.say, &account)
    }

    /// Counts a message of a batch. Guests have no larger limit for batches than for single messages.
    pub fn say_at_once(&self, from: Origin, account: &Account) -> Result<()> {
        if matches!(account.kind, AccountKind::Guest | AccountKind::Stranger) {
            return self.say(from, account.id).map(drop);
        }
        self.from(from)?;
        self.check(&self.say_at_once, &account.quota_key()).map(drop)
    }

    /// Counts a typing notification that a program sends for an account.
    pub fn type_on(&self, from: Origin, account: AccountId) -> Result<()> {
        self.from(from)?;
        self.check(&self.type_on, &account).map(drop)
    }

    /// Counts a message that a program posts through a hook as this bot.
    pub fn hook(&self, bot: AccountId) -> Result<Option<Allowance>> {
        self.check(&self.hook, &bot)
    }

    /// Counts a new socket. The socket is counted until the returned value is dropped.
    pub fn socket(&self, from: Origin, account: Option<AccountId>) -> Result<Option<SocketSlot>> {
        if !self.on {
            return Ok(None);
        }
        let from = subnet(from.ip);
        self.connect.check(&from)?;
        let subnet = (Holder::Subnet(from), MAX_SOCKETS_PER_ADDRESS);
        let account = account.map(|account| (Holder::Account(account), MAX_SOCKETS_PER_ACCOUNT));
        let holders: Vec<_> = [Some(subnet), account].into_iter().flatten().collect();
        self.sockets.hold(&holders).map(Some)
    }

    /// Counts the beginning of an upload. The upload is counted until the returned value is dropped.
    pub fn upload(&self, account: &Account) -> Result<Option<Held<QuotaKey>>> {
        if self.on {
            self.uploads.hold(&[(account.quota_key(), MAX_UPLOADS_PER_ACCOUNT)]).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Counts a request to the API. Returns how much is left.
    pub fn request(&self, from: Origin) -> Result<Option<Allowance>> {
        match from.token {
            Some(token) => self.check(&self.request_with, &token),
            None => self.check(&self.request_from, &subnet(from.ip)),
        }
    }

    /// Counts a write by its address. A request with a token is already counted by that.
    fn from(&self, from: Origin) -> Result<()> {
        match from.token {
            Some(_) => Ok(()),
            None => self.check(&self.post_from, &subnet(from.ip)).map(drop),
        }
    }

    fn check<K: Hash + Eq + Clone>(&self, limit: &Limit<K>, key: &K) -> Result<Option<Allowance>> {
        if self.on { limit.check(key).map(Some) } else { Ok(None) }
    }
}

/// Counts of open things by their holder.
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
        if keys.iter().any(|(key, most)| open.get(key).is_some_and(|count| count >= most)) {
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

/// An open thing, which is counted until this is dropped.
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

/// A counted socket of an address and, where it has one, an account.
pub type SocketSlot = Held<Holder>;

/// Returns the address that limits count: of IPv6, where every household has 2⁶⁴ of them, the /64 network.
pub fn subnet(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

/// A limit: a burst, and the time in which one unit of it comes back.
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
            Ok(state) => Ok(Allowance {
                name: self.name,
                burst: self.burst,
                remaining: state.remaining_burst_capacity(),
                every: self.every,
            }),
            Err(until) => {
                let now = governor::clock::Clock::now(&self.clock);
                let limit =
                    error::Limit { name: self.name, burst: self.burst, window: self.every * self.burst };
                Err(Error::TooMany { retry_after: until.wait_time_from(now), limit: Some(limit) })
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
    fn one_place_holds_so_many_sockets_and_gets_them_back() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let from = Origin::at([192, 0, 2, 1]);
        let mut held: Vec<_> =
            (0..MAX_SOCKETS_PER_ADDRESS).map(|_| limits.socket(from, None).expect("there is room")).collect();
        assert!(limits.socket(from, None).is_err(), "one more is too many");
        limits.socket(Origin::at([192, 0, 2, 2]), None).expect("others have their own");
        held.pop();
        limits.socket(from, None).expect("a place is free again");
    }

    #[test]
    fn one_account_holds_so_many_sockets_wherever_it_is() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let from = |n| Origin::at([192, 0, 2, n]);
        let _held: Vec<_> = (0..MAX_SOCKETS_PER_ACCOUNT)
            .map(|n| limits.socket(from(n as u8), Some(AccountId(1))).expect("there is room"))
            .collect();
        assert!(limits.socket(from(99), Some(AccountId(1))).is_err(), "one more is too many");
        limits.socket(from(99), Some(AccountId(2))).expect("others have their own");
    }

    #[test]
    fn a_guesser_is_stopped_and_may_come_back_later() {
        let clock = Clock::manual(Time::from_ms(1_000_000));
        let limits = Limits::new(true, &clock);
        let from = Origin::at([192, 0, 2, 1]);
        for _ in 0..12 {
            limits.log_in(from, "nell").expect("a person's tries");
        }
        let Err(Error::TooMany { retry_after, .. }) = limits.log_in(from, " NELL ") else {
            panic!("the thirteenth try is too many");
        };
        limits.log_in(from, "ify").expect("others are not locked out");
        clock.advance(retry_after);
        limits.log_in(from, "nell").expect("and nell may try again");
    }

    #[test]
    fn a_class_of_thirty_signs_up_behind_one_address() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let school = Origin::at([192, 0, 2, 1]);
        for _ in 0..90 {
            limits.sign_up(school).expect("thirty people, three tries each");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_place() {
        let limits = Limits::new(true, &Clock::manual(Time::from_ms(0)));
        let refused =
            (0..200u16).any(|n| limits.sign_up(Origin::at([0x2001, 0xdb8, 0, 0, n, 0, 0, n])).is_err());
        assert!(refused, "turning the lower half does not help");
    }

    #[test]
    fn nobody_is_counted_when_limits_are_off() {
        let limits = Limits::new(false, &Clock::manual(Time::from_ms(0)));
        assert!((0..1000).all(|_| limits.post(Origin::at([192, 0, 2, 1]), AccountId(1)).is_ok()));
    }
}
